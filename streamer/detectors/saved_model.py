"""Loads SavedModels with tensorflow-hub; those with a Hub handle come from the verified cache.

The one file that imports TensorFlow, which takes seconds.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from streamer.detectors import hub_cache
from streamer.detectors.handles import is_handle, is_kaggle
from streamer.detectors.quiet import stderr_without
from streamer.errors import DetectorError, DetectorUnavailable, ModelRefused
from streamer.redact import redact

log = logging.getLogger(__name__)

NATIVE_CHATTER = r"^(WARNING: All log messages before absl|[IW]\d{4} \d)"
"""What TensorFlow's native part prints before any setting reaches it: information and warnings, no errors."""


class CacheResolver:
    """Tells tensorflow-hub where the model of a handle lies: in the verified cache, downloaded when it is missing.

    Implements ``tensorflow_hub.resolver.Resolver``; it does not inherit from it, since that would import TensorFlow here.
    """

    def is_supported(self, handle: str) -> bool:
        """Whether this resolver is for ``handle``; paths are left to tensorflow-hub."""
        return urlsplit(handle).scheme in ("http", "https") or is_kaggle(handle)

    def __call__(self, handle: str) -> str:
        """The folder of the model, every file of which agrees with its checksum. Raises ``DetectorUnavailable``."""
        return str(hub_cache.download(handle))


def quiet_tensorflow(threads: int | None) -> Any:
    """TensorFlow, quiet. ``threads`` are set only before its first use in the process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings(), stderr_without(NATIVE_CHATTER):
        warnings.simplefilter("ignore")
        try:
            import tensorflow as tf
        except ImportError as error:
            raise DetectorUnavailable(f"TensorFlow cannot be imported: {error}", hint="pip install tensorflow") from error
        tf.get_logger().setLevel(logging.ERROR)
        try:
            if threads is not None:
                tf.config.threading.set_intra_op_parallelism_threads(threads)
        except RuntimeError:
            log.warning("TensorFlow was already running: its threads stay as they were set")
    return tf


def load(tf: Any, model: str) -> tuple[Any, Any]:
    """The function that detects and the loaded object, which must live as long as the function.

    ``model`` is a Hub handle or the path of a SavedModel folder. A cached model without checksums, which
    another program put there, counts as whole when it loads, and is downloaded again when it does not. Raises
    ``ModelRefused`` when the model does not load or has no ``serving_default``.
    """
    if not is_handle(model):
        return _load(tf, model)
    folder = hub_cache.entry(model)
    if (folder / hub_cache.MANIFEST).exists():
        return _load(tf, model)
    try:
        loaded = _load(tf, model)
    except DetectorUnavailable as error:
        log.warning("%s; fetching it again", error.message)
        hub_cache.download(model, again=True)
        return _load(tf, model)
    try:
        hub_cache.write_manifest(folder, model)
    except OSError as error:  # a cache that may only be read works just as well
        log.info("no checksums written to %s: %s", folder, error)
    return loaded


def out_of_memory(name: str, error: BaseException) -> DetectorError:
    """The error to raise where memory does not suffice for the model ``name``."""
    return DetectorError(
        f"out of memory for the model {name}: {first_line(error)}",
        hint="end what else uses the GPU's memory, use --device cpu, or take a smaller model, such as nanodet",
    )


def inlined(call: Any) -> tuple[Any, dict[str, Any]]:
    """The ``GraphDef`` of a concrete function with its calls inlined, and what it has captured, variables and tensors, by the
    names of its placeholders.

    Variables are read by the graph, and are no part of it: constants would lie in memory several times. Raises
    what TensorFlow raises for a graph whose calls cannot be inlined.
    """
    # The public function goes on to make constants of the variables.
    from tensorflow.python.framework.convert_to_constants import _run_inline_graph_optimization

    with stderr_without(NATIVE_CHATTER):
        graph = _run_inline_graph_optimization(call, lower_control_flow=False, aggressive_inlining=False)
    variables = {id(variable.handle): variable for variable in call.graph.variables}
    return graph, {inner.op.name: variables.get(id(outer), outer) for outer, inner in call.graph.captures}


def first_line(error: BaseException) -> str:
    """The beginning of what TensorFlow says about ``error``, which may be pages long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Graph execution error"):
        # The reason stands behind the place in the user's code, which says nothing here.
        lines = [line for line in lines if not line.startswith("[[")][-1:]
    # Half of an address would not be known for one.
    return redact(lines[0])[:300] if lines else type(error).__name__


def _load(tf: Any, model: str) -> tuple[Any, Any]:
    shown = redact(model)
    with stderr_without(NATIVE_CHATTER):
        try:
            loaded = _loader(tf)(model)
        except DetectorError:
            raise
        except tf.errors.ResourceExhaustedError as error:
            raise out_of_memory(shown, error) from error
        except Exception as error:
            # TensorFlow raises a dozen unrelated types here, by which file is cut and where.
            raise ModelRefused(
                f"the SavedModel {shown} does not load, it may be cut short: {first_line(error)}", hint="copy it again"
            ) from error
    signature = getattr(loaded, "signatures", {}).get("serving_default")
    if signature is None:
        raise ModelRefused(
            f"the SavedModel {shown} has no signature serving_default, it has: "
            f"{', '.join(getattr(loaded, 'signatures', {})) or 'none'}",
            hint="export it with the TF Object Detection API's exporter",
        )
    return signature, loaded


@cache
def _loader(tf: Any) -> Callable[[str], Any]:
    """``hub.load`` with our resolver asked first; where tensorflow-hub does not import, the same without it.

    From then on every ``hub.load`` of a handle in this process goes through the verified cache.
    """
    resolver = CacheResolver()
    try:
        # It prints on stdout what it misses, and warns that pkg_resources is deprecated.
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import tensorflow_hub as hub
            from tensorflow_hub import registry
    except Exception as error:  # noqa: BLE001  # it and tf_keras break in many ways where other versions were installed later
        log.warning(
            'tensorflow-hub cannot be imported: %s; loading without it (pip install tf-keras "setuptools<82" mends it)',
            first_line(error),
        )
        return lambda model: tf.saved_model.load(resolver(model) if resolver.is_supported(model) else model)
    registry.resolver.add_implementation(resolver)
    load_from_hub: Callable[[str], Any] = hub.load
    return load_from_hub
