"""Exported files as detectors: what they are taken for, what is read from them, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamer.detectors.check import check
from streamer.detectors.exported.detector import ExportedDetector
from streamer.detectors.registry import check_detector, load_detector
from streamer.errors import ConfigError, DetectorUnavailable, ModelRefused, StreamerError
from streamer.stages import Detector, DetectsWanted
from tests.detectors.exported import tiny_networks
from tests.detectors.exported.tiny_networks import Graph

PICTURE = tiny_networks.picture(320, 240)


def loaded(file: Path, least: float = 0.9, labels: Path | None = None) -> ExportedDetector:
    return ExportedDetector(file, score_threshold=least, labels_path=labels)


@pytest.mark.parametrize(
    ("form", "masks", "family"),
    [
        ("columns", True, "YOLO, segment"),
        ("columns", False, "YOLO, detect"),
        ("rows", True, "YOLO, segment"),
        ("objectness", True, "YOLO with objectness, segment"),
        ("objectness", False, "YOLO with objectness, detect"),
        ("final", True, "YOLO, end to end, segment"),
        ("final", False, "YOLO, end to end, detect"),
    ],
)
def test_a_yolo_is_known_by_its_shapes_and_metadata(tmp_path: Path, form: str, masks: bool, family: str) -> None:
    file = tiny_networks.yolo(tmp_path / "mask_rcnn.onnx", form=form, masks=masks)
    detector = loaded(file, 0.5)
    assert detector.family == family
    assert detector.labels == {0: "person", 1: "car", 2: "dog"}
    assert isinstance(detector, Detector)
    assert isinstance(detector, DetectsWanted)
    found = detector.detect(PICTURE)
    assert len(found)
    assert (found.masks is not None) == masks
    assert check_detector(str(file)) == detector.labels
    report = check(detector, frames=1)
    assert report.contract["images"] == "float32 [1, 3, 160, 160]"
    detector.close()
    with pytest.raises(DetectorUnavailable, match="is closed"):
        detector.detect(PICTURE)


@pytest.mark.parametrize("form", ["columns", "objectness"])
def test_without_metadata_the_shapes_are_enough(tmp_path: Path, form: str) -> None:
    file = tiny_networks.yolo(tmp_path / "model.onnx", form=form, with_metadata=False)
    assert loaded(file).labels == {0: "class 0", 1: "class 1", 2: "class 2"}


def test_80_classes_are_those_of_coco(tmp_path: Path) -> None:
    file = tiny_networks.yolo(tmp_path / "model.onnx", names=["x"] * 80, with_metadata=False)
    assert loaded(file).labels[79] == "toothbrush"


def test_a_yolo_of_91_classes_counts_from_0(tmp_path: Path) -> None:
    file = tiny_networks.yolo(tmp_path / "model.onnx", names=["x"] * 91, masks=False, with_metadata=False)
    assert set(loaded(file).labels) == set(range(91))


def test_half_floats_find_the_same(tmp_path: Path) -> None:
    whole = loaded(tiny_networks.yolo(tmp_path / "whole.onnx", masks=False), 0.97).detect(PICTURE)
    half = loaded(tiny_networks.yolo(tmp_path / "half.onnx", masks=False, dtype=TensorProto.FLOAT16), 0.97).detect(PICTURE)
    np.testing.assert_allclose(half.scores[:3], whole.scores[:3], atol=2e-3)
    assert len(half)


def test_a_network_that_computes_no_numbers_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    graph = Graph([1, 3, 64, 64])
    nothing = graph.scaled(graph.columns("images", tiny_networks.STRIDES, 84), float("nan"))
    graph.give(nothing, "output0", [1, 84, 84])
    detector = loaded(graph.save(tmp_path / "model.onnx"))
    assert len(detector.detect(PICTURE)) == 0
    assert "model.onnx finds nothing: its output output0 holds NaN instead of numbers" in caplog.text
    caplog.clear()
    detector.detect(PICTURE)
    assert not caplog.text


def test_masks_are_made_of_what_is_wanted_only(tmp_path: Path) -> None:
    detector = loaded(tiny_networks.yolo(tmp_path / "model.onnx"))
    every = detector.detect_wanted(PICTURE, lambda found: np.arange(len(found)), masks=False)
    assert every.masks is None
    two = detector.detect_wanted(PICTURE, lambda _found: np.array([4, 1]))
    assert two.masks is not None
    assert two.masks.shape[0] == len(two) <= 2
    assert set(two.scores.tolist()) <= set(every.scores[[1, 4]].tolist())
    assert len(detector.detect_wanted(PICTURE, lambda _found: np.zeros(0, np.intp))) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (3000, 2), (7, 5), (160, 160)])
def test_odd_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    detector = loaded(tiny_networks.yolo(tmp_path / "model.onnx"), 0.3)
    found = detector.detect(tiny_networks.picture(*size))
    found.usable(*size)
    assert (found.boxes_xyxy >= 0).all()
    assert (found.boxes_xyxy[:, 2:] <= np.array(size)).all()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Path(__file__).read_bytes, "is no ONNX file that loads"),
        (bytes, "is no ONNX file: it is empty"),
    ],
)
def test_what_is_no_onnx_file(tmp_path: Path, content: Callable[[], bytes], words: str) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(content())
    with pytest.raises(DetectorUnavailable, match=words):
        load_detector(str(file), score_threshold=0.5)


@pytest.mark.parametrize("part", [b"output0", b"names", b"person"])
def test_damaged_text(tmp_path: Path, capfd: pytest.CaptureFixture[str], part: bytes) -> None:
    file = tiny_networks.yolo(tmp_path / "model.onnx")
    file.write_bytes(file.read_bytes().replace(part, b"\xde" + part[1:]))
    with pytest.raises(DetectorUnavailable, match="a name or a text in it is not UTF-8; it may be damaged"):
        load_detector(str(file), score_threshold=0.5)
    assert capfd.readouterr().out == ""


def simple(file: Path, *, operation: str = "Identity", opset: int = 17, ir: int = 9, inputs: int = 1) -> Path:
    graph = Graph([1, 3, 8, 8])
    for number in range(1, inputs):
        graph.inputs.append(helper.make_tensor_value_info(f"more_{number}", TensorProto.FLOAT, [1, 3, 8, 8]))
    graph.give(graph.node(operation, "images"), "out", [1, 3, 8, 8])
    made = helper.make_graph(graph.nodes, "simple", graph.inputs, graph.outputs, initializer=graph.constants)
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir), file)
    return file


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"opset": 99}, "is newer than this ONNX Runtime"),
        ({"ir": 99}, "is newer than this ONNX Runtime: Unsupported model IR version: 99"),
        ({"operation": "Bogus"}, "needs an operation that ONNX Runtime does not have"),
        ({"inputs": 2}, "it takes 2 pictures at once: images, more_1"),
        ({}, "looks like a model of depth or of semantic segmentation"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(tmp_path: Path, options: dict[str, int], words: str) -> None:
    file = simple(tmp_path / "model.onnx", **options)  # type: ignore[arg-type]  # the options of the table fit
    with pytest.raises(StreamerError, match=words) as raised:
        check_detector(str(file))
    assert "\n" not in str(raised.value)
    assert "onnxruntime_src" not in str(raised.value)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    graph = Graph([1, 3, 8, 8])
    graph.give(graph.node("Add", "images", graph.constant(np.zeros((1, 3, 8, 8)))), "out", [1, 3, 8, 8])
    made = helper.make_graph(graph.nodes, "far", graph.inputs, graph.outputs, initializer=graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    file = tmp_path / "model.onnx"
    onnx.save(model, file, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(
        DetectorUnavailable, match=r"its weights lie in another file, which is missing or cut short: .*model\.onnx\.data"
    ):
        check_detector(str(file))


@pytest.mark.parametrize(
    ("task", "words"), [("pose", "is a pose model"), ("classify", "is a classification model"), ("obb", "turned boxes")]
)
def test_models_of_other_tasks(tmp_path: Path, task: str, words: str) -> None:
    file = tiny_networks.yolo(tmp_path / "model.onnx", masks=False)
    model = onnx.load(file)
    helper.set_model_props(model, {"task": task})
    onnx.save(model, file)
    with pytest.raises(ModelRefused, match=words):
        check_detector(str(file))


def test_a_classification_model_without_metadata(tmp_path: Path) -> None:
    graph = Graph([1, 3, 8, 8])
    flat = graph.node("Reshape", graph.node("GlobalAveragePool", "images"), graph.constant([1, 3], np.int64))
    graph.give(flat, "probabilities", [1, 3])
    with pytest.raises(ModelRefused, match="looks like a classification model"):
        check_detector(str(graph.save(tmp_path / "model.onnx")))


def test_labels_of_a_file(tmp_path: Path) -> None:
    file = tiny_networks.yolo(tmp_path / "model.onnx")
    labels = tmp_path / "labels.txt"
    labels.write_text("cup\nplate\nfork\n")
    assert loaded(file, labels=labels).labels == {0: "cup", 1: "plate", 2: "fork"}
    labels.write_text("0 cup\n1 plate\n2 fork\n")
    assert loaded(file, labels=labels).labels == {0: "cup", 1: "plate", 2: "fork"}
    labels.write_text("cup\nplate\n")
    with pytest.raises(ConfigError, match=r"knows 3 classes, the labels .* have 2"):
        loaded(file, labels=labels)


@pytest.mark.parametrize(
    ("name", "words"),
    [("model.pt", "a pickle that may run any code.*yolo export"), ("model.engine", "another runtime"), ("m.h5", "Keras")],
)
def test_files_that_are_not_opened(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ConfigError, match=words):
        check_detector(str(tmp_path / name))


def test_without_the_extra_its_command_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tiny_networks.yolo(tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DetectorUnavailable, match=r'ONNX files need ONNX Runtime.*pip install "streamer\[onnx\]"'):
        check_detector(str(file))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    tiny_networks.yolo(tmp_path / "model.onnx")
    with pytest.raises(ConfigError, match=r"there is no file .*did you mean .*model\.onnx"):
        check_detector(str(tmp_path / "modell.onnx"))
