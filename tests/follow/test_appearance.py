"""Looks: who is told from whom, and by how much light they change."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.follow.appearance import likeness, look_of
from streamer.follow.flow import Glimpse
from streamer.follow.motion import Singles
from streamer.frame import Frame

BOX = np.array([40.0, 30.0, 80.0, 126.0])
WHOLE = np.ones((28, 28), np.float32)


def dressed(top: tuple[int, int, int], bottom: tuple[int, int, int], *, ground: int = 170, light: int = 0) -> Glimpse:
    """Somebody at BOX in a coat and trousers of these colours (RGB), everything lighter by ``light``."""
    picture: NDArray[np.int64] = np.full((160, 160, 3), ground, np.int64)
    picture[30:78, 40:80], picture[78:126, 40:80] = top, bottom
    noise = np.random.default_rng(3).normal(scale=6.0, size=picture.shape)
    rgb = np.clip(picture + light + noise, 0, 255).astype(np.uint8)
    video = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
    return Glimpse.of(Frame(picture=video, index=0, pts=0, time_base=Fraction(1, 10), source="camera", captured_at=0.0))


def look(glimpse: Glimpse, mask: Singles = WHOLE) -> Singles:
    return look_of(BOX, mask, glimpse)


JEANS, BLACK = (60, 80, 130), (25, 25, 28)


def test_the_same_one_in_other_light_is_more_alike_than_two_in_dark_coats() -> None:
    one = look(dressed((50, 35, 30), JEANS))
    lighter = look(dressed((50, 35, 30), JEANS, light=8))
    other = look(dressed((30, 35, 50), BLACK))
    assert likeness(one, one) == pytest.approx(1.0, abs=1e-5)
    assert likeness(one, lighter) > 0.8
    assert likeness(one, other) < 0.6


def test_what_is_above_counts_apart_from_what_is_below() -> None:
    assert likeness(look(dressed(JEANS, BLACK)), look(dressed(BLACK, JEANS))) < 0.6


def test_what_the_mask_leaves_out_does_not_count() -> None:
    left = np.zeros((28, 28), np.float32)
    left[:, :14] = 1.0
    plain, beside = dressed(BLACK, BLACK), dressed(BLACK, BLACK)
    beside.luma[:, beside.luma.shape[1] * 62 // 160 :] = 250
    assert likeness(look(plain, left), look(beside, left)) > 0.95
    assert likeness(look(plain), look(beside)) < 0.92


def test_nothing_to_be_seen_is_like_nothing() -> None:
    nobody = look(dressed(BLACK, BLACK), np.zeros((28, 28), np.float32))
    assert nobody.sum() == 0.0
    assert likeness(nobody, look(dressed(BLACK, BLACK))) == 0.0
