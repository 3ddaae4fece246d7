"""Opens a SavedModel of the detection contract: checks its inputs and outputs, and cuts it before its mask head."""

from __future__ import annotations

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
from streamer.detectors.graph_cut import Cut, NoCutError, cut, stretched_to
from streamer.detectors.networks import BoxAnswers, Network, TwoStageNetwork, WholeNetwork, difference
from streamer.errors import DetectorContractError

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
"""Width and height of the picture on which a cut is tried, for a network that takes any size."""


def open_model(tf: Any, model: str, folder: Path, name: str) -> tuple[Network, Known]:
    """The network of a Hub handle or SavedModel folder, and what is known of it. ``folder`` is where it lies.

    A network whose masks have a stage of their own is cut before that stage, once the parts have given the same answers as the
    whole. What was found out is kept, see ``cut_cache``. Raises ``DetectorUnavailable`` when the model cannot be loaded,
    ``DetectorContractError`` when it is another kind.
    """
    key = cut_cache.fingerprint(folder, tf.__version__)
    kept = cut_cache.load(key, tf.compat.v1.GraphDef)
    if kept is not None:
        known, parts = kept
        if parts is not None:
            return TwoStageNetwork(tf, parts), known
    signature, loaded = saved_model.load(tf, model)
    call, contract, fixed_size = _five_outputs(tf, signature, name)
    whole = WholeNetwork(tf, call, MASKS, has_masks=MASKS in contract, keep_alive=loaded)
    if kept is not None:
        return whole, known
    two, parts, known = _cut(tf, call, whole, Known(contract=contract, fixed_size=fixed_size, stretched_to=None), name)
    # A model whose checksums did not agree was fetched again.
    cut_cache.save(cut_cache.fingerprint(folder, tf.__version__), known, parts)
    return two or whole, known


def _cut(tf: Any, call: Any, whole: WholeNetwork, known: Known, name: str) -> tuple[TwoStageNetwork | None, Cut | None, Known]:
    """The network in two parts, its cut, and what is known then; without the parts where the whole has to be used."""
    try:
        function, frozen = saved_model.freeze(call)
    except Exception as error:  # noqa: BLE001  # TensorFlow raises a dozen unrelated types for graphs that it cannot freeze
        return _kept_whole(known, name, f"it cannot be frozen: {saved_model.first_line(error)}")
    known = replace(known, stretched_to=stretched_to(tf, frozen, function.inputs[0].name))
    if not whole.has_masks:
        return None, None, replace(known, whole_because="it has no masks")
    try:
        picture, expected = next(_tried_on(tf, whole, known), (None, None))
        if expected is None:
            return _kept_whole(known, name, "it finds nothing in the pictures on which it could be tried")
        parts = cut(tf, function, frozen, sorted(call.structured_outputs), MASKS, expected.outputs[BOXES].shape[-2])
        del function, frozen
        two = TwoStageNetwork(tf, parts)
        most, where = difference(two.boxes(picture), two, expected, whole)
    except NoCutError as error:
        return _kept_whole(known, name, str(error))
    except Exception as error:  # noqa: BLE001  # as above, for a graph that is cut where it should not be
        return _kept_whole(known, name, f"the parts do not run: {saved_model.first_line(error)}")
    if most > 1.0:
        return _kept_whole(known, name, f"the parts do not answer as the whole does: {where}")
    log.info("%s: masks are computed for the objects that are wanted only (against the whole, %s)", name, where)
    return two, parts, known


def _tried_on(tf: Any, whole: WholeNetwork, known: Known) -> Iterator[tuple[Any, BoxAnswers]]:
    """Pictures with different masks, else it could not be told which mask is whose, and the whole network's answers."""
    for picture in _pictures(known):
        tensor = tf.constant(picture)
        answers = whole.boxes(tensor)
        if whole.different_masks(answers) > 1:
            yield tensor, answers


def _pictures(known: Known) -> Iterator[NDArray[np.uint8]]:
    """Pictures on which a network finds something, however unsure: fine noise, then coarse."""
    width, height = known.fixed_size or TRIED_SIZE
    random = np.random.default_rng(0)
    yield random.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    coarse = random.integers(0, 256, (1, math.ceil(height / 40), math.ceil(width / 40), 3), dtype=np.uint8)
    yield coarse.repeat(40, axis=1).repeat(40, axis=2)[:, :height, :width]


def _kept_whole(known: Known, name: str, because: str) -> tuple[None, None, Known]:
    log.info("%s: masks are computed for all of its detections, since %s", name, because)
    return None, None, replace(known, whole_because=because)


def _five_outputs(tf: Any, signature: Any, name: str) -> tuple[Any, dict[str, str], tuple[int, int] | None]:
    """A function of the picture that answers with the needed outputs alone; the contract; its fixed (width, height) or None.

    Traced anew around the signature: TensorFlow inlines the signature into it and drops what leads to no output asked for.
    """
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise DetectorContractError(f"the model {name}: expected one input, the picture, got: {', '.join(inputs) or 'none'}")
    ((argument, spec),) = inputs.items()
    shape = spec.shape.as_list() if spec.shape.rank is not None else [None] * 4
    if spec.dtype != tf.uint8 or len(shape) != 4 or shape[0] not in (None, 1) or shape[3] not in (None, 3):
        raise DetectorContractError(
            f"the model {name}: expected the input uint8 [1, height, width, 3], got {spec.dtype.name} {shape}",
            hint="export it with the input type image_tensor",
        )
    given = signature.structured_outputs
    missing = [key for key in REQUIRED if key not in given]
    if missing:
        raise DetectorContractError(
            f"the model {name} has no output {', '.join(missing)}; it has: {', '.join(sorted(given))}",
            hint="it must be a detector of the TF Object Detection API",
        )
    wanted = [key for key in (*REQUIRED, MASKS) if key in given]

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
