"""Photos in an ISO base media file (HEIC, AVIF): which of the pictures in it is the photo, and what belongs to it.

FFmpeg's libraries hand out each picture of such a file as a stream, the tiles of a photo among them, and PyAV does not tell
how they belong together. The format is that of ISO/IEC 23008-12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from streamer.errors import SourceUnsupported
from streamer.frame import plane_views
from streamer.sources.boxes import Box, boxes
from streamer.sources.conversion import Converter

_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_MOST_PIXELS = 1 << 29
_ONE = 1 << 16


class Grid(NamedTuple):
    """A photo that was cut into tiles of one size."""

    columns: int
    width: int
    """Pixels of the whole; the last tiles may reach over it."""
    height: int
    tiles: tuple[int, ...]
    """Numbers of the pictures, row by row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heif:
    """What stands in the directory of a file; the rest of its pictures are previews, depths and the like."""

    primary: int
    """Number of the picture that is the photo: ``id`` of its stream, where it is not cut into tiles."""
    grid: Grid | None = None
    display_matrix: tuple[int, ...] | None = None
    """FFmpeg's display matrix (9 integers) for a photo of tiles; of others, FFmpeg tells it."""
    exif: bytes = b""
    """From its TIFF header on."""
    xmp: bytes = b""
    icc: bytes = b""
    transparent: bool = False


def read_heif(data: bytes) -> Heif:
    """Read the directory of a file. What is missing or damaged in it counts as not there."""
    meta = next((box for box in boxes(data) if box.kind == "meta"), None)
    if meta is None:
        return Heif(primary=0)
    return _Directory(data, meta).read()


def whole_picture(container: InputContainer, grid: Grid) -> av.VideoFrame:
    """The tiles put together, as 8-bit 4:2:0. Raises ``SourceUnsupported`` where a tile is missing or of another size."""
    if grid.width * grid.height > _MOST_PIXELS:
        raise SourceUnsupported(f"the photo has {grid.width}x{grid.height} pixels", hint="give a smaller one")
    pictures = _decoded(container, grid)
    if len(pictures) < len(set(grid.tiles)):
        raise SourceUnsupported("the photo lacks some of its tiles", hint="is the file complete?")
    first = pictures[grid.tiles[0]]
    converter = Converter(first)
    whole: av.VideoFrame | None = None
    for place, number in enumerate(grid.tiles):
        tile = converter.convert(pictures[number])
        if whole is None:
            whole = av.VideoFrame(grid.width, grid.height, tile.format.name)
            whole.colorspace, whole.color_range = tile.colorspace, tile.color_range
            whole.color_primaries, whole.color_trc = tile.color_primaries, tile.color_trc
            whole.pts, whole.time_base = 0, first.time_base
        row, column = divmod(place, grid.columns)
        for target, given in zip(plane_views(whole), plane_views(tile), strict=True):
            top, left = row * given.shape[0], column * given.shape[1]
            part = target[top : top + given.shape[0], left : left + given.shape[1]]
            part[:] = given[: part.shape[0], : part.shape[1]]
    assert whole is not None
    return whole


def _decoded(container: InputContainer, grid: Grid) -> dict[int, av.VideoFrame]:
    """The picture of each tile by its number."""
    wanted = set(grid.tiles)
    streams = [s for s in container.streams.video if s.id in wanted and s.codec_context is not None]
    pictures: dict[int, av.VideoFrame] = {}
    for packet in container.demux(*streams):
        stream = packet.stream
        assert isinstance(stream, VideoStream)
        try:
            decoded = stream.decode(packet)
        except av.error.FFmpegError:  # a tile that is not there is named by the caller
            continue
        for picture in decoded:
            pictures.setdefault(stream.id, picture)
    return pictures


class _Directory:
    """The box ``meta``, with the numbers in it."""

    def __init__(self, data: bytes, meta: Box) -> None:
        self._data = data
        self._boxes = {box.kind: box for box in reversed([*boxes(data, meta.start + 4, meta.end)])}

    def read(self) -> Heif:
        found = self._boxes.get("pitm")
        if found is None:
            return Heif(primary=0)
        primary = self._number(found.start + 4, 2 if self._version(found) == 0 else 4)
        kinds = self._kinds()
        properties = self._properties(primary)
        grid = self._grid(primary) if kinds.get(primary) == "grid" else None
        icc = next((box for box in properties if box.kind == "colr" and self._text(box, 4) in ("prof", "rICC")), None)
        return Heif(
            primary=primary,
            grid=grid,
            display_matrix=self._display_matrix(properties) if grid else None,
            exif=next((self._exif(item) for item, kind in kinds.items() if kind == "Exif"), b""),
            xmp=next((self._content(item) for item, kind in kinds.items() if kind == "mime"), b""),
            icc=b"" if icc is None else self._data[icc.start + 4 : icc.end],
            transparent=any(self._is_alpha(box) for box in self._all_properties()),
        )

    def _number(self, at: int, size: int) -> int:
        return int.from_bytes(self._data[at : at + size], "big")

    def _version(self, box: Box) -> int:
        return self._number(box.start, 1)

    def _text(self, box: Box, size: int) -> str:
        return self._data[box.start : box.start + size].decode("latin-1")

    def _kinds(self) -> dict[int, str]:
        """What each item is: ``hvc1``, ``av01``, ``grid``, ``Exif``; XMP is ``mime``."""
        info = self._boxes.get("iinf")
        kinds: dict[int, str] = {}
        if info is None:
            return kinds
        for entry in boxes(self._data, info.start + (6 if self._version(info) == 0 else 8), info.end):
            size = 2 if self._version(entry) == 2 else 4
            at = entry.start + 4 + size + 2
            kind = self._data[at : at + 4].decode("latin-1")
            if kind != "mime" or b"application/rdf+xml" in self._data[at : entry.end]:
                kinds[self._number(entry.start + 4, size)] = kind
        return kinds

    def _content(self, wanted: int) -> bytes:
        """The bytes of an item, which may lie in several places."""
        locations = self._boxes.get("iloc")
        if locations is None:
            return b""
        version = self._version(locations)
        sizes = self._number(locations.start + 4, 2)
        of_offset, of_length, of_base = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        of_index = sizes & 15 if version in (1, 2) else 0
        of_item = 2 if version < 2 else 4
        at = locations.start + 6 + of_item
        for _ in range(self._number(locations.start + 6, of_item)):
            item, at = self._number(at, of_item), at + of_item
            method = 0
            if version in (1, 2):
                method, at = self._number(at, 2) & 15, at + 2
            base, at = self._number(at + 2, of_base), at + 2 + of_base
            parts = []
            extents, at = self._number(at, 2), at + 2
            for _ in range(extents):
                at += of_index
                offset, at = base + self._number(at, of_offset), at + of_offset
                length, at = self._number(at, of_length), at + of_length
                parts.append((offset, length))
            if item == wanted:
                inner = self._boxes.get("idat")
                start = inner.start if method == 1 and inner is not None else 0
                return b"".join(self._data[start + offset : start + offset + length] for offset, length in parts)
            if at >= locations.end:
                break
        return b""

    def _grid(self, item: int) -> Grid | None:
        payload = self._content(item)
        if len(payload) < 8:
            return None
        size = 4 if payload[1] & 1 else 2
        width, height = (int.from_bytes(payload[at : at + size], "big") for at in (4, 4 + size))
        rows, columns = payload[2] + 1, payload[3] + 1
        tiles = self._made_of(item)
        if len(tiles) != rows * columns or not width or not height:
            return None
        return Grid(columns, width, height, tiles)

    def _made_of(self, item: int) -> tuple[int, ...]:
        references = self._boxes.get("iref")
        if references is None:
            return ()
        size = 2 if self._version(references) == 0 else 4
        for box in boxes(self._data, references.start + 4, references.end):
            if box.kind == "dimg" and self._number(box.start, size) == item:
                first = box.start + size + 2
                count = self._number(box.start + size, 2)
                return tuple(self._number(first + size * place, size) for place in range(count))
        return ()

    def _all_properties(self) -> list[Box]:
        properties = self._boxes.get("iprp")
        if properties is None:
            return []
        container = next((box for box in boxes(self._data, properties.start, properties.end) if box.kind == "ipco"), None)
        return [] if container is None else [*boxes(self._data, container.start, container.end)]

    def _properties(self, wanted: int) -> list[Box]:
        """The properties of an item, in the order in which they are to be applied."""
        properties = self._boxes.get("iprp")
        if properties is None:
            return []
        every = self._all_properties()
        for box in boxes(self._data, properties.start, properties.end):
            if box.kind != "ipma":
                continue
            of_item = 2 if self._version(box) == 0 else 4
            of_index = 2 if self._number(box.start + 3, 1) & 1 else 1
            at = box.start + 8
            for _ in range(self._number(box.start + 4, 4)):
                if at >= box.end:
                    break
                item, count, at = self._number(at, of_item), self._number(at + of_item, 1), at + of_item + 1
                indexes = [self._number(at + of_index * n, of_index) & (2 ** (8 * of_index - 1) - 1) for n in range(count)]
                at += of_index * count
                if item == wanted:
                    return [every[index - 1] for index in indexes if 0 < index <= len(every)]
        return []

    def _display_matrix(self, properties: list[Box]) -> tuple[int, ...] | None:
        """A stored point (x, y) is shown at (a x + c y, b x + d y)."""
        a, b, c, d = 1, 0, 0, 1
        for box in properties:
            if box.kind == "irot":
                for _ in range(self._number(box.start, 1) & 3):
                    a, b, c, d = b, -a, d, -c  # a quarter against the clock
            elif box.kind == "imir":
                x, y = (-1, 1) if self._number(box.start, 1) & 1 else (1, -1)
                a, b, c, d = x * a, y * b, x * c, y * d
        if (a, b, c, d) == (1, 0, 0, 1):
            return None
        return (a * _ONE, b * _ONE, 0, c * _ONE, d * _ONE, 0, 0, 0, 1 << 30)

    def _exif(self, item: int) -> bytes:
        content = self._content(item)
        return content[4 + int.from_bytes(content[:4], "big") :]

    def _is_alpha(self, box: Box) -> bool:
        return box.kind == "auxC" and self._data[box.start + 4 : box.end].startswith(_ALPHA)
