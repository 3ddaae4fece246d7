"""From any pixel format to 8-bit 4:2:0 planes of one size, without changing what the samples mean."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import atan2, pi

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from streamer.frame import UPRIGHT, Color, Orientation, plane_views
from streamer.runtime.pyav import side_data
from streamer.sources.exif import exif_matrix

# AVColorSpace.
RGB_MATRIX, BT709, UNSPECIFIED, SMPTE170M = 0, 1, 2, 6
_LIMITED_GRAY = frozenset({"h264", "hevc", "vvc", "libdav1d", "av1", "libvpx-vp9", "vp9", "vp8", "mpeg1video", "mpeg2video"})
_SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class Converter:
    """Turns decoded frames into ``yuv420p`` (or ``yuvj420p`` where the range is full) of the first frame's size.

    Range, matrix, primaries and transfer stay as they are. RGB becomes limited range, BT.709 from 720 lines up and
    SMPTE 170M below; alpha is left out; gray gets neutral chroma; more than 8 bits are rounded. A frame of another size is
    fitted into the first one's, its shape kept, with black borders.
    """

    def __init__(self, first: av.VideoFrame, *, codec: str = "") -> None:
        """``codec``: FFmpeg's name of the decoder, which tells what gray means where the frame does not."""
        self._size = (first.width, first.height)
        self._rgb = _is_rgb(first)
        # Video codecs mean limited range unless they say otherwise; all others (JPEG, PNG, FFV1) mean full range.
        self._full_gray = bool(codec) and codec not in _LIMITED_GRAY
        self._reformatter = VideoReformatter()
        full = not self._rgb and self._is_full(first)
        self._format = "yuvj420p" if full else "yuv420p"
        if self._rgb:
            matrix = BT709 if first.height >= 720 else SMPTE170M  # where HD begins
            self.color = Color(matrix=matrix, range=ColorRange.MPEG, primaries=first.color_primaries, transfer=first.color_trc)
        else:
            # A YUV picture tagged "RGB" (0) would be shown green by a player that believed it.
            matrix = UNSPECIFIED if first.colorspace == RGB_MATRIX else first.colorspace
            self.color = Color(
                matrix=matrix,
                range=ColorRange.JPEG if full else first.color_range,
                primaries=first.color_primaries,
                transfer=first.color_trc,
            )
        """What the samples of every converted frame mean."""

    def convert(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame itself where nothing is to be done, else a new one with the same pts, time base and duration."""
        if (frame.width, frame.height) != self._size:
            return self._fitted(frame)
        if frame.format.name == self._format:
            return frame
        if frame.format.name == "gray" and self._is_full(frame) == (self._format == "yuvj420p"):
            return self._with_neutral_chroma(frame)
        return self._reformatted(frame, *self._size)

    def _reformatted(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        rgb = _is_rgb(frame)
        gray = _is_gray(frame)
        to_full = self._format == "yuvj420p"
        converted = self._reformatter.reformat(
            frame,
            width,
            height,
            format=self._format,
            # From YUV to YUV both sides name the same matrix, whichever: the samples keep the one that they have.
            src_colorspace=None if rgb else SMPTE170M,
            dst_colorspace=self.color.matrix if rgb and self._rgb else SMPTE170M,
            # swscale takes gray for full range whatever it is told: then both sides are called so, and nothing is stretched.
            src_color_range=ColorRange.JPEG if rgb or gray or self._is_full(frame) else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG if to_full or gray else ColorRange.MPEG,
            interpolation=_SCALING,
        )
        self._tag(converted)
        _take_time(converted, frame)
        return converted

    def _fitted(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame as large as it goes into the first one's size, in the middle, its shape kept; the rest is black."""
        width, height = self._size
        scale = min(width / frame.width, height / frame.height)
        # Even numbers, so that a chroma sample is either of the picture or of the border.
        inner_width = min(width, max(2, round(frame.width * scale / 2) * 2))
        inner_height = min(height, max(2, round(frame.height * scale / 2) * 2))
        inner = self._reformatted(frame, inner_width, inner_height)
        if (inner_width, inner_height) == self._size:
            return inner
        left, top = (width - inner_width) // 4 * 2, (height - inner_height) // 4 * 2
        picture = av.VideoFrame(width, height, self._format)
        blacks = (0 if self._format == "yuvj420p" else 16, 128, 128)
        for plane, given, black, step in zip(plane_views(picture), plane_views(inner), blacks, (1, 2, 2), strict=True):
            plane.fill(black)
            rows, columns = given.shape
            plane[top // step : top // step + rows, left // step : left // step + columns] = given
        _take_time(picture, frame)
        self._tag(picture)
        return picture

    def _with_neutral_chroma(self, frame: av.VideoFrame) -> av.VideoFrame:
        # By hand: swscale takes gray for full range whatever its tag says, and would stretch it.
        picture = av.VideoFrame(*self._size, self._format)
        luma, *chroma = plane_views(picture)
        np.copyto(luma, plane_views(frame)[0])
        for plane in chroma:
            plane.fill(128)
        _take_time(picture, frame)
        self._tag(picture)
        return picture

    def _tag(self, picture: av.VideoFrame) -> None:
        picture.colorspace, picture.color_range = self.color.matrix, self.color.range
        picture.color_primaries, picture.color_trc = self.color.primaries, self.color.transfer

    def _is_full(self, frame: av.VideoFrame) -> bool:
        if frame.format.name.startswith("yuvj"):
            return True
        if frame.color_range == ColorRange.UNSPECIFIED:
            return self._full_gray and _is_gray(frame)
        return frame.color_range == ColorRange.JPEG


def widened(picture: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """A 4:2:0 picture with its last column and row repeated until it is ``width`` x ``height`` pixels."""
    wide = av.VideoFrame(width, height, picture.format.name)
    for target, given in zip(plane_views(wide), plane_views(picture), strict=True):
        rows, columns = given.shape
        target[:rows, :columns] = given
        target[:rows, columns:] = given[:, -1:]
        target[rows:] = target[rows - 1]
    wide.colorspace, wide.color_range = picture.colorspace, picture.color_range
    wide.color_primaries, wide.color_trc = picture.color_primaries, picture.color_trc
    return wide


def _take_time(picture: av.VideoFrame, of: av.VideoFrame) -> None:
    picture.pts, picture.duration = of.pts, of.duration
    if of.time_base:
        picture.time_base = of.time_base


def _is_gray(frame: av.VideoFrame) -> bool:
    return frame.format.name.startswith(("gray", "ya8", "ya16"))


def _is_rgb(frame: av.VideoFrame) -> bool:
    """Whether swscale makes RGB of it: RGB itself, palettes, black and white, and cinema's XYZ."""
    return frame.format.is_rgb or frame.format.has_palette or frame.format.name.startswith(("mono", "xyz"))


def display_matrix(frame: av.VideoFrame, photo: bytes = b"") -> tuple[int, ...] | None:
    """The 3x3 matrix (9 integers, FFmpeg's layout) that the container or a photo's EXIF data gives, or None.

    ``photo`` is the file that the frame is from, where it is a still picture.
    """
    try:
        matrix_bytes = side_data(frame).get(Type.DISPLAYMATRIX)
    except ValueError:
        # PyAV refuses all side data where it cannot name one kind of it, and EXIF data is such a kind.
        matrix = exif_matrix(photo)
        return matrix if matrix is not None or not frame.rotation else _rotation_matrix(frame.rotation)
    return None if matrix_bytes is None else struct.unpack("=9i", matrix_bytes)


def _rotation_matrix(degrees: int) -> tuple[int, ...]:
    """The matrix that turns by ``degrees`` against the clock, in whole quarters."""
    a, b = ((1, 0), (0, -1), (-1, 0), (0, 1))[round(degrees / 90) % 4]
    return (a << 16, b << 16, 0, -b << 16, a << 16, 0, 0, 0, 1 << 30)


def orientation(matrix: Sequence[int] | None) -> Orientation:
    """The nearest of the eight upright positions that ``matrix`` asks for.

    The matrix sends a stored point (x, y), y downwards, to (a x + c y, b x + d y), with a, b at 0, 1 and c, d at 3, 4.
    """
    if matrix is None:
        return UPRIGHT
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    if a == b == 0:
        return UPRIGHT
    return Orientation(round(atan2(b, a) / (pi / 2)) % 4, mirrored)
