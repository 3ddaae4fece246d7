"""Which outline is shown, and what a second look says of the class."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors import outlines
from streamer.detectors.deeplab import CLASSES, DeepLab, Seen
from streamer.detectors.labels import COCO
from streamer.detectors.opinion import UNSEEN_FACTOR, Opinion, judge
from streamer.detectors.outline_memory import Remembered
from streamer.detectors.outlines import PERSON_MS, RECORDING_MS, SCENE_MS, Outliner, affordable, look, nominal_ms, share
from streamer.detectors.person_outlines import PersonNetwork
from streamer.detectors.weights import verified
from streamer.instances import Instances


def seen(**shares: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """What DeepLab says of a box in which each class takes a share, the background the rest."""
    cells = np.zeros((100, len(CLASSES)), np.float32)
    at = 0
    for name, part in shares.items():
        cells[at : at + round(100 * part), CLASSES.index(name)] = 1.0
        at += round(100 * part)
    cells[at:, 0] = 1.0
    return cells.reshape(10, 10, -1)


@pytest.mark.parametrize(
    ("name", "shares", "expected"),
    [
        ("car", {"car": 0.6}, Opinion(None, "car")),
        ("truck", {"bus": 0.5}, Opinion(None, "truck")),
        ("sheep", {"dog": 0.6}, Opinion(None, "dog")),
        ("bear", {"dog": 0.5}, Opinion(None, "dog")),
        ("cat", {"dog": 0.6}, Opinion(None, "dog")),
        ("cat", {"dog": 0.4, "cat": 0.2}, Opinion(None, "cat")),
        ("cell phone", {"car": 0.6}, Opinion(None, "car")),
        ("chair", {"car": 0.6}, Opinion(None, "car")),
        ("chair", {"chair": 0.3, "car": 0.3}, Opinion(None, "chair")),
        ("car", {}, Opinion(None, "car", UNSEEN_FACTOR)),
        ("car", {"person": 0.5}, Opinion(None, "car")),
        ("bicycle", {}, Opinion(None, "bicycle")),
        ("zebra", {}, Opinion(None, "zebra")),
        ("sheep", {"car": 0.7}, Opinion(None, "sheep")),
    ],
)
def test_a_class_is_corrected_only_by_a_related_one_that_is_clearly_there(
    name: str, shares: dict[str, float], expected: Opinion
) -> None:
    assert judge(seen(**shares), name) == expected


def test_the_share_of_a_mask() -> None:
    assert share(np.array([[0.6, 0.4], [0.5, 1.0]], np.float32)) == 0.5


class Scripted(DeepLab):
    """Sees one class in the upper part of any box, and background below."""

    def __init__(self, name: str, part: float) -> None:
        """``part`` is 0..1; needs no weights."""
        self._class, self._part = CLASSES.index(name), part

    def __call__(self, image: NDArray[np.uint8], box_xyxy: NDArray[np.float32], cells: int) -> Seen:
        """The same, in any box."""
        del image, box_xyxy
        classes = np.zeros((cells, cells, len(CLASSES)), np.float32)
        rows = round(self._part * cells)
        classes[:rows, :, self._class] = classes[rows:, :, 0] = 1.0
        return Seen(classes, np.zeros((cells, cells), np.float32))


def test_only_what_is_large_enough_to_be_seen_is_doubted() -> None:
    person = PersonNetwork(verified("outlines/selfie_segmentation.tflite"), "person")
    for box, factor in (([100, 100, 162, 130], 1.0), ([100, 100, 220, 180], UNSEEN_FACTOR)):
        picture = np.zeros((240, 320, 3), np.uint8)
        assert look(person, Scripted("car", 0.0), picture, np.array(box, np.float32), "car") == Opinion(None, "car", factor)


class ScriptedPerson(PersonNetwork):
    """Sees a person in the upper part of any box."""

    def __init__(self, part: float) -> None:
        """``part`` is 0..1; needs no weights."""
        self._part = part

    def __call__(self, image: NDArray[np.uint8], box_xyxy: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
        """The same, in any box."""
        del image, box_xyxy
        mask = np.zeros((cells, cells), np.float32)
        mask[: round(self._part * cells)] = 1.0
        return mask


@pytest.mark.parametrize(
    ("crisp", "other", "shown"),
    [(0.5, 0.7, 0.5), (0.15, 0.6, 0.6), (0.15, 0.0, 0.15), (1.0, 0.6, 0.6), (1.0, 0.0, None), (1.0, 1.0, None)],
)
def test_a_person_of_whom_one_network_sees_too_little_or_all_is_shown_to_the_other(
    crisp: float, other: float, shown: float | None
) -> None:
    box, picture = np.array([100, 20, 180, 220], np.float32), np.zeros((240, 320, 3), np.uint8)
    mask = look(ScriptedPerson(crisp), Scripted("person", other), picture, box, "person").mask
    assert (None if mask is None else share(mask)) == (shown if shown is None else pytest.approx(shown, abs=0.02))


@pytest.mark.parametrize(
    ("box", "covered", "shown"),
    [
        ([0, 0, 320, 240], 1.0, True),
        ([9, 2, 318, 236], 1.0, True),
        ([40, 3, 250, 238], 1.0, True),
        ([100, 30, 318, 200], 0.98, True),
        ([100, 30, 318, 200], 1.0, False),
        ([40, 30, 280, 200], 0.96, True),
        ([40, 30, 280, 200], 0.98, False),
    ],
)
def test_what_fills_the_picture_has_an_outline(box: list[float], covered: float, shown: bool) -> None:
    picture = np.zeros((240, 320, 3), np.uint8)
    mask = look(ScriptedPerson(covered), Scripted("cat", 1.0), picture, np.array(box, np.float32), "person").mask
    assert (mask is not None) is shown
    assert mask is None or share(mask) == pytest.approx(covered, abs=0.01)


def test_a_cat_that_fills_the_picture_has_an_outline_one_that_fills_a_box_in_it_has_none() -> None:
    picture = np.zeros((240, 320, 3), np.uint8)
    for box, shown in (([10, 0, 320, 225], True), ([40, 30, 280, 200], False)):
        mask = look(ScriptedPerson(0.5), Scripted("cat", 1.0), picture, np.array(box, np.float32), "cat").mask
        assert (mask is not None) is shown


def known(uses: int) -> Remembered:
    return Remembered("person", np.zeros(4, np.float32), np.zeros((24, 24), np.float32), Opinion(None, "person"), uses, due=1)


def test_what_has_no_outline_goes_first_then_the_stalest_then_the_largest() -> None:
    sides = [40, 60, 50, 40, 90]
    boxes = np.array([[0, 0, side, side] for side in sides], np.float32)
    before = [None, None, known(3), known(9), known(3)]
    assert affordable(range(5), boxes, ["person"] * 5, before, 100.0) == [1, 0, 3, 4, 2]
    assert affordable(range(5), boxes, ["person"] * 5, before, 3.5 * PERSON_MS) == [1, 0, 3]
    assert affordable([2, 4], boxes, ["person"] * 5, before, PERSON_MS) == [4]


def test_the_looks_at_one_frame_have_a_bound_whatever_is_found() -> None:
    boxes = np.tile(np.array([0, 0, 40, 80], np.float32), (100, 1))
    for name, cost in (("person", PERSON_MS), ("car", SCENE_MS)):
        assert len(affordable(range(100), boxes, [name] * 100, [None] * 100, RECORDING_MS)) == RECORDING_MS // cost
    assert nominal_ms(boxes[0], "fire hydrant") == nominal_ms(boxes[0] / 8, "person") == 0.0


def street(moved: int = 0) -> NDArray[np.uint8]:
    """A picture of smooth noise, ``moved`` pixels further right."""
    coarse = np.random.default_rng(3).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.roll(cv2.resize(coarse, (360, 240)), moved, axis=1))


def test_outlines_say_whether_they_were_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two persons, time for one of them."""
    monkeypatch.setattr(outlines, "PersonNetwork", lambda *_: ScriptedPerson(0.5))
    outliner = Outliner(COCO, 1, most_ms=1.5 * PERSON_MS)

    def carried(moved: int) -> list[bool]:
        boxes = np.array([[60, 20, 120, 220], [200, 20, 240, 160]], np.float32) + np.array([moved, 0, moved, 0], np.float32)
        found = Instances(boxes_xyxy=boxes, scores=np.array([0.9, 0.8], np.float32), class_ids=np.array([1, 1]))
        seen = outliner(street(moved), found)
        assert seen.has_mask.all()
        return [bool(one) for one in seen.mask_carried]

    try:
        assert carried(0) == [False, False], "the first picture is given more time"
        assert carried(8) == [False, True], "the larger one is looked at"
        assert carried(16) == [True, False], "then the staler one"
        assert carried(16) == [False, False], "then the other one, while this one stands still"
    finally:
        outliner.close()
