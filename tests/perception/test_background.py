"""All is covered but some objects."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
import pytest

from streamer.frame import Frame, plane_views
from streamer.instances import Instances
from streamer.perception.background import NOT_YET, Background
from streamer.perception.selection import Selection
from streamer.render.cover import Method
from streamer.stages import Annotated

PERSON, DOG = 1, 2


class Told:
    """Perception that says of each frame what it was told."""

    def __init__(self, found: Instances, looked_s: float | None) -> None:
        self.found, self.looked_s = found, looked_s

    def push(self, frame: Frame) -> Iterable[Annotated]:
        return [Annotated(frame, self.found, looked_s=self.looked_s)]

    def finish(self) -> Iterable[Annotated]:
        return []

    def close(self) -> None: ...


def frame() -> Frame:
    """160 x 120 pixels of stripes, each 2 pixels wide."""
    rows = np.full((180, 160), 128, np.uint8)
    rows[:120] = np.where(np.arange(160) // 2 % 2, 40, 200)
    return Frame(av.VideoFrame.from_ndarray(rows, format="yuv420p"), 0, 0, Fraction(1, 25), "test", 0.0)


def found(mask: bool = False) -> Instances:
    """A person and a dog of 40 x 40 pixels; the person's mask is its whole box."""
    return Instances(
        boxes_xyxy=np.array([[20, 40, 60, 80], [100, 40, 140, 80]], np.float32),
        scores=np.array([0.9, 0.9], np.float32),
        class_ids=np.array([PERSON, DOG]),
        masks=np.ones((2, 8, 8), np.float32) if mask else None,
    )


def luma(item: Annotated) -> np.ndarray:
    return np.array(plane_views(item.clean())[0])


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("method", ["blur", "pixelate", "fill"])
def test_persons_stay_and_all_else_is_covered(method: Method, mask: bool) -> None:
    background = Background(Told(found(mask), 0.0), {PERSON}, method, Selection(0.5, frozenset({DOG})))
    picture = frame()
    before = np.array(plane_views(picture.picture)[0])
    (item,) = background.push(picture)
    after = luma(item)
    assert (after[42:78, 24:56] == before[42:78, 24:56]).all()
    for part in (after[42:78, 104:136], after[:30], after[90:], after[:, 70:95]):
        assert int(part.max()) - int(part.min()) < 40
    assert item.instances.class_ids.tolist() == [DOG]  # persons are kept, though only dogs are drawn


def test_all_is_covered_until_the_detector_has_looked() -> None:
    background = Background(Told(Instances.empty(), None), {PERSON}, "blur", Selection())
    (item,) = background.push(frame())
    assert item.cover is NOT_YET
    assert background.skip(frame()).cover is NOT_YET


def test_all_is_covered_where_nobody_is() -> None:
    background = Background(Told(Instances.empty(), 0.0), {PERSON}, "fill", Selection())
    (item,) = background.push(frame())
    assert len(np.unique(luma(item))) == 1
