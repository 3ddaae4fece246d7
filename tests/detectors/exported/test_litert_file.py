"""LiteRT files as detectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.detectors import saved_model
from streamer.detectors.exported.detector import ExportedDetector
from streamer.detectors.nanodet import weights_file
from streamer.detectors.registry import check_detector, load_detector
from streamer.detectors.weights import FOLDER
from streamer.errors import DetectorUnavailable, ModelRefused
from tests.detectors.exported import tiny_litert


@pytest.mark.slow
@pytest.mark.parametrize("eight_bits", [False, True])
def test_a_yolo_with_floats_or_8_bits(tmp_path: Path, eight_bits: bool) -> None:
    tensorflow = saved_model.quiet_tensorflow(None)
    file = tiny_litert.yolo(tensorflow, tmp_path / "model.tflite", eight_bits=eight_bits)
    detector = ExportedDetector(file, threads=1)
    assert detector.family == "YOLO, segment"
    assert detector.labels == {0: "person", 1: "car", 2: "dog"}
    picture = np.rint(tiny_litert.picture()[0] * 255).astype(np.uint8)
    found = detector.detect(picture)
    assert found.class_ids.tolist() == [1]
    np.testing.assert_allclose(found.scores, [0.9], atol=0.02)
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 48, 96]], atol=1.5)
    assert found.masks is not None
    cells = found.masks.shape[1]
    assert (found.masks[0, : cells // 2 - 1] > 0.9).all()
    assert (found.masks[0, cells // 2 + 1 :] < 0.1).all()
    assert len(detector.detect(np.zeros_like(picture))) == 0
    detector.close()


def test_what_is_no_litert_file(tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(b"not a model")
    with pytest.raises(DetectorUnavailable, match="is no LiteRT file"):
        check_detector(str(file))
    file.write_bytes(b"\x1c\0\0\0TFL3" + bytes(64))
    with pytest.raises(DetectorUnavailable, match="LiteRT does not load"):
        check_detector(str(file))


def test_a_network_of_another_kind_is_not_guessed_at(tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes((FOLDER / weights_file((512, 384))).read_bytes())
    with pytest.raises(ModelRefused, match="answers with the maps of its heads"):
        check_detector(str(file))
    with pytest.raises(DetectorUnavailable, match="LiteRT runs on the CPU"):
        load_detector(str(file), score_threshold=0.5, device="cuda")
