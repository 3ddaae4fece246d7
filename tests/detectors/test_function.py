"""A function as a detector, with answers as supervision gives them and with ones that do not fit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamer.detectors.function import FunctionDetector
from streamer.detectors.registry import load_detector
from streamer.errors import ConfigError, DetectorContractError, DetectorUnavailable, StreamerError
from streamer.instances import Instances
from streamer.stages import Detector, DetectsWanted

PICTURE = np.zeros((90, 160, 3), np.uint8)

MODULE = """
from types import SimpleNamespace
import numpy as np
labels = {3: "cup"}
def detect(image):
    mask = np.zeros((1, *image.shape[:2]), bool)
    mask[0, 10:40, 20:60] = True
    return SimpleNamespace(xyxy=np.array([[20., 10., 60., 40.]]), confidence=np.array([.75]), class_id=np.array([3]), mask=mask,
                           data={})
def factory():
    return SimpleNamespace(detect=detect, labels=labels)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "cups.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("cups", None)


def answering(**answer: Any) -> FunctionDetector:
    return FunctionDetector(lambda _image: SimpleNamespace(**answer), "mine:f", None)


@pytest.mark.usefixtures("module")
def test_a_function_by_its_name() -> None:
    detector = load_detector("cups:detect", score_threshold=0.5)
    assert isinstance(detector, Detector)
    assert isinstance(detector, DetectsWanted)
    found = detector.detect(PICTURE)
    assert (found.boxes_xyxy.tolist(), found.scores.tolist(), found.class_ids.tolist()) == ([[20, 10, 60, 40]], [0.75], [3])
    assert detector.labels == {3: "cup"}
    assert found.masks is not None
    assert found.masks.shape == (1, 40, 40)
    # Its outermost cells are half outside.
    assert found.masks.min() > 0.8
    detector.warm_up()
    detector.close()


@pytest.mark.usefixtures("module")
def test_a_function_takes_no_device() -> None:
    with pytest.raises(ConfigError, match="takes no device"):
        load_detector("cups:detect", score_threshold=0.5, device="cpu")


@pytest.mark.usefixtures("module")
def test_a_function_that_makes_a_detector_is_still_one() -> None:
    with pytest.raises(DetectorContractError, match=r"expected streamer\.Instances"):
        load_detector("cups:factory", score_threshold=0.5).detect(PICTURE)


def test_a_round_mask_comes_through_as_round() -> None:
    y, x = np.mgrid[0:400, 0:600]
    disc = np.hypot(x - 300, y - 200) < 150
    found = FunctionDetector(
        lambda _image: SimpleNamespace(xyxy=[[150, 50, 451, 351]], mask=disc[None]), "mine:f", {0: "disc"}
    ).detect(np.zeros((400, 600, 3), np.uint8))
    assert found.masks is not None
    cells = found.masks.shape[1]
    assert cells == 112
    v, u = (np.mgrid[:cells, :cells] + 0.5) / cells * 301 + 150
    expected = np.hypot(u - 300, v - 300) < 150
    assert np.count_nonzero((found.masks[0] > 0.5) ^ expected) < 0.01 * expected.sum()


def test_names_alone_become_numbers() -> None:
    detector = answering(xyxy=[[0, 0, 9, 9]] * 3, data={"class_name": ["cat", "dog", "cat"]})
    assert detector.detect(PICTURE).class_ids.tolist() == [0, 1, 0]
    assert detector.labels == {0: "cat", 1: "dog"}


def test_names_beside_numbers_are_learnt() -> None:
    detector = answering(xyxy=[[0, 0, 9, 9]], class_id=[7], data={"class_name": np.array(["cat"])})
    assert detector.detect(PICTURE).class_ids.tolist() == [7]
    assert detector.labels == {7: "cat"}


def test_a_name_that_is_missing_is_none() -> None:
    detector = answering(xyxy=[[0, 0, 9, 9]] * 2, class_id=[7, 8], data={"class_name": np.array([None, "cat"], object)})
    assert detector.detect(PICTURE).class_ids.tolist() == [7, 8]
    assert detector.labels == {8: "cat"}
    alone = answering(xyxy=[[0, 0, 9, 9]] * 2, data={"class_name": [None, "cat"]})
    assert alone.detect(PICTURE).class_ids.tolist() == [0, 1]
    assert alone.labels == {0: "unnamed", 1: "cat"}


@pytest.mark.parametrize("number", [-1, 2**24 + 1, 10**12, 2**53 - 1])
def test_class_numbers_are_exact(number: int) -> None:
    assert answering(xyxy=[[0, 0, 9, 9]], class_id=[number]).detect(PICTURE).class_ids.tolist() == [number]


def test_nothing_found() -> None:
    empty = answering(xyxy=np.empty((0, 4)), mask=None, confidence=np.empty(0), class_id=np.empty(0), data={})
    assert len(empty.detect(PICTURE)) == 0


def test_instances_pass_through() -> None:
    own = Instances(boxes_xyxy=[[0, 0, 5, 5]], scores=[1.0], class_ids=[1])  # type: ignore[arg-type]  # lists become arrays
    assert len(FunctionDetector(lambda _image: own, "mine:f", None).detect(PICTURE)) == 1


def test_masks_of_what_is_not_wanted_are_not_read() -> None:
    class Masks:
        shape = (2, 90, 160)

        def __getitem__(self, row: int) -> Any:
            assert row == 1
            return np.ones((90, 160), bool)

    detector = answering(xyxy=[[0, 0, 50, 50], [9, 9, 90, 90]], mask=Masks())
    found = detector.detect_wanted(PICTURE, lambda _found: np.array([1]))
    assert found.masks is not None
    assert found.masks.shape == (1, 81, 81)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "expected supervision.Detections or streamer.Instances"),
        ({"xyxy": [[1, 2, 3]]}, r"xyxy: expected shape \('N', 4\)"),
        ({"xyxy": "abc"}, "xyxy: expected numbers"),
        ({"xyxy": [[0, 0, 1, 1]], "confidence": [0.5, 0.6]}, r"confidence: expected shape \(1,\)"),
        ({"xyxy": [[0, 0, 1, 1]], "class_id": [[1]]}, r"class_id: expected shape \(1,\)"),
        ({"xyxy": [[0, 0, 1, 1]], "class_id": [np.nan]}, r"class_id: expected whole numbers below 2\^53, got list \[nan"),
        ({"xyxy": [[0, 0, 1, 1]], "class_id": [2**53]}, r"class_id: expected whole numbers below 2\^53"),
        ({"xyxy": [[0, 0, 1, 1]], "mask": np.ones((1, 20, 20), bool)}, r"mask: expected shape \(1, 90, 160\)"),
        (
            {"xyxy": [[0, 0, 1, 1]], "mask": [np.ones((90, 160))]},
            r"mask: expected shape \(1, 90, 160\), got list \[array[^\n]*$",
        ),
        ({"xyxy": [[0, 0, 9, 9]], "mask": np.full((1, 90, 160), "x")}, "mask: expected truth values or probabilities"),
    ],
)
def test_what_does_not_fit_is_named(answer: dict[str, Any], words: str) -> None:
    with pytest.raises(DetectorContractError, match=words):
        answering(**answer).detect(PICTURE)


@pytest.mark.parametrize("inside", [255, 1.0, np.nan, 3e9])
def test_masks_of_other_numbers_lie_within_0_and_1(inside: float) -> None:
    mask = np.zeros((1, 90, 160), np.uint8 if inside == 255 else np.float64)
    mask[0, 10:40, 20:60] = inside
    found = answering(xyxy=[[0, 0, 80, 60]], mask=mask).detect(PICTURE)
    assert found.masks is not None
    assert (found.masks.min(), found.masks.max()) == (0, 0 if np.isnan(inside) else 1)
    # Half of the cells beside an edge are more than half inside.
    assert np.count_nonzero(found.masks > 0.5) / found.masks.size == pytest.approx(0 if np.isnan(inside) else 0.25, abs=0.02)


def test_class_names_that_are_none_are_left() -> None:
    assert answering(xyxy=[[0, 0, 1, 1]], data={"class_name": 5}).detect(PICTURE).class_ids.tolist() == [0]


@pytest.mark.parametrize("error", [RuntimeError("my\nlines"), SystemExit(3)])
def test_one_that_fails_at_once_is_named_in_a_line(error: BaseException) -> None:
    def fails(_image: object) -> None:
        raise error

    with pytest.raises(DetectorUnavailable, match=r"^the detector mine:f failed on a black picture: [^\n]+$"):
        FunctionDetector(fails, "mine:f", None).warm_up()


@pytest.mark.parametrize("text", ["raise SystemExit(2)", "class Cups:\n    def __init__(self): raise SystemExit(2)"])
def test_one_that_ends_the_process_is_named(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ending.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(DetectorUnavailable, match=r"the detector ending:Cups cannot be (imported|made): SystemExit: 2"):
            load_detector("ending:Cups", score_threshold=0.5)
    finally:
        sys.modules.pop("ending", None)


@given(
    boxes=arrays(np.float32, st.tuples(st.integers(0, 3), st.just(4)), elements=st.floats(width=32)),
    masks=st.booleans(),
)
def test_whatever_it_answers_is_usable_or_refused(boxes: Any, masks: bool) -> None:
    given_masks = np.ones((len(boxes), 90, 160), bool) if masks else None
    try:
        found = answering(xyxy=boxes, mask=given_masks, confidence=np.ones(len(boxes))).detect(PICTURE)
    except StreamerError:
        return
    found.usable(160, 90)
