"""YOLO files against what Ultralytics' own predictor said about the very same files; its answers are kept as numbers.

The files are made anew by ``tiny_networks``; the answers are those of
``YOLO(file).predict(picture, conf=…, retina_masks=True)``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors.registry import load_detector
from tests.detectors.exported import tiny_networks

ANSWERS: dict[str, Any] = json.loads((Path(__file__).parent / "ultralytics.json").read_text())["answers"]
MOST_PIXELS = 40
"""Of small masks a few pixels at their edges may differ by more than 2 %."""


def painted(mask: NDArray[np.float32], box: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """A mask relative to its box in a picture of that size."""
    step = (box[2:] - box[:2]) / len(mask)
    matrix = np.array([[1 / step[0], 0, (0.5 - box[0]) / step[0] - 0.5], [0, 1 / step[1], (0.5 - box[1]) / step[1] - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    field = cv2.warpAffine(mask, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    y, x = np.mgrid[0:height, 0:width]
    return np.asarray((field > 0.5) & (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3]))


def from_runs(runs: list[int], width: int, height: int) -> NDArray[np.bool_]:
    """A mask from the places where it begins and ends, row by row."""
    flat = np.zeros(width * height, bool)
    for start, end in zip(runs[::2], runs[1::2], strict=True):
        flat[start:end] = True
    return flat.reshape(height, width)


@pytest.mark.parametrize("case", ANSWERS)
def test_finds_what_ultralytics_finds(case: str, tmp_path: Path) -> None:
    expected = ANSWERS[case]
    name, size = case.split()
    form, task = name.split("-")
    width, height = (int(side) for side in size.split("x"))
    file = tiny_networks.yolo(tmp_path / "any.onnx", form=form, masks=task == "segment")
    detector = load_detector(str(file), score_threshold=expected["conf"])
    found = detector.detect(tiny_networks.picture(width, height))
    detector.close()
    assert len(found) == len(expected["scores"])
    # Equal scores may come in any order.
    order = np.lexsort([*found.boxes_xyxy.T.round(1), found.scores.round(4)])
    boxes = np.array(expected["boxes"])
    theirs = np.lexsort([*boxes.astype(np.float32).T.round(1), np.array(expected["scores"], np.float32).round(4)])
    np.testing.assert_allclose(found.scores[order], np.array(expected["scores"])[theirs], atol=1e-3)
    np.testing.assert_allclose(found.boxes_xyxy[order], boxes[theirs], atol=0.5)
    assert found.class_ids[order].tolist() == np.array(expected["classes"])[theirs].tolist()
    if task == "segment":
        assert found.masks is not None
        for ours, row in zip(order, theirs, strict=True):
            mask = from_runs(expected["masks"][row], width, height)
            made = painted(found.masks[ours], found.boxes_xyxy[ours].astype(np.float64), width, height)
            differing = int(np.count_nonzero(mask ^ made))
            assert differing <= max(0.02 * np.count_nonzero(mask | made), MOST_PIXELS)
