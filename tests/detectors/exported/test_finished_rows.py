"""Networks that suppress by themselves: rows of finished objects, counted answers, and what a YAML says of others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from streamer.detectors.exported.detector import ExportedDetector
from streamer.detectors.exported.finished_rows import COLUMNS, FinishedRows
from streamer.detectors.exported.picture_input import Fit, Preparation
from streamer.errors import ConfigError, ModelRefused
from tests.detectors.exported.tiny_networks import Graph, Shape

BOX = (16.0, 40.0, 80.0, 120.0)
"""In an input of 160 x 160."""
LETTERBOXED = (16.0, 20.0, 80.0, 100.0)
"""The same in a picture of 160 x 120, which lies in the middle, and stretched: 120 high instead of 160."""
STRETCHED = (16.0, 30.0, 80.0, 90.0)
PICTURE = np.full((120, 160, 3), 90, np.uint8)
Outputs = Mapping[str, tuple[npt.ArrayLike, Shape, int]]
FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64


def saved(file: Path, outputs: Outputs, *, picture: str = "images", others: Mapping[str, Shape] | None = None) -> Path:
    """A file that answers with these values, whatever the picture; ``others`` are inputs beside it."""
    graph = Graph([1, 3, 160, 160], name=picture)
    nothing = graph.scaled(graph.node("ReduceMean", picture, keepdims=0), 0.0)
    for name, shape in (others or {}).items():
        graph.inputs.append(helper.make_tensor_value_info(name, FLOAT, shape))
    for name, (value, shape, dtype) in outputs.items():
        graph.give(graph.node("Add", graph.constant(value), nothing), name, shape, dtype)
    return graph.save(file)


def padded(row: npt.ArrayLike, count: int) -> npt.NDArray[np.float32]:
    """[1, count, …]: the row, and nothing."""
    first = np.asarray(row, np.float32)
    made = np.zeros((1, count, *first.shape), np.float32)
    made[0, 0] = first
    return made


COUNTED: Outputs = {
    "num_dets": ([[1]], [1, 1], INT32),
    "det_boxes": (padded(BOX, 9), [1, 9, 4], FLOAT),
    "det_scores": (padded(0.9, 9), [1, 9], FLOAT),
    "det_classes": (padded(2, 9), [1, 9], INT32),
}
OF_NAS: Outputs = {
    "graph2_num_predictions": ([[1]], [1, 1], INT64),
    "graph2_pred_boxes": (padded(BOX, 9), [1, 9, 4], FLOAT),
    "graph2_pred_scores": (padded(0.9, 9), [1, 9], FLOAT),
    "graph2_pred_classes": (padded(2, 9), [1, 9], INT64),
}
FLAT: Outputs = {"graph2_flat_predictions": ([[0, *BOX, 0.9, 2]], ["rows", 7], FLOAT)}
V7: Outputs = {"output": ([[0, *BOX, 2, 0.9], [1, *BOX, 2, 0.9]], ["rows", 7], FLOAT)}


@pytest.mark.parametrize(
    ("outputs", "family"),
    [
        (COUNTED, "YOLO, end to end with a count"),
        (OF_NAS, "YOLO-NAS, end to end"),
        (FLAT, "YOLO-NAS, end to end"),
        (V7, "YOLOv7, end to end"),
    ],
    ids=["EfficientNMS", "YOLO-NAS", "YOLO-NAS, flat", "YOLOv7"],
)
def test_finished_objects_are_read(tmp_path: Path, outputs: Outputs, family: str) -> None:
    detector = ExportedDetector(saved(tmp_path / "model.onnx", outputs))
    assert detector.family == family
    found = detector.detect(PICTURE)
    np.testing.assert_allclose(found.boxes_xyxy, [LETTERBOXED])
    assert found.class_ids.tolist() == [2]
    assert detector.labels[2] == "car"


def test_rows_of_nothing_are_no_classification(tmp_path: Path) -> None:
    file = saved(tmp_path / "model.onnx", {"boxes": (np.zeros((0, 7)), ["rows", 7], FLOAT)})
    with pytest.raises(ModelRefused, match="what the 7 columns of boxes are is not said"):
        ExportedDetector(file)


PADDLE: Outputs = {
    "multiclass_nms3_0.tmp_0": ([[2, 0.9, *BOX], [1, 0.8, *BOX]], ["rows", 6], FLOAT),
    "multiclass_nms3_0.tmp_2": ([1], [1], INT32),
}
SIDE_INPUTS: Mapping[str, Shape] = {"im_shape": [1, 2], "scale_factor": [1, 2]}
INFER = """
Preprocess:
- {type: Resize, keep_ratio: false, target_size: [160, 160]}
- {type: NormalizeImage, is_scale: true, mean: [0, 0, 0], std: [1, 1, 1], norm_type: none}
label_list: [cup, plate, fork]
"""


def test_paddledetection_by_what_it_writes_beside_the_file(tmp_path: Path) -> None:
    file = saved(tmp_path / "model.onnx", PADDLE, picture="image", others=SIDE_INPUTS)
    with pytest.raises(ModelRefused, match=r"0\.\.1 or imagenet is not said \(scaling\)"):
        ExportedDetector(file)
    (tmp_path / "infer_cfg.yml").write_text(INFER)
    detector = ExportedDetector(file)
    assert detector.family == "PaddleDetection"
    found = detector.detect(PICTURE)
    np.testing.assert_allclose(found.boxes_xyxy, [STRETCHED])
    assert [detector.labels[number] for number in found.class_ids.tolist()] == ["fork"]


def test_paddledetection_by_a_yaml(tmp_path: Path) -> None:
    file = saved(tmp_path / "model.onnx", PADDLE, picture="image", others=SIDE_INPUTS)
    (tmp_path / "model.yaml").write_text("scaling: imagenet\n")
    np.testing.assert_allclose(ExportedDetector(file).detect(PICTURE).boxes_xyxy, [STRETCHED])


def test_boxes_come_out_in_pixels_of_the_input(tmp_path: Path) -> None:
    """PaddleDetection divides by how much a picture was scaled, so that has to be 1; its size is height, width."""
    graph = Graph([1, 3, 160, 160], name="image")
    for name in ("scale_factor", "im_shape"):
        graph.inputs.append(helper.make_tensor_value_info(name, FLOAT, [1, 2]))
    sizes = graph.node("Concat", "scale_factor", "im_shape", axis=1)
    score_class = graph.constant([[2.0, 0.9]])
    graph.give(graph.node("Concat", score_class, sizes, axis=1), "rows", ["rows", 6])
    file = graph.save(tmp_path / "model.onnx")
    (tmp_path / "model.yaml").write_text("scaling: 0..1\n")
    np.testing.assert_allclose(ExportedDetector(file).detect(PICTURE).boxes_xyxy, [(1, 0.75, 160, 120)])


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (
            {"detections": (padded([0, 40, 16, 120, 80, 0.9, 2], 9), [1, 9, 7], FLOAT)},
            "columns: [picture, top, left, bottom, right, score, class]\noutputs: {rows: detections}",
        ),
        (
            {"detection_out": (padded([0, 2, 0.9, 0.1, 0.25, 0.5, 0.75], 9)[None], [1, 1, 9, 7], FLOAT)},
            "columns: [picture, class, score, left, top, right, bottom]\nunit: fractions\noutputs: {rows: detection_out}",
        ),
        (
            {"dets": (padded([*BOX, 0.9], 9), [1, 9, 5], FLOAT), "labels": (padded(2, 9), [1, 9], INT64)},
            "columns: [left, top, right, bottom, score]\noutputs: {rows: dets, classes: labels}",
        ),
        (
            {
                "b": (np.tile(BOX, (1, 525, 1)), [1, 525, 4], FLOAT),
                "s": (np.tile([0.1, 0.1, 0.9], (1, 525, 1)), [1, 525, 3], FLOAT),
            },
            "family: places\noverlap: 0.5\noutputs: {boxes: b, scores: s}",
        ),
    ],
    ids=["EfficientDet", "DetectionOutput", "MMDetection", "YOLO-NAS without suppression"],
)
def test_a_yaml_says_what_columns_and_places_are(tmp_path: Path, outputs: Outputs, words: str) -> None:
    file = saved(tmp_path / "model.onnx", outputs)
    with pytest.raises(ModelRefused, match=r"columns|places"):
        ExportedDetector(file)
    (tmp_path / "model.yaml").write_text(words)
    found = ExportedDetector(file).detect(PICTURE)
    np.testing.assert_allclose(found.boxes_xyxy, [STRETCHED], atol=1e-4)
    np.testing.assert_allclose(found.scores, [0.9], atol=1e-6)
    assert found.class_ids.tolist() == [2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("columns: [left, top]", "there are 7, and 2 names"),
        ("columns: [picture, top, left, bottom, right, score, '-']", "columns: class missing"),
        ("columns: [picture, top, left, bottom, right, score, kind]", "columns: expected a list of left, top"),
        ("columns: left", "columns: expected a list"),
        ("overlap: 2", r"overlap: expected a fraction 0\.\.1, got 2"),
    ],
)
def test_mistakes_in_columns(tmp_path: Path, words: str, told: str) -> None:
    file = saved(tmp_path / "model.onnx", FLAT)
    (tmp_path / "model.yaml").write_text(f"{words}\noutputs: {{rows: graph2_flat_predictions}}")
    with pytest.raises(ConfigError, match=told):
        ExportedDetector(file)


@settings(deadline=None)
@given(
    order=st.permutations([*COLUMNS, "-"]),
    count=st.integers(0, 5),
    seed=st.integers(0, 2**32),
    odd=st.sampled_from([np.nan, np.inf, -np.inf, 1e30, -3.0]),
)
def test_columns_in_any_order_and_with_any_numbers(order: list[str], count: int, seed: int, odd: float) -> None:
    random = np.random.default_rng(seed)
    rows = random.uniform(0, 100, (count, len(order))).astype(np.float32)
    rows[random.random(rows.shape) < 0.1] = odd
    rows[:, order.index("picture")] = 0
    rows[:, order.index("score")] = 0.9
    rows[:, order.index("class")] = np.arange(count)
    reader = FinishedRows("rows", 0, order, Preparation("stretch"))
    with np.errstate(all="ignore"):
        found = reader.read([rows], Fit((100, 100), (100, 100), 0, 0, (100, 100)), 0.5)
    assert found.classes.tolist() == list(range(count))
    for row, box in zip(rows, found.boxes_xyxy, strict=True):
        expected = [np.clip(row[order.index(side)], 0, 100) for side in ("left", "top", "right", "bottom")]
        np.testing.assert_array_equal(box, np.array(expected, np.float32))
