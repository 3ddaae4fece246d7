"""Networks of many frameworks: what streamer takes them for, gives them and finds, and what the frameworks found themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors.exported import detector as exported
from streamer.detectors.exported.description import Description, Tensor
from tests.detectors.exported import tiny_networks
from tests.detectors.exported.frameworks.recording import FOLDER, Answer, Recording, load
from tests.detectors.exported.test_ultralytics import painted

MOST_PIXELS = 40
"""Of small masks a few pixels at their edges may differ by more than 2 %."""
THIN_PX = 0.5
"""Boxes of random weights may be thinner than this: such objects are none here, and some frameworks keep them."""


class Played:
    """A network that answers as it did when it was recorded."""

    device = "CPU"
    quantization = None

    def __init__(self, recording: Recording) -> None:
        inputs, outputs = (_tensors(each) for each in (recording.inputs, recording.outputs))
        self.description = Description(Path("model.onnx"), inputs, outputs, recording.metadata)
        self.now: Answer = recording.answers[0]
        self.given: Mapping[str, NDArray[Any]] = {}

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        self.given = {name: array.copy() for name, array in feeds.items()}
        return list(self.now.outputs.values())

    def close(self) -> None:
        pass


def _tensors(said: Mapping[str, tuple[list[int | None], str]]) -> list[Tensor]:
    return [Tensor(name, tuple(shape), dtype) for name, (shape, dtype) in said.items()]


def wide(boxes_xyxy: NDArray[Any]) -> NDArray[np.intp]:
    """The rows of boxes that are objects."""
    return np.flatnonzero((boxes_xyxy[:, 2:] - boxes_xyxy[:, :2] >= THIN_PX).all(axis=1))


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.npz")))
def test_finds_what_its_framework_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = load(FOLDER / f"{name}.npz")
    network = Played(recording)
    monkeypatch.setattr(exported, "opened", lambda *_: network)
    detector = exported.ExportedDetector(Path("model.onnx"), score_threshold=recording.conf)
    assert detector.family == recording.family
    assert any(len(wide(answer.boxes_xyxy)) for answer in recording.answers)
    for answer in recording.answers:
        network.now = answer
        found = detector.detect(tiny_networks.picture(*answer.size))
        for key, array in answer.inputs.items():
            scale = max(1.0, float(np.ptp(array)))
            assert np.abs(network.given[key].astype(np.float64) - array).max() / scale < 0.02, (
                "the network is given the picture"
            )
        answer = answer.of(wide(answer.boxes_xyxy))
        found = found[wide(found.boxes_xyxy)]
        assert len(found) == len(answer.scores)
        ours, theirs = (
            np.lexsort([*np.asarray(boxes).T.round(0), classes, np.asarray(scores).round(3)])
            for boxes, classes, scores in (
                (found.boxes_xyxy, found.class_ids, found.scores),
                (answer.boxes_xyxy, answer.classes, answer.scores),
            )
        )
        np.testing.assert_allclose(found.scores[ours], answer.scores[theirs], atol=1e-3)
        np.testing.assert_allclose(found.boxes_xyxy[ours], answer.boxes_xyxy[theirs], atol=0.5)
        assert found.class_ids[ours].tolist() == answer.classes[theirs].tolist()
        if answer.masks is None:
            assert found.masks is None
            continue
        assert found.masks is not None
        for row, other in zip(ours, theirs, strict=True):
            made = painted(found.masks[row], found.boxes_xyxy[row].astype(np.float64), *answer.size)
            # What lies beside the box is left out: torchvision paints a pixel more.
            inside = painted(np.ones((2, 2), np.float32), found.boxes_xyxy[row].astype(np.float64), *answer.size)
            expected = answer.masks[other] & inside
            assert np.count_nonzero(made ^ expected) <= max(0.02 * np.count_nonzero(made | expected), MOST_PIXELS)
