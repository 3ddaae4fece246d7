"""Colours: far apart, constant, and right in every matrix and range."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from streamer.instances import NO_TRACK
from streamer.render.palette import BLACK, WHITE, Rgb, color, identity_of, readable_on, yuv_of


def lab(rgb: Rgb) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.asarray(cv2.cvtColor(np.array([[rgb]], np.float32) / 255, cv2.COLOR_RGB2Lab)[0, 0], np.float32)


def test_neighbouring_numbers_have_colours_far_apart() -> None:
    for distance, least in ((1, 60), (2, 50), (3, 25), (4, 60), (5, 20), (6, 60), (7, 60)):
        for first in range(40):
            apart = float(np.linalg.norm(lab(color(first)) - lab(color(first + distance))))
            assert apart > least, (first, distance, apart)


def test_the_first_ten_colours_are_all_told_apart() -> None:
    colours = [lab(color(number)) for number in range(10)]
    assert min(float(np.linalg.norm(a - b)) for i, a in enumerate(colours) for b in colours[:i]) > 25


def test_a_colour_follows_the_track_else_the_class() -> None:
    assert identity_of(12, 3) == 12
    assert identity_of(NO_TRACK, 3) == 3
    assert color(12) == color(12)


def contrast(a: Rgb, b: Rgb) -> float:
    def luminance(rgb: Rgb) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("number", range(60))
def test_text_on_every_colour_meets_wcag_aa(number: int) -> None:
    text = readable_on(color(number))
    assert text in (BLACK, WHITE)
    assert contrast(text, color(number)) >= 4.5


@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p"])
@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize("matrix", [1, 2, 4, 5, 6, 7, 9])
@pytest.mark.parametrize("height", [144, 1080])
def test_samples_show_as_the_colour_that_was_meant(name: str, color_range: int, matrix: int, height: int) -> None:
    picture = av.VideoFrame(32, height, name)
    picture.colorspace, picture.color_range = matrix, color_range
    for rgb in (color(1), color(2), Rgb(200, 60, 120)):
        for plane, sample in zip(picture.planes, yuv_of(picture)(rgb), strict=True):
            plane.update(bytes([sample]) * plane.buffer_size)
        shown = picture.reformat(format="rgb24").to_ndarray()[height // 2, 16]
        np.testing.assert_allclose(shown, rgb, atol=4)
