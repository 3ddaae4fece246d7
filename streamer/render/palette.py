"""Which colour an object has, and what that colour is in the samples of a picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from streamer.instances import NO_TRACK

_GOLDEN_ANGLE_DEGREES = 137.508
_FIRST_HUE_DEGREES = 81.0  # chosen so that the first thirteen colours lie furthest apart
_LIGHTNESS = (62.0, 80.0, 70.0)  # in turn: what the hues leave alike to a colour-blind eye, lightness still tells apart
_LIGHTNESS_WEIGHT = 0.6
_MOST_CHROMA = 86.0
_GAMUT_SLACK = 0.004  # of linear light; clipped, it is less than a step of 8 bits but for the darkest samples

_WHITE_D65 = np.array([0.95047, 1.0, 1.08883])
_XYZ_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])  # IEC 61966-2-1

# Luma weights of red and blue by AVColorSpace: ITU-T H.273, table 4.
_RED_BLUE = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470BG
    6: (0.299, 0.114),  # SMPTE 170M
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020 NCL
    10: (0.2627, 0.0593),  # BT.2020 CL: not linear, the NCL matrix is as near as samples alone allow
}
_BT601 = (0.299, 0.114)


class Rgb(NamedTuple):
    """An sRGB colour, 0..255."""

    red: int
    green: int
    blue: int


BLACK = Rgb(12, 12, 16)
WHITE = Rgb(255, 255, 255)


@lru_cache(maxsize=4096)
def readable_on(background: Rgb) -> Rgb:
    """Black or white, whichever stands out more (contrast ratio of WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in background)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return BLACK if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else WHITE


class Yuv(NamedTuple):
    """A colour as the samples of a picture's three planes, 0..255."""

    y: int
    u: int
    v: int


@lru_cache(maxsize=4096)
def color(identity: int) -> Rgb:
    """The colour of a track or class: always the same for the same number, and far from its neighbours'.

    Hues go around CIELAB by the golden angle. In each hue the most vivid colour of sRGB is taken, up to a limit, that lies
    near a lightness which takes turns: yellow comes out light and blue dark, as they are, and none of them muddy.
    """
    hue = np.deg2rad(_FIRST_HUE_DEGREES + identity * _GOLDEN_ANGLE_DEGREES)
    wanted = _LIGHTNESS[identity % len(_LIGHTNESS)]
    lightness, chroma = (grid.ravel() for grid in np.meshgrid(np.arange(54.0, 88.0, 2), np.arange(20.0, _MOST_CHROMA, 2)))
    linear = _linear_rgb(np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)]))
    outside = (np.abs(linear - 0.5) > 0.5 + _GAMUT_SLACK).any(axis=0)
    best = int(np.argmax(chroma - _LIGHTNESS_WEIGHT * np.abs(lightness - wanted) - 1000 * outside))
    red, green, blue = np.rint(_gamma(linear[:, best].clip(0, 1)) * 255).astype(int).tolist()
    return Rgb(red, green, blue)


def _linear_rgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear sRGB (3, N) of CIELAB colours (3, N) under D65; outside 0..1 for colours that sRGB lacks (CIE 15, IEC 61966-2-1).

    Not OpenCV's conversion: that builds tables for a tenth of a second when it is first called.
    """
    middle = (lab[0] + 16) / 116
    roots = np.stack([middle + lab[1] / 500, middle, middle - lab[2] / 200])
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29)) * _WHITE_D65[:, None]
    linear: NDArray[np.float64] = _XYZ_TO_RGB @ xyz
    return linear


def _gamma(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB's transfer function, 0..1 to 0..1 (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def identity_of(track_id: int, class_id: int) -> int:
    """What an object's colour follows: its track, else its class."""
    return class_id if track_id == NO_TRACK else track_id


@lru_cache(maxsize=4096)
def to_yuv(rgb: Rgb, matrix: int, full_range: bool) -> Yuv:
    """The samples of a colour under an ``AVColorSpace`` and a range; an unspecified or unknown matrix is BT.601's.

    That is what FFmpeg's own conversion to RGB takes for any size, so what is drawn looks the same as ``reformat`` shows it.
    """
    kr, kb = _RED_BLUE.get(matrix, _BT601)
    red, green, blue = (value / 255 for value in rgb)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    foot, luma_span, chroma_span = (0, 255, 255) if full_range else (16, 219, 224)
    samples = (foot + luma_span * luma, 128 + chroma_span * cb, 128 + chroma_span * cr)
    y, u, v = (int(min(255, max(0, round(sample)))) for sample in samples)
    return Yuv(y, u, v)


def yuv_of(picture: av.VideoFrame) -> Callable[[Rgb], Yuv]:
    """What gives the samples of a colour in a picture, by its matrix and range (``yuvj`` formats are full range)."""
    full = picture.format.name.startswith("yuvj") or int(picture.color_range) == ColorRange.JPEG
    matrix = int(picture.colorspace)
    return lambda rgb: to_yuv(rgb, matrix, full)
