"""Opens a SavedModel of the detection contract for OpenVINO: converts its parts, and proves that they answer alike."""

from __future__ import annotations

import gc
import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.detectors import cut_cache
from streamer.detectors.cut_cache import Known
from streamer.detectors.device import openvino_version
from streamer.detectors.graph_cut import Cut
from streamer.detectors.model_opening import BOXES, CLASSES, COUNT, SCORES, open_model, pictures
from streamer.detectors.networks import Network, TwoStageNetwork
from streamer.detectors.openvino_network import OpenVinoNetwork, convert, said
from streamer.errors import DetectorUnavailable, StreamerError

log = logging.getLogger(__name__)

TOLERANCE, MASK_TOLERANCE = 1e-3, 1e-2
"""Most by which a box (of the picture) or score, and a cell of a mask, may differ for an object to count as the same."""
LEAST_SAME = 0.95
"""So many of the objects that TensorFlow finds have to be found again. Not all: of objects that score alike, or overlap just so
much that one is left out, the last digit decides which comes first."""

COLUMNS = ((BOXES, 4), (SCORES, 1), (CLASSES, 1))
"""Outputs that tell objects apart, and how many numbers each has for one."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the answers of two networks for one picture agree."""

    same: float
    """Which share of the objects is the same."""
    box: float
    """Most by which a box, of the picture, or a score of these differs."""
    mask: float
    """Most by which a cell of their masks differs, 0..1."""


def open_converted(tf: Any, model: str, folder: Path, name: str, threads: int | None) -> tuple[Network, Known]:
    """As ``open_model``, for a network that is cut before its masks; the parts are computed by OpenVINO.

    They are converted and proved once, and kept beside the cut. Raises ``DetectorUnavailable`` for one that is not cut or
    cannot be converted, or that does not answer as TensorFlow does.
    """
    cannot = f"the device openvino cannot be used for {name}"
    key = cut_cache.fingerprint(folder, tf.__version__, "CPU")
    kept = cut_cache.load(key, tf.compat.v1.GraphDef)
    if kept is None:
        known = open_model(tf, model, folder, name, "CPU")[1]
        gc.collect()  # that network, before the next is made
        key = cut_cache.fingerprint(folder, tf.__version__, "CPU")  # a damaged one was fetched again
        kept = known, None
        if not known.whole_because:
            kept = cut_cache.load(key, tf.compat.v1.GraphDef) or kept
    known, parts = kept
    if parts is None:
        reason = known.whole_because or f"its parts cannot be kept in {cut_cache.root()}"
        raise DetectorUnavailable(f"{cannot}: {reason}", hint="use --device cpu")
    with cut_cache.held(key):
        try:
            return _converted(tf, parts, known, key, name, threads), known
        except StreamerError as error:
            raise DetectorUnavailable(f"{cannot}: {error.message}", hint="use --device cpu") from error
        except tf.errors.ResourceExhaustedError:
            raise
        except Exception as error:  # OpenVINO raises RuntimeError and a dozen types of its own
            raise DetectorUnavailable(f"{cannot}: {said(error)}", hint="use --device cpu") from error


def _converted(tf: Any, parts: Cut, known: Known, key: str, name: str, threads: int | None) -> OpenVinoNetwork:
    """The network from what was converted, which is done now where it is not there."""
    kind = f"openvino-{openvino_version()}"
    converted = cut_cache.converted(key, kind)
    if converted is not None:
        return OpenVinoNetwork(parts, converted, threads)
    log.info(
        "%s: converting it for OpenVINO and comparing the answers; this takes some ten calls, at the first start alone", name
    )
    for left in (cut_cache.root() / key).glob("openvino.*.part"):
        shutil.rmtree(left)  # of a process that was killed
    with tempfile.TemporaryDirectory(prefix="openvino.", suffix=".part", dir=cut_cache.root() / key) as work:
        part = Path(work) / kind
        part.mkdir()
        convert(tf, parts, part)
        network, whole = OpenVinoNetwork(parts, part, threads), TwoStageNetwork(tf, parts)
        found = [agreement(whole, network, tf.constant(picture)) for picture in pictures(known)]
        same, box, mask = min(each.same for each in found), max(each.box for each in found), max(each.mask for each in found)
        if same < LEAST_SAME:
            raise DetectorUnavailable(f"only {same:.0%} of the objects are found as TensorFlow finds them")
        log.info(
            "%s: %.0f %% of the objects are the same; boxes and scores differ by %.1g, masks by %.1g",
            name,
            100 * same,
            box,
            mask,
        )
        cut_cache.keep_converted(key, kind, part)
    return network


def agreement(whole: Network, other: Network, picture: Any) -> Agreement:
    """Compare what ``other`` finds in a picture, a tensor uint8 (1, height, width, 3), with what ``whole`` does."""
    expected, found = whole.boxes(picture), other.boxes(picture)
    count, other_count = (int(answers.outputs[COUNT].reshape(-1)[0]) for answers in (expected, found))
    if count != other_count:
        return Agreement(0.0, np.inf, np.inf)
    if count == 0:
        return Agreement(1.0, 0.0, 0.0)
    ours, theirs = (
        np.column_stack([answers.outputs[key].astype(np.float64).reshape(-1, size)[:count] for key, size in COLUMNS])
        for answers in (expected, found)
    )
    apart = np.abs(ours[:, None] - theirs[None]).max(axis=2)
    partner = apart.argmin(axis=1)
    box = apart[np.arange(count), partner]
    masks, other_masks = (
        network.masks(answers, rows).astype(np.float64).reshape(count, -1)
        for network, answers, rows in ((whole, expected, np.arange(count)), (other, found, partner))
    )
    mask = np.abs(masks - other_masks).max(axis=1)
    same = (box <= TOLERANCE) & (mask <= MASK_TOLERANCE)
    return Agreement(float(same.mean()), float(box[same].max(initial=0.0)), float(mask[same].max(initial=0.0)))
