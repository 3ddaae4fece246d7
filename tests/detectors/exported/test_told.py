"""The YAML beside a model file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from streamer.detectors.exported.detector import ExportedDetector
from streamer.detectors.exported.told import told_of
from streamer.detectors.registry import check_detector
from streamer.errors import ConfigError, ModelRefused
from tests.detectors.exported import tiny_networks
from tests.detectors.exported.tiny_networks import Graph

PICTURE = np.zeros((60, 80, 3), np.uint8)


def answers(file: Path) -> Path:
    """Two objects in an odd form: pixels of top, left, bottom, right, and everything in floats."""
    graph = Graph([1, 3, 64, 64], name="in")
    for value, name in (
        ([[[8.0, 16.0, 40.0, 48.0], [0.0, 0.0, 32.0, 64.0]]], "a"),
        ([[0.9, 0.8]], "b"),
        ([[1.0, 0.0]], "c"),
    ):
        # The picture plays no part, but has to be used.
        nothing = graph.scaled(graph.node("ReduceMean", "in", keepdims=0), 0.0)
        graph.give(graph.node("Add", graph.constant(value), nothing), name, np.shape(value))
    return graph.save(file)


def test_outputs_and_their_meaning_can_be_said(tmp_path: Path) -> None:
    file = answers(tmp_path / "model.onnx")
    with pytest.raises(ModelRefused, match="no known family"):
        check_detector(str(file))
    (tmp_path / "model.yaml").write_text(
        "labels: [cup, plate]\nboxes: yxyx\nresize: stretch\noutputs: {boxes: a, scores: b, classes: c}\n"
    )
    detector = ExportedDetector(file)
    found = detector.detect(PICTURE)
    assert found.boxes_xyxy.round(3).tolist() == [[20.0, 7.5, 60.0, 37.5], [0.0, 0.0, 80.0, 30.0]]
    assert [detector.labels[number] for number in found.class_ids.tolist()] == ["plate", "cup"]


def test_colour_and_scaling_reach_the_network(tmp_path: Path) -> None:
    graph = Graph([1, 3, 32, 32], name="in")
    blue = graph.node("ReduceMean", graph.part("in", 0, 1), axes=[2, 3], keepdims=0)
    graph.give(graph.node("Mul", graph.constant(np.ones((1, 1))), blue), "score", [1, 1])
    graph.give(graph.constant([[[0.0, 0.0, 32.0, 32.0]]]), "box", [1, 1, 4])
    graph.give(graph.constant([[0]], np.int64), "kind", [1, 1], TensorProto.INT64)
    file = graph.save(tmp_path / "model.onnx")
    picture = np.full((32, 32, 3), (255, 0, 51), np.uint8)
    for words, score in (
        ("colour: rgb", 1.0),
        ("colour: bgr", 0.2),
        ("colour: bgr\nscaling: 0..255", 51.0),
        ("colour: bgr\nscaling: -1..1", -0.6),
    ):
        (tmp_path / "model.yaml").write_text(words)
        found = ExportedDetector(file, score_threshold=-2.0).detect(picture)
        np.testing.assert_allclose(found.scores, [score], atol=1e-3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("famly: yolo\nresize: stretch\n", "there is no 'famly'; did you mean family\\?"),
        ("family: vgg\n", "family: expected yolo, .*, got 'vgg'"),
        ("padding: 300\n", "padding: expected a gray level 0..255, got 300"),
        ("outputs: {boxes: nowhere, scores: b, classes: c}\n", "has no output 'nowhere'; it has: a, b, c"),
        ("outputs: {boxes: a}\n", "outputs: scores missing for the family queries"),
        ("outputs: {boxes: a, scores: b, classes: c, prototypes: a}\n", "the family answers has no prototypes"),
        ("outputs: [a, b]\n", "outputs: expected names of outputs by"),
        ("family: yolox\noutputs: {rows: a}\n", "the family yolox has one output"),
        ("outputs: {rows: b}\n", "outputs: rows: .* cannot be columns"),
        ("labels: {a: 1}\n", "labels: expected a list of names"),
        ("labels: absent.txt\n", "the label file absent.txt cannot be read"),
        ("family: [\n", "model.yaml cannot be read"),
        ("[" * 5000, "model.yaml cannot be read"),
        ("- 1\n", "expected names and values"),
    ],
)
def test_mistakes_name_the_file_and_what_was_expected(tmp_path: Path, text: str, words: str) -> None:
    file = answers(tmp_path / "model.onnx")
    (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words) as raised:
        check_detector(str(file))
    assert "\n" not in str(raised.value)


def test_the_plan_of_a_network_beside_it_is_not_taken_for_ours(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tiny_networks.yolo(tmp_path / "model.onnx")
    (tmp_path / "model.yaml").write_text("nc: 80\nbackbone: []\nhead: []\n")
    assert not told_of(file).words
    assert "is not used" in caplog.text
