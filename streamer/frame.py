"""One picture of a stream, and what is known of the stream as a whole."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

Plane = NDArray[np.uint8]


class Orientation(NamedTuple):
    """How stored pixels must be turned to stand upright: mirror left to right first, then turn clockwise."""

    quarter_turns: int = 0
    """Clockwise turns of 90 degrees, 0..3."""
    mirrored: bool = False
    """Whether the stored picture is mirrored left to right before it is turned."""

    @property
    def sideways(self) -> bool:
        """Whether width and height swap places."""
        return self.quarter_turns % 2 == 1

    def upright(self, stored: Plane) -> Plane:
        """Turn an array (height, width[, channels]) as stored into the array that a person sees; contiguous, or the same."""
        turned = cv2.flip(stored, 1) if self.mirrored else stored
        code = (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)[self.quarter_turns % 4]
        return _as_plane(turned if code is None else cv2.rotate(turned, code))

    def stored(self, upright: Plane) -> Plane:
        """The inverse of :meth:`upright`."""
        code = (None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)[self.quarter_turns % 4]
        turned = upright if code is None else cv2.rotate(upright, code)
        return _as_plane(cv2.flip(turned, 1) if self.mirrored else turned)


UPRIGHT = Orientation()


def _as_plane(array: object) -> Plane:
    return np.asarray(array, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Color:
    """What the samples mean, as FFmpeg's numbers (``AVColorSpace`` and so on); 2 (0 for the range) is "unspecified"."""

    matrix: int = 2
    range: int = 0
    """1 limited ("tv", 16..235), 2 full ("pc", 0..255)."""
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """What is known of a stream once it is open."""

    source: str
    """Name for people, without credentials: a path, or a URL with ``user:***@``."""
    width: int
    """Width in pixels of the displayed (upright) picture; pixels are as stored, not stretched to be square."""
    height: int
    """Height in pixels of the displayed (upright) picture."""
    time_base: Fraction
    """Seconds per pts tick, exactly as the container says."""
    rate: Fraction | None = None
    """Frames per second on average, exact (30000/1001), or None where nobody knows."""
    orientation: Orientation = UPRIGHT
    display_matrix: tuple[int, ...] | None = None
    """FFmpeg's 3x3 display matrix (9 integers, 16.16 and 2.30 fixed point) as found, or None."""
    sample_aspect_ratio: Fraction = Fraction(1)
    """Width over height of one stored pixel."""
    color: Color = field(default_factory=Color)
    frames: int | None = None
    """How many frames will come, as far as the container tells."""
    duration_s: float | None = None
    live: bool = False
    """Whether frames come at the world's pace and may have to be dropped."""

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height in pixels of the stored picture."""
        return (self.height, self.width) if self.orientation.sideways else (self.width, self.height)


@dataclass(slots=True, eq=False)
class Frame:
    """One decoded picture as YUV 4:2:0 planes (``yuv420p`` or ``yuvj420p``, 8 bit) with its exact time.

    The picture may still be a reference of the decoder: read it from any thread, never write to it. To draw, make a
    writable copy.
    """

    picture: av.VideoFrame
    """As stored: not yet turned upright."""
    index: int
    """0 for the first frame of the stream, then one more for each frame that the decoder gave."""
    pts: int
    """Presentation time in ticks of ``time_base``; may be negative."""
    time_base: Fraction
    """Seconds per tick."""
    source: str
    """Name of the source, without credentials."""
    captured_at: float
    """Monotonic seconds when the decoder handed the picture over."""
    orientation: Orientation = UPRIGHT
    damaged: bool = False
    """The decoder had to conceal errors in it."""
    duration: int = 0
    """How long it is shown, in ticks of ``time_base``; 0 where nobody knows."""
    utc_s: float | None = None
    """Seconds since 1970 when it was captured (live sources), or None."""
    camera_pts: int | None = None
    """The camera's own time stamp, as its packet has it; None where there is none, and for recordings."""

    @property
    def time_s(self) -> float:
        """Presentation time in seconds."""
        # The very float of their product as a fraction, which would take ten times as long: this is asked for everywhere.
        return self.pts * self.time_base.numerator / self.time_base.denominator

    @property
    def width(self) -> int:
        """Width in pixels of the upright picture."""
        return self.picture.height if self.orientation.sideways else self.picture.width

    @property
    def height(self) -> int:
        """Height in pixels of the upright picture."""
        return self.picture.width if self.orientation.sideways else self.picture.height

    def rgb(self, size: tuple[int, int] | None = None) -> Plane:
        """The upright picture as RGB, uint8 (height, width, 3), scaled to ``size`` (width, height) when given."""
        width, height = size or (self.width, self.height)
        if self.orientation.sideways:
            width, height = height, width
        # Averaging is the right filter for a smaller picture, and the cheapest.
        smaller = width < self.picture.width or height < self.picture.height
        picture = _converter().reformat(
            self.picture, width, height, "rgb24", interpolation="AREA" if smaller else "BICUBIC", threads=1
        )
        return np.ascontiguousarray(self.orientation.upright(_as_plane(picture.to_ndarray())))

    def luma(self) -> Plane:
        """The upright luma plane, uint8 (height, width). A view of the decoder's memory when upright: do not write to it."""
        return self.orientation.upright(plane_views(self.picture)[0])


_converters = threading.local()


def _converter() -> VideoReformatter:
    """This thread's converter, which keeps what it set up for the frame before: as long as the conversion itself takes.

    One thread each, too: starting FFmpeg's helpers for every frame takes several times as long as they save.
    """
    if not hasattr(_converters, "own"):
        _converters.own = VideoReformatter()
    own: VideoReformatter = _converters.own
    return own


def plane_views(picture: av.VideoFrame) -> tuple[Plane, ...]:
    """The planes of an 8-bit planar picture as arrays (height, width) on its own memory; ``picture`` must outlive them."""
    return tuple(
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]  # type: ignore[call-overload]  # a plane is a buffer; the stub does not say so
        for plane in picture.planes
    )


def picture_bytes(picture: av.VideoFrame) -> int:
    """How much memory the samples of a picture hold."""
    return sum(plane.buffer_size for plane in picture.planes)
