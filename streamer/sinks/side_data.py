"""What stands beside the pixels, written where encoder and container can, and named in a note where not."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from fractions import Fraction

import av
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from streamer.sinks.containers import Container
from streamer.sources.boxes import with_boxes
from streamer.sources.side_data import LightLevel, Mastering, Projection, SideData, Spherical, Stereo

_CAPTION_ENCODERS = frozenset({"libx264", "libx265", "h264_nvenc", "hevc_nvenc"})
_SIDE_BY_SIDE, _TOP_AND_BOTTOM = 1, 2
_STEREO_MODES = {_TOP_AND_BOTTOM: 1, _SIDE_BY_SIDE: 2}
_INTERLACED_ROWS = 4
"""x264 takes interlaced pictures of so many rows only, or a multiple."""


class SideDataWriter:
    """Writes the side data of one input into one output.

    PyAV gives no access to the side data of a stream that is written. FFmpeg copies it from a stream that was read, though:
    so the head of an MP4 file is made in memory by the encoder, the boxes are added to it, it is read again, and the
    output's stream is made after that one.
    """

    def __init__(
        self, side_data: SideData, encoder: str, container: Container, size: tuple[int, int], *, widened: bool
    ) -> None:
        """``size``: width and height in pixels that are encoded; ``widened``: whether they are more than the input's."""
        self.notes: list[str] = []
        """What is not kept, one sentence each."""
        self.options: dict[str, str] = {}
        """Further options of the encoder; texts of several settings are to be joined with its own."""
        self.encoding: VideoStream | None = None
        """After :meth:`add_stream` did something: the stream that encodes, which is not the output's."""
        self.field_order = side_data.field_order if encoder == "libx264" else 0
        """``AVFieldOrder`` of what is encoded; 0 where it is not interlaced."""
        self._side_data = side_data
        self._described: VideoStream | None = None
        self._opened: list[OutputContainer | InputContainer] = []
        in_container = container.format != "mpegts" and (encoder, container.format) != ("libvpx-vp9", "mp4")
        boxes = self._hdr(encoder, in_container=in_container)
        boxes += self._shape(container.format, in_container=in_container, widened=widened)
        self._boxes = boxes if in_container else b""
        self._interlacing(encoder, size[1])
        if side_data.captions and encoder in _CAPTION_ENCODERS and not widened:
            self.options["a53cc"] = "1"
        elif side_data.captions:
            self.notes.append(f"closed captions are left out: {encoder} does not write them; take libx264")
        if side_data.transparent:
            self.notes.append(
                "transparency (the alpha channel) is left out: see-through parts are shown as if they were opaque"
            )
        self.notes += [f"{name} is left out: the drawn picture is written without it" for name in side_data.named]

    def add_stream(self, output: OutputContainer, add_encoder: Callable[[OutputContainer], VideoStream]) -> VideoStream:
        """The video stream of ``output``: what ``add_encoder`` makes, or one with the side data, for which it encodes."""
        if not self._boxes:
            stream = self.encoding = add_encoder(output)
            return stream
        memory = io.BytesIO()
        head = av.open(memory, "w", format="mp4", options={"movflags": "empty_moov+frag_custom"})
        self._opened.append(head)
        self.encoding = add_encoder(head)
        head.start_encoding()
        read = av.open(io.BytesIO(with_boxes(memory.getvalue(), self._boxes)), "r")
        self._opened.append(read)
        self._described = read.streams.video[0]
        stream = self.add_copy(output, self.encoding)
        stream.codec_context.framerate = self.encoding.codec_context.framerate
        stream.codec_context.sample_aspect_ratio = self.encoding.codec_context.sample_aspect_ratio
        stream.time_base = self.encoding.time_base
        return stream

    def add_copy(self, output: OutputContainer, template: VideoStream) -> VideoStream:
        """A stream of ``output`` for the packets of ``template``, with the side data."""
        if self._described is None:
            return output.add_stream_from_template(template, opaque=True)
        stream = output.add_stream_from_template(self._described, opaque=True)
        # FFmpeg tells by its form how the packets are to be written.
        stream.codec_context.extradata = template.codec_context.extradata
        return stream

    def close(self) -> None:
        """Let go of what is in memory."""
        for container in self._opened:
            container.close()
        self._opened, self.encoding, self._described = [], None, None

    def _hdr(self, encoder: str, *, in_container: bool) -> bytes:
        mastering, light = self._side_data.mastering, self._side_data.light
        if mastering is None and light is None:
            return b""
        within = _HDR_OPTIONS.get(encoder)
        if within is not None:
            option, display, level, unit = within
            settings = [] if mastering is None else [f"{display}={_in_words(mastering, unit)}"]
            settings += [] if light is None else [f"{level}={light.max_cll},{light.max_fall}"]
            self.options[option] = ":".join(settings)
        elif not in_container:
            self.notes.append(f"HDR10 metadata (mastering display, light level) is left out: {encoder} does not write it here")
        return (b"" if mastering is None else _mdcv(mastering)) + (b"" if light is None else _clli(light))

    def _shape(self, container: str, *, in_container: bool, widened: bool) -> bytes:
        """Boxes for 360°, stereo and crop."""
        side_data, boxes = self._side_data, b""
        if side_data.spherical is not None:
            box = _sv3d(side_data.spherical)
            if container == "mov" and side_data.spherical.projection != Projection.EQUIRECTANGULAR:
                box = b""
            if not box or not in_container:
                self.notes.append("the mark of a 360° (spherical) picture is left out: this output cannot hold it")
            elif container == "mov" and any(side_data.spherical.pose):
                self.notes.append("the first view of the 360° picture is left out: MOV holds only its projection")
            boxes += box
        if side_data.stereo is not None:
            box = _st3d(side_data.stereo)
            boxes += box
            if not box or not in_container:
                self.notes.append("the mark of a stereo 3D picture is left out: this output cannot hold it")
        if side_data.crop is not None:
            if in_container and not widened:
                boxes += side_data.crop
            else:
                self.notes.append("the container's crop is left out: the edges that it hides are shown")
        return boxes

    def _interlacing(self, encoder: str, rows: int) -> None:
        if not self._side_data.interlaced:
            return
        if encoder == "libx264" and rows % _INTERLACED_ROWS == 0:
            self.options["flags"] = "+ildct"
            return
        why = f"{encoder} does not write them; take libx264" if encoder != "libx264" else f"{rows} rows are no multiple of 4"
        self.notes.append(f"interlaced pictures are marked progressive: {why}")


def joined(options: dict[str, str], added: dict[str, str]) -> dict[str, str]:
    """The options of an encoder with further ones: settings of x264, x265 and SVT-AV1 stand in one text, one after another."""
    return options | {name: f"{options[name]}:{text}" if name in options else text for name, text in added.items()}


# Encoder: its option, the settings within it, and whether colours are given in HEVC's units.
_HDR_OPTIONS = {
    "libx264": ("x264-params", "mastering-display", "cll", True),
    "libx265": ("x265-params", "master-display", "max-cll", True),
    "libsvtav1": ("svtav1-params", "mastering-display", "content-light", False),
}
_COLOR_UNITS, _LUMINANCE_UNITS = 50_000, 10_000


def _in_words(mastering: Mastering, in_units: bool) -> str:
    def color(value: Fraction) -> str:
        return str(round(value * _COLOR_UNITS)) if in_units else f"{float(value):.5f}"

    def luminance(value: Fraction) -> str:
        return str(round(value * _LUMINANCE_UNITS)) if in_units else f"{float(value):.4f}"

    points = {"G": mastering.green, "B": mastering.blue, "R": mastering.red, "WP": mastering.white}
    colors = "".join(f"{name}({color(x)},{color(y)})" for name, (x, y) in points.items())
    return f"{colors}L({luminance(mastering.max_luminance)},{luminance(mastering.min_luminance)})"


def _box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def _mdcv(mastering: Mastering) -> bytes:
    points = (mastering.green, mastering.blue, mastering.red, mastering.white)
    colors = [min(65_535, max(0, round(value * _COLOR_UNITS))) for point in points for value in point]
    luminances = [
        min(2**32 - 1, max(0, round(value * _LUMINANCE_UNITS))) for value in (mastering.max_luminance, mastering.min_luminance)
    ]
    return _box(b"mdcv", struct.pack(">8H2I", *colors, *luminances))


def _clli(light: LightLevel) -> bytes:
    return _box(b"clli", struct.pack(">2H", min(light.max_cll, 65_535), min(light.max_fall, 65_535)))


def _st3d(stereo: Stereo) -> bytes:
    """Google's box; empty for what it cannot tell."""
    mode = _STEREO_MODES.get(stereo.kind)
    return b"" if mode is None or stereo.swapped else _box(b"st3d", bytes([0, 0, 0, 0, mode]))


def _sv3d(spherical: Spherical) -> bytes:
    """Google's box; empty for what it cannot tell."""
    head = _box(b"svhd", bytes(4) + b"streamer\0")
    pose = _box(b"prhd", bytes(4) + struct.pack(">3i", *spherical.pose))
    left, top, right, bottom = spherical.bounds
    if spherical.projection in (Projection.EQUIRECTANGULAR, Projection.EQUIRECTANGULAR_TILE):
        layout = _box(b"equi", bytes(4) + struct.pack(">4I", top, bottom, left, right))
    elif spherical.projection == Projection.CUBEMAP:
        layout = _box(b"cbmp", bytes(4) + struct.pack(">2I", 0, spherical.padding))
    else:
        return b""
    return _box(b"sv3d", head + _box(b"proj", pose + layout))
