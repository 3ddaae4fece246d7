"""Which detectors there are, and how a name becomes one."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from streamer.detectors.device import AUTO, PATTERN, each, gpu_index
from streamer.detectors.device import check as check_device
from streamer.detectors.handles import MASK_RCNN, is_handle, is_kaggle
from streamer.detectors.installed import CLASS_SPEC, installed, target_of
from streamer.detectors.label_file import read_labels
from streamer.detectors.labels import COCO
from streamer.detectors.other_files import BY_NAME, UNKNOWN
from streamer.detectors.precision import FULL, MIXED
from streamer.detectors.remote.address import is_remote
from streamer.detectors.remote.address import parse as parse_remote
from streamer.detectors.user_class import check_class, load_class
from streamer.errors import ConfigError
from streamer.redact import redact
from streamer.stages import Detector
from streamer.suggest import nearest

TABLE: Mapping[str, str] = {
    "nanodet": "streamer.detectors.nanodet:NanoDetDetector",
    "nanodet:large": "streamer.detectors.nanodet:NanoDetDetector",
    "mask-rcnn": "streamer.detectors.hub:HubDetector",
    "hub": "streamer.detectors.hub:HubDetector",
    "exported": "streamer.detectors.exported.detector:ExportedDetector",
    "kserve": "streamer.detectors.remote.detector:RemoteDetector",
}
"""Name to ``module:Class``; imported when used."""

BUILT_IN = ("nanodet", "nanodet:large")
"""Detectors whose weights come with the package."""

OWN_NAMES = frozenset([*BUILT_IN, "mask-rcnn", "hub", "kaggle", "kserve"])
"""Names that no package can give a detector."""

SPECS = (
    "nanodet, nanodet:large, mask-rcnn, hub:HANDLE, kaggle:HANDLE, the PATH of a SavedModel folder or of an ONNX or LiteRT "
    "file, kserve://HOST:PORT/MODEL, the name of an installed detector, package.module:Class"
)
EXPORTED = (".onnx", ".tflite")
"""How the names of files of exported networks end."""


def load_detector(
    spec: str,
    *,
    score_threshold: float,
    threads: int | None = None,
    labels_path: Path | None = None,
    device: str = AUTO,
    precision: str = FULL,
    live: bool = False,
) -> Detector:
    """Make the detector that ``spec`` names, loaded but not warmed up.

    ``spec`` is one of ``SPECS``: a name, a handle, the path of a SavedModel folder, or ``package.module:Class`` (the current
    directory counts). ``threads`` is for networks on a CPU. ``labels_path`` replaces the class names of a SavedModel. Naming
    a model by its handle downloads it when the cache has none. ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    ``precision``: ``full``, or ``mixed`` for a SavedModel that computes with 16 bits where that is faster and nearly as good.
    ``live``: for cameras, whose pictures do not wait: the built-in detectors answer sooner, with fewer new outlines a frame.

    Raises ``ConfigError`` when ``spec`` names nothing, with the nearest name, ``ModelRefused`` for a file or
    folder that is no model of a kind known here, and ``DetectorUnavailable`` or ``DetectorContractError`` when the detector
    cannot be loaded.
    """
    if not 0.0 <= score_threshold <= 1.0:
        raise ConfigError(f"the score threshold must be within 0..1, got {score_threshold:g}", hint="0.5 is usual")
    if threads is not None and threads < 1:
        raise ConfigError(f"threads must be at least 1, got {threads}")
    if not re.fullmatch(PATTERN, device):
        raise ConfigError(f"there is no device {device!r}", hint="take auto, cpu, cuda or cuda:N")
    _check_precision(spec, precision)
    if is_remote(spec):
        _check_cpu(spec, device)
        return _made(_resolve(TABLE["kserve"]), spec, score_threshold=score_threshold, labels_path=labels_path, live=live)
    model = saved_model_of(spec)
    if model is not None:
        return _made(
            _resolve(TABLE["hub"]),
            model,
            name="mask-rcnn" if model == MASK_RCNN else None,
            score_threshold=score_threshold,
            threads=threads,
            labels_path=labels_path,
            device=device,
            precision=precision,
        )
    if (file := exported_file_of(spec)) is not None:
        return _made(
            _resolve(TABLE["exported"]),
            file,
            score_threshold=score_threshold,
            threads=threads,
            labels_path=labels_path,
            device=device,
        )
    target = target_of(spec, OWN_NAMES)
    _check_name(target or spec, labels_path)
    _check_cpu(spec, device)
    if spec in BUILT_IN:
        return _made(_resolve(TABLE[spec]), spec, score_threshold=score_threshold, threads=threads, live=live)
    return load_class(target or spec, score_threshold, OWN_NAMES, device)


def fetch(spec: str, progress: Callable[[int, int | None], None] | None = None) -> None:
    """Have the model that ``spec`` names in the cache, so that loading it downloads nothing; others need no download.

    ``progress`` is called with the bytes that have come and those that will. Raises ``DetectorUnavailable``.
    """
    model = saved_model_of(spec)
    if model is not None and is_handle(model):
        from streamer.detectors import hub_cache

        hub_cache.download(model, progress, read=False)


def check_detector(
    spec: str, labels_path: Path | None = None, device: str = AUTO, precision: str = FULL
) -> Mapping[int, str] | None:
    """Raise what :func:`load_detector` would raise, as far as that is known without loading anything or running user's code.

    Returns the class names by id where they are known so far, else None. ``device`` may name several.
    """
    _check_precision(spec, precision)
    if is_remote(spec):
        _check_cpu(spec, device)
        parse_remote(spec)
        return None if labels_path is None else read_labels(labels_path)
    model = saved_model_of(spec)
    if model is not None:
        from streamer.detectors import hub, hub_cache

        if is_handle(model):
            hub_cache.check_handle(model)
        else:
            hub.check_folder(Path(model))
        for one in each(device):
            check_device(one)
        return COCO if labels_path is None else read_labels(labels_path)
    if (file := exported_file_of(spec)) is not None:
        for one in each(device):
            detector = load_detector(str(file), score_threshold=0.5, labels_path=labels_path, device=one)
            detector.close()
        return detector.labels
    target = target_of(spec, OWN_NAMES)
    _check_name(target or spec, labels_path)
    _check_cpu(spec, device)
    if spec in BUILT_IN:
        return COCO
    check_class(target or spec, OWN_NAMES)
    return None


def _check_name(spec: str, labels_path: Path | None) -> None:
    """Raise ``ConfigError`` unless ``spec`` is built in or names a class, and has no label file."""
    if spec not in BUILT_IN and not CLASS_SPEC.fullmatch(spec):
        if Path(spec).is_file():
            other = BY_NAME.get(Path(spec).suffix.lower(), UNKNOWN)
            raise ConfigError(f"the detector {spec} is {other.what}", hint=other.hint)
        if Path(spec).suffix.lower() in EXPORTED:
            files = [str(path) for path in Path(spec).parent.glob("*") if path.suffix.lower() in EXPORTED and path.is_file()]
            near = nearest(spec, files, most=1)
            raise ConfigError(f"there is no file {spec}", hint=f"did you mean {near[0]}?" if near else "check the path")
        raise ConfigError(f"there is no detector {redact(spec)!r}", hint=_suggestion(spec))
    if labels_path is not None:
        raise ConfigError(f"the detector {spec} has its own labels", hint="leave the label file away, or name a SavedModel")


def _check_cpu(spec: str, device: str) -> None:
    """Raise ``ConfigError`` for a built-in detector, or one of a server, that is to run on a GPU of this machine."""
    if is_remote(spec) and gpu_index(device) is not None:
        raise ConfigError(f"the detector {redact(spec)} runs on its server", hint="leave --device away")
    if spec in BUILT_IN and gpu_index(device) is not None:
        raise ConfigError(f"the detector {spec} runs on the CPU only", hint="leave --device away, or name a SavedModel")


def _check_precision(spec: str, precision: str) -> None:
    """Raise ``ConfigError`` for a precision that there is not, and for a detector other than a SavedModel that is to use it."""
    if precision not in (FULL, MIXED):
        raise ConfigError(f"there is no precision {precision!r}", hint="take full or mixed")
    if precision != FULL and saved_model_of(spec) is None:
        raise ConfigError(
            f"the detector {redact(spec)} has a precision of its own", hint="leave --precision away, or name a SavedModel"
        )


def saved_model_of(spec: str) -> str | None:
    """The handle or folder of the SavedModel that ``spec`` names; None when it names something else.

    A folder that has a built-in detector's name, as of a checkout, is not meant by it: ``./nanodet`` is.
    """
    name, _, handle = spec.partition(":")
    if spec == "mask-rcnn":
        return MASK_RCNN
    if name == "hub" and handle:
        return handle
    if is_kaggle(spec):
        return spec
    return spec if spec and spec not in BUILT_IN and Path(spec).is_dir() else None


def exported_file_of(spec: str) -> Path | None:
    """The file of an exported network that ``spec`` names; None when it names something else."""
    path = Path(spec)
    return path if path.suffix.lower() in EXPORTED and path.is_file() else None


def is_path(spec: str) -> bool:
    """Whether ``spec`` is the path of a folder or file of this machine: what is looked up by its name is none."""
    return exported_file_of(spec) is not None or (saved_model_of(spec) == spec and Path(spec).is_dir())


def _suggestion(spec: str) -> str:
    folders = [str(path) for path in Path(spec).parent.glob("*") if path.is_dir()] if "/" in spec else []
    near = nearest(spec, [*OWN_NAMES, *installed(OWN_NAMES), *folders], most=1)
    return (f"did you mean {near[0]}? " if near else "") + f"there are: {SPECS}"


def _resolve(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _made(cls: Any, *args: Any, **kwargs: Any) -> Detector:
    detector: Detector = cls(*args, **kwargs)
    return detector
