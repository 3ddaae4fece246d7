"""Frames: planes, colours and orientation."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest

from streamer.frame import UPRIGHT, Orientation, StreamInfo, plane_views
from tests import fakes

ALL = [Orientation(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


@pytest.mark.parametrize("orientation", ALL)
def test_orientation_turns_clockwise_after_mirroring_and_back(orientation: Orientation) -> None:
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
    expected = np.rot90(stored[:, ::-1] if orientation.mirrored else stored, -orientation.quarter_turns)
    upright = orientation.upright(stored)
    assert (upright == expected).all()
    assert (orientation.stored(upright) == stored).all()
    assert orientation.sideways == (upright.shape != stored.shape)


def test_plane_views_write_to_the_picture_and_hide_its_padding() -> None:
    picture = av.VideoFrame(35, 21, "yuv420p")
    y, u, v = plane_views(picture)
    assert (y.shape, u.shape, v.shape) == ((21, 35), (11, 18), (11, 18))
    y[:], u[:], v[:] = 1, 2, 3
    again = plane_views(picture)
    assert [int(plane.max()) for plane in again] == [1, 2, 3]


@pytest.mark.parametrize("orientation", ALL)
def test_rgb_and_luma_are_upright_and_of_the_asked_size(orientation: Orientation) -> None:
    frame = fakes.frame(0, 48, 32)
    for plane, value in zip(plane_views(frame.picture), (16, 128, 128), strict=True):
        plane[:] = value
    plane_views(frame.picture)[0][:8, :8] = 235  # a white stored top left corner
    frame.orientation = orientation
    rgb = frame.rgb()
    assert rgb.shape == (frame.height, frame.width, 3)
    white = np.zeros((32, 48), np.uint8)
    white[:8, :8] = 1
    assert ((rgb[:, :, 0] > 128) == (orientation.upright(white) == 1)).mean() > 0.98
    assert frame.luma().shape == (frame.height, frame.width)
    assert frame.rgb((20, 10)).shape == (10, 20, 3)


def test_stored_size_swaps_when_sideways() -> None:
    info = StreamInfo(source="x", width=10, height=20, time_base=fakes.TIME_BASE)
    assert info.stored_size == (10, 20)
    assert replace(info, orientation=Orientation(3)).stored_size == (20, 10)
    assert Orientation(0, mirrored=False) == UPRIGHT
