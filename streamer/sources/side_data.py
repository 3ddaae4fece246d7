"""What stands beside the pixels of a recording: read from its first frame and from its container."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import NamedTuple

import av
import av.error
import numpy as np
from av.sidedata.sidedata import Type
from av.video.stream import VideoStream

from streamer.frame import plane_views
from streamer.runtime.pyav import side_data
from streamer.sources.boxes import find_box

# AVFieldOrder: which field comes first, in the file and on the screen.
_INTERLACED_ORDERS = range(2, 6)
# Kinds that no encoder here takes together with 8-bit pictures that were drawn on.
_NAMED = {
    Type.DOVI_METADATA: "Dolby Vision",
    Type.DOVI_RPU_BUFFER: "Dolby Vision",
    Type.DYNAMIC_HDR_PLUS: "HDR10+ (dynamic metadata)",
    Type.DYNAMIC_HDR_VIVID: "HDR Vivid",
    Type.AMBIENT_VIEWING_ENVIRONMENT: "the ambient viewing environment",
    Type.AFD: "the active format description (AFD)",
    Type.S12M_TIMECODE: "the timecode of each picture",
    Type.ICC_PROFILE: "the ICC profile",
}
_DOLBY_VISION_BOXES = ("dvcC", "dvvC", "dvwC")
_OPAQUE = 250


class Mastering(NamedTuple):
    """HDR10's mastering display: chromaticities x, y as CIE 1931 has them, luminances in candela per square metre."""

    red: tuple[Fraction, Fraction]
    green: tuple[Fraction, Fraction]
    blue: tuple[Fraction, Fraction]
    white: tuple[Fraction, Fraction]
    max_luminance: Fraction
    min_luminance: Fraction


class LightLevel(NamedTuple):
    """HDR10's content light level, in candela per square metre: of the brightest pixel, of the brightest frame's average."""

    max_cll: int
    max_fall: int


class Projection(IntEnum):
    """How a sphere was laid out on the picture (``AVSphericalProjection``)."""

    EQUIRECTANGULAR = 0
    CUBEMAP = 1
    EQUIRECTANGULAR_TILE = 2


class Spherical(NamedTuple):
    """The mark of a 360° picture."""

    projection: int
    """A :class:`Projection`, or a number that has no name there."""
    pose: tuple[int, int, int]
    """Yaw, pitch and roll in degrees, as 16.16 fixed point."""
    bounds: tuple[int, int, int, int]
    """Left, top, right, bottom: what a tile leaves out of the sphere, as 0.32 fixed point."""
    padding: int
    """Pixels around each face of a cube."""


class Stereo(NamedTuple):
    """How the pictures of both eyes lie in a frame (``AVStereo3DType``)."""

    kind: int
    """1 side by side, 2 top and bottom; 3 to 8 are others."""
    swapped: bool
    """Whether the right eye comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideData:
    """What stands beside the pixels. None and False: not there."""

    mastering: Mastering | None = None
    light: LightLevel | None = None
    spherical: Spherical | None = None
    stereo: Stereo | None = None
    crop: bytes | None = None
    """What the container cuts off at the edges, as the box ``clap`` of an MP4, header included."""
    interlaced: bool = False
    field_order: int = 0
    """``AVFieldOrder``; 0 where it is not known."""
    captions: bool = False
    """Closed captions (CEA-608 and 708) in the video stream."""
    transparent: bool = False
    named: tuple[str, ...] = ()
    """Names of the kinds that cannot be written."""


NOTHING = SideData()
"""Of a source that tells nothing."""


def side_data_of(first: av.VideoFrame, stream: VideoStream) -> SideData:
    """What ``first``, the first frame of ``stream``, and the container tell. Never raises."""
    found: dict[Type, bytes] = {}
    named: list[str] = []
    try:
        found = side_data(first)
    except ValueError:
        # PyAV refuses all side data where it cannot name one kind of it.
        named.append("side data of a kind that is not known here (which may hide HDR, 360° or captions)")
    named += [name for kind, name in _NAMED.items() if kind in found]
    header = _mp4_header(stream)
    if any(find_box(header, kind) is not None for kind in _DOLBY_VISION_BOXES):
        named.append(_NAMED[Type.DOVI_METADATA])
    order = stream.codec_context.field_order
    interlaced = first.interlaced_frame or order in _INTERLACED_ORDERS
    crop = find_box(header, "clap")
    return SideData(
        mastering=_mastering(found.get(Type.MASTERING_DISPLAY_METADATA)),
        light=_light(found.get(Type.CONTENT_LIGHT_LEVEL)),
        spherical=_spherical(found.get(Type.SPHERICAL)),
        stereo=_stereo(found.get(Type.STEREO3D)),
        crop=None if crop is None else header[crop.start - 8 : crop.end],
        interlaced=interlaced,
        field_order=order if interlaced else 0,
        captions=Type.A53_CC in found,
        transparent=stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1" or _see_through(first),
        named=tuple(dict.fromkeys(named)),
    )


def _mp4_header(stream: VideoStream) -> bytes:
    """The head of an MP4 file of this stream, in which FFmpeg writes what PyAV does not tell; empty where MP4 cannot hold it.

    So there is one format to look into, whatever container the stream is from.
    """
    memory = io.BytesIO()
    options = {"movflags": "empty_moov+frag_custom", "strict": "unofficial"}
    with suppress(ValueError, av.error.FFmpegError, OSError), av.open(memory, "w", format="mp4", options=options) as output:
        output.add_stream_from_template(stream, opaque=True)
        output.start_encoding()
    return memory.getvalue()


def _mastering(data: bytes | None) -> Mastering | None:
    """From ``AVMasteringDisplayMetadata``: ten fractions, and whether colours and luminances are known."""
    if data is None or len(data) < 88:
        return None
    numbers = struct.unpack("=22i", data[:88])
    if not (numbers[20] and numbers[21]) or not all(numbers[1:20:2]):
        return None
    values = [Fraction(numbers[at], numbers[at + 1]) for at in range(0, 20, 2)]
    red, green, blue, white = ((values[at], values[at + 1]) for at in range(0, 8, 2))
    return Mastering(red, green, blue, white, max_luminance=values[9], min_luminance=values[8])


def _light(data: bytes | None) -> LightLevel | None:
    return None if data is None or len(data) < 8 else LightLevel(*struct.unpack("=2I", data[:8]))


def _spherical(data: bytes | None) -> Spherical | None:
    if data is None or len(data) < 36:
        return None
    projection, yaw, pitch, roll = struct.unpack("=4i", data[:16])
    left, top, right, bottom, padding = struct.unpack("=5I", data[16:36])
    return Spherical(projection, (yaw, pitch, roll), (left, top, right, bottom), padding)


def _stereo(data: bytes | None) -> Stereo | None:
    if data is None or len(data) < 8:
        return None
    kind, flags = struct.unpack("=2i", data[:8])
    return Stereo(kind, bool(flags & 1)) if kind else None


def _see_through(picture: av.VideoFrame) -> bool:
    """Whether any pixel of it is not opaque."""
    if not picture.format.has_palette and not any(component.is_alpha for component in picture.format.components):
        return False
    return bool(plane_views(picture.reformat(format="yuva420p"))[3].min(initial=np.uint8(255)) < _OPAQUE)
