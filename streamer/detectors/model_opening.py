"""Opens a SavedModel of the detection contract: checks its inputs and outputs, and cuts it before its mask head."""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detectors import cut_cache, saved_model
from streamer.detectors.cut_cache import Known
from streamer.detectors.graph_cut import Cut, NoCutError, WholeGraph, cut
from streamer.detectors.graph_def import take_weights
from streamer.detectors.inner_size import InnerSize, inner_size
from streamer.detectors.networks import Network, Trial, TwoStageNetwork, WholeNetwork, difference
from streamer.errors import ModelRefused

log = logging.getLogger(__name__)

BOXES, CLASSES, SCORES, COUNT, MASKS = (
    "detection_boxes",
    "detection_classes",
    "detection_scores",
    "num_detections",
    "detection_masks",
)
REQUIRED = (COUNT, BOXES, CLASSES, SCORES)
TRIED_SIZE = (640, 480)
"""Width and height of the pictures on which a cut is tried, for a network that takes any size."""
SQUARES = (1, 40, 160)
"""Sides in pixels of the squares that they show."""
LEAST_TRIALS = 2
"""A cut is proved on at least so many pictures."""


def open_model(tf: Any, model: str, folder: Path, name: str, device: str) -> tuple[Network, Known]:
    """The network of a Hub handle or SavedModel folder, and what is known of it.

    ``folder`` is where it lies, ``device`` where it runs. A network whose masks have a stage of their own is cut before that
    stage, once the parts have given the same answers as the whole. What was found out is kept, see ``cut_cache``. Raises
    ``DetectorUnavailable`` when the model cannot be loaded, ``ModelRefused`` when it is another kind, and TensorFlow's
    ``ResourceExhaustedError`` when memory does not suffice.
    """
    key = cut_cache.fingerprint(folder, tf.__version__, device)
    kept = cut_cache.load(key, tf.compat.v1.GraphDef)
    if kept is None:
        with cut_cache.held(key):
            # Another process may have found out while this one waited.
            kept = cut_cache.load(key, tf.compat.v1.GraphDef)
            if kept is None:
                return _open_new(tf, model, folder, name, device)
    known, parts = kept
    return (_load(tf, model, name)[0] if parts is None else TwoStageNetwork(tf, parts)), known


def _open_new(tf: Any, model: str, folder: Path, name: str, device: str) -> tuple[Network, Known]:
    """The same for a model of which nothing is known yet."""
    whole: WholeNetwork | None
    whole, call, known = _load(tf, model, name)
    parts, network = None, None
    graph: WholeGraph | None
    try:
        graph = _graph(tf, call)
        known = replace(known, inner=_inner(tf, graph, known, name))
        trials = _trials(tf, whole, known, name)
        parts = cut(tf, graph, MASKS, len(trials[0].masks))
        # Let go of before the parts are made: both at once would take twice the memory.
        whole = call = graph = None
        gc.collect()
        network = _proved(tf, parts, trials, name)
    except NoCutError as error:
        parts = None
        known = replace(known, whole_because=str(error))
    # A model whose checksums did not agree was fetched again.
    cut_cache.save(cut_cache.fingerprint(folder, tf.__version__, device), known, parts)
    return network or whole or _load(tf, model, name)[0], known


def _load(tf: Any, model: str, name: str) -> tuple[WholeNetwork, Any, Known]:
    """The whole network, the function that it calls, and what its signature tells."""
    signature, loaded = saved_model.load(tf, model)
    call, contract, fixed_size = _five_outputs(tf, signature, name)
    whole = WholeNetwork(tf, call, (BOXES, MASKS), has_masks=MASKS in contract, keep_alive=loaded)
    return whole, call, Known(contract=contract, fixed_size=fixed_size, inner=None)


def _graph(tf: Any, call: Any) -> WholeGraph:
    try:
        graph, captured = saved_model.inlined(call)
        weights = take_weights(tf, graph, captured)
    except Exception as error:  # TensorFlow raises a dozen unrelated types for graphs whose calls it cannot inline
        raise NoCutError(f"its graph cannot be read: {saved_model.first_line(error)}") from error
    outputs = {key: tensor.name for key, tensor in zip(sorted(call.structured_outputs), call.outputs, strict=True)}
    return WholeGraph(graph=graph, picture=call.inputs[0].name, outputs=outputs, weights=weights)


def _inner(tf: Any, whole: WholeGraph, known: Known, name: str) -> InnerSize | None:
    if known.fixed_size is not None:
        return None
    try:
        return inner_size(tf, whole.graph, whole.picture, whole.weights)
    except Exception as error:  # noqa: BLE001  # as above, for a graph whose beginning does not run alone
        log.info("%s: the size that it works at cannot be told: %s", name, saved_model.first_line(error))
        return None


def _trials(tf: Any, whole: WholeNetwork, known: Known, name: str) -> list[Trial]:
    """What the whole network answers for pictures in which it finds objects with different masks.

    Were the masks alike, it could not be told which is whose.
    """
    if not whole.has_masks:
        raise NoCutError("it has no masks")
    log.info(
        "%s: trying to compute masks of the wanted objects only; this takes some ten calls, at the first start alone", name
    )
    try:
        trials = [whole.tried(tf.constant(picture)) for picture in _pictures(known)]
    except tf.errors.ResourceExhaustedError:
        raise
    except tf.errors.OpError as error:
        raise NoCutError(f"it fails on pictures on which it could be tried: {saved_model.first_line(error)}") from error
    tried = [trial for trial in trials if trial.tells_masks_apart]
    if len(tried) < LEAST_TRIALS:
        raise NoCutError("it finds too little in the pictures on which it could be tried")
    return tried


def _proved(tf: Any, parts: Cut, trials: list[Trial], name: str) -> TwoStageNetwork:
    """The network in two parts, which has given the same answers as the whole."""
    try:
        network = TwoStageNetwork(tf, parts)
        most, where = difference(network, trials)
    except tf.errors.ResourceExhaustedError:
        raise
    except Exception as error:  # TensorFlow raises a dozen unrelated types for a graph that is cut where it should not be
        raise NoCutError(f"the parts do not run: {saved_model.first_line(error)}") from error
    if most > 1.0:
        raise NoCutError(f"the parts do not answer as the whole does: {where}")
    log.info("%s: masks are computed for the objects that are wanted only (against the whole, %s)", name, where)
    return network


def _pictures(known: Known) -> Iterator[NDArray[np.uint8]]:
    """Pictures on which a network finds something, however unsure: noise in pixels, in small squares and in large ones."""
    width, height = known.fixed_size or TRIED_SIZE
    random = np.random.default_rng(0)
    for side in SQUARES:
        squares = random.integers(0, 256, (1, math.ceil(height / side), math.ceil(width / side), 3), dtype=np.uint8)
        yield squares.repeat(side, axis=1).repeat(side, axis=2)[:, :height, :width]


def _five_outputs(tf: Any, signature: Any, name: str) -> tuple[Any, dict[str, str], tuple[int, int] | None]:
    """A function of the picture that answers with the needed outputs alone; the contract; its fixed (width, height) or None.

    Traced anew around the signature: TensorFlow inlines the signature into it and drops what leads to no output asked for.
    """
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise ModelRefused(f"the model {name}: expected one input, the picture, got: {', '.join(inputs) or 'none'}")
    ((argument, spec),) = inputs.items()
    shape = spec.shape.as_list() if spec.shape.rank is not None else [None] * 4
    is_rgb = len(shape) == 4 and shape[0] in (None, 1) and (shape[3] == 3 or (shape[3] is None and shape[1] != 3))
    if spec.dtype != tf.uint8 or not is_rgb:
        raise ModelRefused(
            f"the model {name}: expected the input uint8 [1, height, width, 3], got {spec.dtype.name} {shape}",
            hint="export it with the input type image_tensor",
        )
    given = signature.structured_outputs
    missing = [key for key in REQUIRED if key not in given]
    if missing:
        raise ModelRefused(
            f"the model {name} has no output {', '.join(missing)}; it has: {', '.join(sorted(given))}",
            hint="it must be a detector of the TF Object Detection API",
        )
    wanted = [key for key in (*REQUIRED, MASKS) if key in given]
    for key in wanted:
        dtype = given[key].dtype
        if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
            raise ModelRefused(
                f"the model {name}: {key}: expected numbers, got {dtype.name}",
                hint="it must be a detector of the TF Object Detection API",
            )

    def five(picture: Any) -> dict[str, Any]:
        answers = signature(**{argument: picture})
        return {key: answers[key] for key in wanted}

    call = tf.function(five, autograph=False).get_concrete_function(tf.TensorSpec([1, *shape[1:3], 3], tf.uint8))
    contract = {argument: f"{spec.dtype.name} {shape}"}
    contract |= {key: f"{given[key].dtype.name} {_shape(given[key])}" for key in wanted}
    fixed = (shape[2], shape[1]) if shape[1] and shape[2] else None
    return call, contract, fixed


def _shape(spec: Any) -> str:
    return "?" if spec.shape.rank is None else str(spec.shape.as_list())
