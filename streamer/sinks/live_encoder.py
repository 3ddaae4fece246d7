"""H.264 for live outputs: every picture leaves at once, and a key frame comes by time."""

from __future__ import annotations

from fractions import Fraction

import av
from av.video.frame import PictureType
from av.video.reformatter import ColorRange

from streamer.errors import EncoderUnavailable
from streamer.frame import UPRIGHT, Orientation, Plane, StreamInfo, plane_views

TIME_BASE = Fraction(1, 90_000)
"""The clock of all live outputs, in seconds a tick: that of RTP video and of MPEG-TS."""

_ENCODER = "libx264"
_MAX_BITS_PER_PIXEL = 0.11
_NOMINAL_RATE = Fraction(30)
_ONE_THREAD_PIXELS_PER_S = 1920 * 1088 * 30


class LiveEncoder:
    """libx264 without look-ahead and B-frames, so that each picture comes out as one packet before the next goes in.

    Parameter sets stand before every key frame (Annex B), so a viewer who joins at one can decode it, and so can a player of a
    file that starts with one. Pictures are turned upright, and brought to the first one's size, rounded up to even numbers, by
    repeating the last column and row; a live stream has no display matrix. Constant quality, capped at about 0.11 bits a pixel.
    Raises ``EncoderUnavailable``.
    """

    def __init__(self, info: StreamInfo, *, key_interval_s: float = 2.0, crf: int = 23) -> None:
        self.width, self.height = info.width + info.width % 2, info.height + info.height % 2
        self._key_interval_s = key_interval_s
        self._key_at: int | None = None
        self._last_pts: int | None = None
        rate = _NOMINAL_RATE if info.rate is None or not 1 <= info.rate <= 240 else info.rate
        cap = int(self.width * self.height * float(rate) * _MAX_BITS_PER_PIXEL) + 100_000
        codec = av.CodecContext.create(_ENCODER, "w")
        if not isinstance(codec, av.VideoCodecContext):
            raise EncoderUnavailable(f"{_ENCODER} is no video encoder here")
        codec.width, codec.height, codec.pix_fmt = self.width, self.height, "yuv420p"
        codec.time_base, codec.framerate = TIME_BASE, rate
        aspect = info.sample_aspect_ratio
        codec.sample_aspect_ratio = 1 / aspect if info.orientation.sideways else aspect
        self._full_range = info.color.range == ColorRange.JPEG
        codec.color_range, codec.colorspace = info.color.range, info.color.matrix
        codec.color_primaries, codec.color_trc = info.color.primaries, info.color.transfer
        codec.options = {
            "preset": "veryfast",
            "tune": "zerolatency",
            "crf": str(crf),
            "maxrate": str(cap),
            "bufsize": str(cap),
            "forced-idr": "1",
            # Far beyond what comes by time: a camera at 5 frames a second needs the same seconds as one at 60.
            "g": "100000",
        }
        # Without look-ahead x264 can only share the work by cutting pictures into slices, which costs bits, and which some
        # servers take for pictures of their own. One thread does 1080p at 30 (measured on a busy machine: 24 ms a picture).
        codec.thread_count = 1 if self.width * self.height * rate <= _ONE_THREAD_PIXELS_PER_S else 0
        try:
            codec.open()
        except (av.error.FFmpegError, OSError) as error:
            raise EncoderUnavailable(
                f"{_ENCODER} cannot encode {self.width}x{self.height}", hint="the installed av (PyAV) package lacks it"
            ) from error
        self._codec = codec

    def encode(
        self, picture: av.VideoFrame, orientation: Orientation, pts: int, *, key: bool = False
    ) -> list[av.Packet[av.VideoStream]]:
        """Packets for ``picture`` at ``pts`` ticks of ``TIME_BASE``; ``key`` asks for a key frame. ``pts`` must grow."""
        step = 0 if self._last_pts is None else pts - self._last_pts
        # The one after this may already be too late.
        due = self._key_at is None or (pts + step - self._key_at) * TIME_BASE > self._key_interval_s
        full_range = picture.color_range == ColorRange.JPEG or picture.format.name == "yuvj420p"
        if full_range != self._full_range:
            picture = picture.reformat(
                format="yuv420p",
                src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG if self._full_range else ColorRange.MPEG,
            )
        ready = upright_even(picture, orientation, self.width, self.height)
        ready.pts, ready.time_base = pts, TIME_BASE
        ready.pict_type = PictureType.I if key or due else PictureType.NONE
        if key or due:
            self._key_at = pts
        self._last_pts = pts
        return list(self._codec.encode(ready))

    def flush(self) -> list[av.Packet[av.VideoStream]]:
        """What is still inside; afterwards nothing can be encoded any more."""
        return list(self._codec.encode(None))


def upright_even(picture: av.VideoFrame, orientation: Orientation, width: int, height: int) -> av.VideoFrame:
    """A new ``yuv420p`` picture, upright and of an even size (pixels), with the samples of ``picture`` and its colour tags.

    Where the size is not that of ``picture`` rounded up to even numbers, the picture is scaled.
    """
    found = (picture.height, picture.width) if orientation.sideways else (picture.width, picture.height)
    if (found[0] + found[0] % 2, found[1] + found[1] % 2) != (width, height):
        size = (height, width) if orientation.sideways else (width, height)
        picture = picture.reformat(width=size[0], height=size[1])
        found = (width, height)
    made = av.VideoFrame(width, height, "yuv420p")
    for source, target in zip(plane_views(picture), plane_views(made), strict=True):
        turned = source if orientation == UPRIGHT else orientation.upright(source)
        _fill(target, turned)
    made.color_range = ColorRange.JPEG if picture.format.name == "yuvj420p" else picture.color_range
    made.colorspace = picture.colorspace
    made.color_primaries, made.color_trc = picture.color_primaries, picture.color_trc
    return made


def _fill(target: Plane, source: Plane) -> None:
    height, width = source.shape
    target[:height, :width] = source
    if width < target.shape[1]:
        target[:height, width:] = source[:, -1:]
    if height < target.shape[0]:
        target[height:] = target[height - 1 : height]


def blank(width: int, height: int) -> av.VideoFrame:
    """A dark grey ``yuv420p`` picture of an even size."""
    made = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(plane_views(made), (24, 128, 128), strict=True):
        plane[:] = value
    return made
