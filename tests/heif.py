"""Photos in an ISO base media file, cut into tiles as phones do it."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from streamer.runtime.thread_priority import priority_kept
from streamer.sources.boxes import find_box

_KINDS = {"libsvtav1": (b"av01", "av1C", b"avif"), "libx265": (b"hvc1", "hvcC", b"heic")}


def box(kind: bytes, *content: bytes) -> bytes:
    """A box of ISO base media files."""
    return (8 + sum(map(len, content))).to_bytes(4, "big") + kind + b"".join(content)


def full_box(kind: bytes, version: int, *content: bytes) -> bytes:
    """A box with a version and no flags."""
    return box(kind, bytes([version, 0, 0, 0]), *content)


def _tile(rgb: NDArray[np.uint8], encoder: str) -> tuple[bytes, bytes]:
    """The bytes of one picture and the box that describes their codec."""
    memory = io.BytesIO()
    options = {"crf": "5"} | ({"x265-params": "log-level=none"} if encoder == "libx265" else {"preset": "10"})
    with av.open(memory, "w", format="mp4") as container:
        stream = container.add_stream(encoder, rate=1, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *rgb.shape[:2], "yuv420p"
        with priority_kept():
            packets = [*stream.encode(av.VideoFrame.from_ndarray(rgb)), *stream.encode(None)]
        for packet in packets:
            packet.pts = packet.dts = 0  # x265 leaves the time of a single frame undefined
            container.mux(packet)
    memory.seek(0)
    with av.open(memory, "r") as written:
        data = next(bytes(packet) for packet in written.demux(video=0) if packet.size)
    kind = _KINDS[encoder][1]
    found = find_box(memory.getvalue(), kind)
    assert found is not None
    return data, memory.getvalue()[found.start - 8 : found.end]


def write_tiled_photo(
    path: Path, rgb: NDArray[np.uint8], *, tile: int = 64, encoder: str = "libsvtav1", turns: int = 0, exif: bytes = b""
) -> Path:
    """Write ``rgb``, uint8 (height, width, 3), as square tiles, to be shown turned ``turns`` quarters against the clock."""
    height, width = rgb.shape[:2]
    rows, columns = -(-height // tile), -(-width // tile)
    padded = np.pad(rgb, ((0, rows * tile - height), (0, columns * tile - width), (0, 0)), mode="edge")
    tiles = [
        _tile(np.ascontiguousarray(padded[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile]), encoder)
        for y in range(rows)
        for x in range(columns)
    ]
    count = len(tiles)
    kind, _, brand = _KINDS[encoder]
    ids = range(1, count + 1)
    grid_id, exif_id = count + 1, count + 2
    size_of = [len(data) for data, _ in tiles]
    exif_data = bytes(4) + exif if exif else b""
    payload = bytes([0, 0, rows - 1, columns - 1]) + width.to_bytes(2, "big") + height.to_bytes(2, "big")

    def meta(start: int) -> bytes:
        places = [(item, 0, start + sum(size_of[: item - 1]), size_of[item - 1]) for item in ids]
        places.append((grid_id, 1, 0, len(payload)))
        infos = [(item, kind) for item in ids] + [(grid_id, b"grid")]
        if exif:
            places.append((exif_id, 0, start + sum(size_of), len(exif_data)))
            infos.append((exif_id, b"Exif"))
        located = b"".join(
            item.to_bytes(2, "big") + bytes([0, method, 0, 0, 0, 1]) + at.to_bytes(4, "big") + size.to_bytes(4, "big")
            for item, method, at, size in places
        )
        infe = b"".join(full_box(b"infe", 2, item.to_bytes(2, "big"), bytes(2), what, b"\0") for item, what in infos)
        made_of = box(b"dimg", grid_id.to_bytes(2, "big"), count.to_bytes(2, "big"), *(item.to_bytes(2, "big") for item in ids))
        properties = box(
            b"ipco",
            tiles[0][1],
            full_box(b"ispe", 0, tile.to_bytes(4, "big") * 2),
            full_box(b"ispe", 0, width.to_bytes(4, "big"), height.to_bytes(4, "big")),
            full_box(b"pixi", 0, b"\3\x08\x08\x08"),
            box(b"irot", bytes([turns])),
        )
        of_tiles = b"".join(item.to_bytes(2, "big") + b"\2\x81\2" for item in ids)
        of_grid = grid_id.to_bytes(2, "big") + b"\3\3\4\x85"
        return full_box(
            b"meta",
            0,
            full_box(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
            full_box(b"pitm", 0, grid_id.to_bytes(2, "big")),
            full_box(b"iloc", 1, b"\x44\0", len(places).to_bytes(2, "big"), located),
            full_box(b"iinf", 0, len(infos).to_bytes(2, "big"), infe),
            full_box(b"iref", 0, made_of),
            box(b"iprp", properties, full_box(b"ipma", 0, (count + 1).to_bytes(4, "big"), of_tiles, of_grid)),
            box(b"idat", payload),
        )

    head = box(b"ftyp", brand, bytes(4), b"mif1", b"miaf", brand)
    start = len(head) + len(meta(0)) + 8
    path.write_bytes(head + meta(start) + box(b"mdat", *(data for data, _ in tiles), exif_data))
    return path
