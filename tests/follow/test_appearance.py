"""Appearance: what tells objects apart, and how little light changes it."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.follow.appearance import appearance_of, similarity
from streamer.follow.flow import LowResFrame
from streamer.follow.motion import Singles
from streamer.frame import Frame

BOX = np.array([40.0, 30.0, 80.0, 126.0])
WHOLE = np.ones((28, 28), np.float32)


def dressed(top: tuple[int, int, int], bottom: tuple[int, int, int], *, ground: int = 170, light: int = 0) -> LowResFrame:
    """A person at BOX in a coat and trousers of these colours (RGB), everything lighter by ``light``."""
    picture: NDArray[np.int64] = np.full((160, 160, 3), ground, np.int64)
    picture[30:78, 40:80], picture[78:126, 40:80] = top, bottom
    noise = np.random.default_rng(3).normal(scale=6.0, size=picture.shape)
    rgb = np.clip(picture + light + noise, 0, 255).astype(np.uint8)
    video = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
    return LowResFrame.of(Frame(picture=video, index=0, pts=0, time_base=Fraction(1, 10), source="camera", captured_at=0.0))


def described(low_res: LowResFrame, mask: Singles = WHOLE) -> Singles:
    return appearance_of(BOX, mask, low_res)


JEANS, BLACK = (60, 80, 130), (25, 25, 28)


def test_the_same_one_in_other_light_is_more_alike_than_two_in_dark_coats() -> None:
    one = described(dressed((50, 35, 30), JEANS))
    lighter = described(dressed((50, 35, 30), JEANS, light=8))
    other = described(dressed((30, 35, 50), BLACK))
    assert similarity(one, one) == pytest.approx(1.0, abs=1e-5)
    assert similarity(one, lighter) > 0.8
    assert similarity(one, other) < 0.6


def test_what_is_above_counts_apart_from_what_is_below() -> None:
    assert similarity(described(dressed(JEANS, BLACK)), described(dressed(BLACK, JEANS))) < 0.6


def test_what_the_mask_leaves_out_does_not_count() -> None:
    left = np.zeros((28, 28), np.float32)
    left[:, :14] = 1.0
    plain, beside = dressed(BLACK, BLACK), dressed(BLACK, BLACK)
    beside.luma[:, beside.luma.shape[1] * 62 // 160 :] = 250
    assert similarity(described(plain, left), described(beside, left)) > 0.95
    assert similarity(described(plain), described(beside)) < 0.92


def test_nothing_to_be_seen_is_like_nothing() -> None:
    nothing = described(dressed(BLACK, BLACK), np.zeros((28, 28), np.float32))
    assert nothing.sum() == 0.0
    assert similarity(nothing, described(dressed(BLACK, BLACK))) == 0.0
