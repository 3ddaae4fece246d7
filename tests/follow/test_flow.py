"""Flow, camera motion, cuts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.follow.flow import FlowEstimator, LowResFrame, alike
from streamer.frame import Frame
from tests.follow.frames import GROUND, OTHER_GROUND, frame, scene


def test_a_glimpse_is_small_and_knows_its_scale() -> None:
    big = frame(0, np.tile(GROUND, (6, 6)))
    low_res = LowResFrame.of(big)
    assert low_res.size == (1920, 1152)
    assert low_res.luma.size < 150_000
    assert low_res.luma.shape[1] * low_res.to_picture[0] == pytest.approx(1920)
    assert low_res.chroma[0].shape == (low_res.luma.shape[0] // 2, low_res.luma.shape[1] // 2)


def test_a_glimpse_is_no_view_of_the_decoders_memory() -> None:
    small = frame(0, GROUND)
    assert not np.shares_memory(LowResFrame.of(small).luma, small.luma())


@given(st.integers(2, 700), st.integers(2, 700))
def test_a_glimpse_of_any_size_shows_the_same_picture(width: int, height: int) -> None:
    ground = cv2.GaussianBlur(cv2.resize(GROUND, (2 * width, 2 * height)), (0, 0), 4.0)
    low_res = LowResFrame.of(frame(0, np.asarray(ground, np.uint8)))
    h, w = low_res.luma.shape
    wanted = cv2.resize(frame(0, np.asarray(ground, np.uint8)).luma(), (w, h), interpolation=cv2.INTER_AREA)
    assert float(np.abs(low_res.luma.astype(int) - wanted).mean()) < 2.5
    assert low_res.to_picture == pytest.approx((2 * width / w, 2 * height / h))


def flow_between(a: Frame, b: Frame):  # type: ignore[no-untyped-def]  # a helper of these tests
    return FlowEstimator().between(LowResFrame.of(a), LowResFrame.of(b))


def test_the_camera_pans() -> None:
    flow = flow_between(scene(0, pan=3.0), scene(1, pan=3.0))
    assert flow.camera.shift == pytest.approx((-3.0, 0.0), abs=0.15)
    assert flow.camera.zoom == pytest.approx(0.0, abs=0.002)
    assert flow.camera.at(np.array([[10.0, 20.0]]))[0] == pytest.approx((-3.0, 0.0), abs=0.3)
    assert not flow.cut


def test_a_moving_object_is_no_camera_motion() -> None:
    flow = flow_between(scene(0, (5, 100.0, 60.0)), scene(1, (5, 106.0, 60.0)))
    assert flow.camera.shift == pytest.approx((0.0, 0.0), abs=0.1)
    assert flow.field[92, 120] * flow.to_picture == pytest.approx((6.0, 0.0), abs=0.8)


def test_another_scene_is_a_cut_and_more_light_is_none() -> None:
    assert flow_between(frame(0, GROUND), frame(1, OTHER_GROUND)).cut
    brighter = np.asarray(np.minimum(GROUND.astype(int) + 40, 255), np.uint8)
    assert not flow_between(frame(0, GROUND), frame(1, brighter)).cut


def test_one_scene_is_known_without_its_motion_and_another_is_not() -> None:
    brighter = np.asarray(np.minimum(GROUND.astype(int) + 40, 255), np.uint8)
    first, *others = (
        LowResFrame.of(frame(i, ground)) for i, ground in enumerate((GROUND, brighter, OTHER_GROUND, GROUND[:100]))
    )
    assert [alike(first, other) for other in others] == [True, False, False]


def test_two_steps_make_one() -> None:
    first, second = flow_between(scene(0, pan=2.0), scene(1, pan=2.0)), flow_between(scene(1, pan=2.0), scene(2, pan=2.0))
    both = first.then(second)
    assert both.steps == 2
    assert both.camera.shift[0] == pytest.approx(-4.0, abs=0.3)
    assert float(np.median(both.field[..., 0])) * both.to_picture[0] == pytest.approx(-4.0, abs=0.3)


def test_pictures_of_different_size_have_no_flow() -> None:
    with pytest.raises(ValueError, match="expected a picture of"):
        flow_between(frame(0, GROUND), frame(1, GROUND[:, :160].copy()))
