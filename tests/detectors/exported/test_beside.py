"""Files of Hugging Face's exporters: what stands beside them says what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.detectors.exported.detector import ExportedDetector
from streamer.errors import ModelRefused
from tests.detectors.exported.tiny_networks import Graph

CONFIG = {"model_type": "rt_detr", "id2label": {"0": "cup", "1": "plate"}}
PROCESSING = {"size": {"height": 64, "width": 96}, "do_normalize": False}


def queries(file: Path, **metadata: str) -> Path:
    """Two queries of any picture: the left half is a cup as surely as it is red, the other is nothing."""
    graph = Graph([1, 3, "height", "width"], name="pixel_values")
    red = graph.node("ReduceMean", graph.part("pixel_values", 0, 1), axes=[1, 2, 3], keepdims=0)
    weights = graph.constant([[[1.0, -9.0], [-9.0, -9.0]]])
    graph.give(graph.node("Mul", weights, red), "logits", [1, 2, 2])
    boxes = graph.constant([[[0.25, 0.5, 0.5, 1.0], [0.5, 0.5, 0.1, 0.1]]])
    graph.give(boxes, "pred_boxes", [1, 2, 4])
    return graph.save(file, metadata)


def found(folder: Path, red: int, config: Any = CONFIG, processing: Any = PROCESSING) -> Any:
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(processing))
    detector = ExportedDetector(queries(folder / "model.onnx"), score_threshold=0.3)
    picture = np.zeros((120, 200, 3), np.uint8)
    picture[:, :, 0] = red
    instances = detector.detect(picture)
    return detector, instances


def test_a_network_of_transformers(tmp_path: Path) -> None:
    detector, instances = found(tmp_path, 255)
    assert (detector.family, detector.labels) == ("RT-DETR", {0: "cup", 1: "plate"})
    np.testing.assert_allclose(instances.boxes_xyxy, [[0, 0, 100, 120]], atol=1e-3)
    np.testing.assert_allclose(instances.scores, [1 / (1 + np.exp(-1.0))], atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "family", "score"),
    [
        # The last class is "nothing".
        ("detr", "DETR", 1 / (1 + np.exp(-10))),
        ("yolos", "YOLOS", 1 / (1 + np.exp(-10))),
        ("conditional_detr", "Conditional DETR", 1 / (1 + np.exp(-1))),
    ],
)
def test_scores_are_what_they_are_in_that_network(tmp_path: Path, kind: str, family: str, score: float) -> None:
    detector, instances = found(tmp_path, 255, config={**CONFIG, "model_type": kind})
    assert detector.family == family
    np.testing.assert_allclose(instances.scores[0], score, atol=1e-3)


@pytest.mark.parametrize(
    ("edges", "picture", "given"),
    [
        ((64, 128), (200, 120), (106, 64)),
        ((64, 128), (120, 200), (64, 106)),
        ((64, 128), (400, 100), (128, 32)),
        ((800, 1333), (1920, 1080), (1333, 750)),
        ((64, 128), (1000, 1), (128, 1)),
    ],
)
def test_proportions_are_kept_where_the_shorter_side_is_given(
    tmp_path: Path, edges: tuple[int, int], picture: tuple[int, int], given: tuple[int, int]
) -> None:
    size = {"size": {"shortest_edge": edges[0], "longest_edge": edges[1]}}
    detector, _ = found(tmp_path, 255, config={**CONFIG, "model_type": "detr"}, processing=size)
    assert detector._input.fit(*picture).input_size == given


def test_sides_for_yolos_are_multiples_of_its_patches(tmp_path: Path) -> None:
    size = {"size": {"shortest_edge": 256, "longest_edge": 427}}
    detector, _ = found(tmp_path, 255, config={**CONFIG, "model_type": "yolos"}, processing=size)
    assert detector._input.fit(640, 480).input_size == (336, 256)


@pytest.mark.parametrize("size", [{"shortest_edge": "a", "longest_edge": 3}, {"shortest_edge": 9, "longest_edge": 0}])
def test_sides_that_mean_nothing_are_as_if_they_were_not_there(tmp_path: Path, size: dict[str, Any]) -> None:
    detector, _ = found(tmp_path, 255, config={**CONFIG, "model_type": "detr"}, processing={"size": size})
    assert detector._input.fit(200, 100).input_size == (640, 640)


def test_pictures_are_normalised_where_it_says_so(tmp_path: Path) -> None:
    processing = {**PROCESSING, "do_normalize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.5, 0.5]}
    _, instances = found(tmp_path, 255, processing=processing)
    np.testing.assert_allclose(instances.scores, [1 / (1 + np.exp(-2.0))], atol=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": {"height": 10**9, "width": 10**9}},
        {"size": {"height": "64", "width": -1}},
        {"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.25, 0.0, 0.25]},
        {"do_normalize": True, "image_mean": [float("nan")] * 3, "image_std": [1.0] * 3},
        {"do_normalize": True, "image_mean": [10**400] * 3, "image_std": [1.0] * 3},
    ],
)
def test_numbers_that_mean_nothing_are_as_if_they_were_not_there(tmp_path: Path, wrong: dict[str, Any]) -> None:
    _, instances = found(tmp_path, 255, processing={**PROCESSING, **wrong})
    np.testing.assert_allclose(instances.scores, [1 / (1 + np.exp(-1.0))], atol=1e-3)


@pytest.mark.parametrize(
    "config", [{"model_type": "vit"}, {"architectures": ["A"]}, {"model_type": 3}, [], {"model_type": "bert", "id2label": 5}]
)
def test_what_does_not_say_it_is_not_guessed_at(tmp_path: Path, config: Any) -> None:
    with pytest.raises(ModelRefused, match=r"whether logits are of single classes \(sigmoid\) or of one in all") as raised:
        found(tmp_path, 255, config=config)
    # What it says to write makes it run.
    (tmp_path / "model.yaml").write_text(raised.value.message.partition("in YAML: ")[2])
    assert found(tmp_path, 255, config=config)[0].family == "queries"


@pytest.mark.parametrize("text", ["", "{", "null", '{"model_type": "rt_detr"', "\xff", "[" * 5000])
def test_damaged_files_are_as_if_they_were_not_there(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, "latin-1")
    with pytest.raises(ModelRefused, match="is not said"):
        ExportedDetector(queries(tmp_path / "model.onnx"), score_threshold=0.3)


def test_libreyolo_says_it_in_the_file(tmp_path: Path) -> None:
    file = queries(tmp_path / "model.onnx", model_family="dfine", names='{"0": "cup", "1": "plate"}', imgsz="640")
    detector = ExportedDetector(file, score_threshold=0.3)
    assert (detector.family, detector.labels[1]) == ("D-FINE", "plate")
    with pytest.raises(ModelRefused, match="is of LibreYOLO's family detr, which is not known here"):
        ExportedDetector(queries(tmp_path / "other.onnx", model_family="detr"), score_threshold=0.3)
