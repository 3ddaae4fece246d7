"""Outlines of carried objects."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.follow import outlines
from streamer.follow.flow import LowResFrame
from streamer.follow.motion import Singles
from streamer.follow.outlines import CarriedOutlines
from streamer.follow.views import View
from tests import strategies

WIDTH, HEIGHT = 320, 240
BOX = np.array([100.0, 60.0, 180.0, 200.0])
BLUE, GREY = (60, 200, 90), (120, 128, 128)


def low_res(left: float = 125.0, colour: tuple[int, int, int] = BLUE) -> LowResFrame:
    """A grey picture with a coloured bar, 30 pixels wide and 120 high, YUV."""
    planes = [np.full((HEIGHT, WIDTH), grey, np.uint8) for grey in GREY]
    for plane, value in zip(planes, colour, strict=True):
        cv2.rectangle(plane, (round(left), 70), (round(left) + 29, 189), value, -1)
    luma, u, v = planes
    return LowResFrame(luma, (u[::2, ::2].copy(), v[::2, ::2].copy()), (1.0, 1.0), (WIDTH, HEIGHT))


def bar(left: float, cells: int = 80) -> Singles:
    """The mask of the bar in ``BOX``."""
    mask = np.zeros((cells, cells), np.float32)
    scale = cells / (BOX[2:] - BOX[:2])
    low, high = (np.array([left, 70]) - BOX[:2]) * scale, (np.array([left + 30, 190]) - BOX[:2]) * scale
    mask[round(low[1]) : round(high[1]), round(low[0]) : round(high[0])] = 1.0
    return mask


def view(mask: Singles | None, *, gone: float = 1.0, followed: bool = True, track_id: int = 1) -> View:
    return View(
        track_id=track_id,
        class_id=1,
        score=0.9,
        box_xyxy=BOX,
        mask=mask,
        mask_age_s=0.2,
        followed=followed,
        mask_carried=followed,
        gone=gone,
    )


def iou(a: Singles, b: Singles) -> float:
    inside_a, inside_b = (cv2.resize(mask, (80, 80)) > 0.5 for mask in (a, b))
    return float((inside_a & inside_b).sum() / (inside_a | inside_b).sum())


def fitted(*views: View, into: LowResFrame | None = None) -> list[Singles | None]:
    return [one.mask for one in CarriedOutlines().fitted(views, into or low_res())]


def test_a_mask_beside_its_object_moves_to_the_edges_of_the_picture() -> None:
    beside = bar(121.0)
    (mask,) = fitted(view(beside))
    assert mask is not None
    assert iou(beside, bar(125.0)) < 0.77
    assert iou(mask, bar(125.0)) > 0.84


@pytest.mark.parametrize(
    "kept",
    [
        view(bar(119.0), gone=0.0),
        view(bar(119.0), gone=outlines.STILL),
        view(bar(119.0), followed=False),
        view(np.ones((28, 28), np.float32)),
        replace(view(bar(119.0)), box_xyxy=np.array([0.0, 0.0, 300.0, 230.0])),
        replace(view(bar(119.0)), box_xyxy=np.array([50.0, 50.0, 50.0, 90.0])),
        view(None),
    ],
    ids=["still", "hardly moved", "detected here", "full box", "large", "flat", "no mask"],
)
def test_what_the_picture_cannot_tell_better_keeps_its_mask(kept: View) -> None:
    assert fitted(kept)[0] is kept.mask


def test_an_outline_moves_in_steps_and_comes_closer_with_each_frame() -> None:
    carried = CarriedOutlines()
    first = carried.fitted([view(bar(125.0))], low_res())[0].mask
    assert first is not None
    overlaps = []
    for _ in range(4):
        mask = carried.fitted([view(bar(125.0))], low_res(129.0))[0].mask
        assert mask is not None
        overlaps.append(iou(mask, bar(129.0)))
    assert iou(first, bar(129.0)) < overlaps[0] < overlaps[-1]
    assert overlaps[-1] > 0.83


def test_asked_twice_for_one_frame_the_answer_is_the_same() -> None:
    carried, now = CarriedOutlines(), low_res(131.0)
    carried.fitted([view(bar(125.0))], low_res())
    first, second = (carried.fitted([view(bar(125.0))], now)[0].mask for _ in range(2))
    assert first is not None
    np.testing.assert_array_equal(first, second)


def test_an_object_is_fitted_alone_as_among_others() -> None:
    others = [view(bar(110.0 + i), track_id=2 + i) for i in range(outlines.MOST_OBJECTS + 5)]
    alone, *_ = fitted(view(bar(121.0)))
    among = fitted(view(bar(121.0)), *others)
    assert alone is not None
    assert among[0] is not None
    np.testing.assert_allclose(among[0], alone, atol=0.02)
    assert among[-1] is others[-1].mask


@given(
    st.sampled_from(strategies.PICTURES),
    strategies.sizes(),
    st.integers(0, 2**32 - 1),
    st.sampled_from((0, 1, 2, 9, 100)),
)
def test_any_picture_boxes_and_masks_give_masks_of_probabilities(
    kind: str, size: tuple[int, int], seed: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    pictures = [LowResFrame.of(strategies.frame(kind, seed + i, *size)) for i in range(2)]
    views = []
    for i in range(count):
        a, b = np.sort(rng.uniform(-1.0, 2.0, (2, 2)) * size, axis=0)
        side = rng.choice([0.0, 1e-3, 1.0, np.inf])
        views.append(
            replace(
                view(rng.random((rng.choice([1, 7, 96]),) * 2, np.float32), gone=rng.uniform(0.0, 0.2), track_id=i + 1),
                box_xyxy=np.concatenate([a, np.minimum(b, a + side)]),
            )
        )
    carried = CarriedOutlines()
    for picture in (*pictures, pictures[0]):
        shown = carried.fitted(views, picture)
        assert [one.track_id for one in shown] == [one.track_id for one in views]
        for one in shown:
            assert one.mask is not None
            assert ((one.mask >= 0.0) & (one.mask <= 1.0)).all()
