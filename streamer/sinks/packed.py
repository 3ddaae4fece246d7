"""What records hold of a picture beyond its objects' places, as short texts: masks as they were drawn, and what was covered."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamer.frame import Plane
from streamer.instances import Floats
from streamer.render.cover import Cover, Shape
from streamer.render.rounding import LEVELS, levels_of, mask_of

_DEFLATE = -15
"""zlib's word for bare deflate with the largest window: no header, no checksum."""


def pack_masks(masks: Floats) -> list[str]:
    """Box-relative masks (N, M, M), rounded as ``streamer.render.rounding`` does, as texts."""
    return [_packed(levels) for levels in levels_of(masks)]


def unpack_masks(texts: Sequence[str]) -> list[Floats]:
    """The masks (M, M) of which :func:`pack_masks` made ``texts``. Raises ``ValueError`` for any other text."""
    unpacked = [_unpacked(text) for text in texts]
    levels = np.frombuffer(b"".join(unpacked), np.uint8)
    if levels.size and levels.max() >= LEVELS:
        raise ValueError(f"a level of {levels.max()} is too high")
    # Looked up together: for each by itself NumPy's calls take longer than their work.
    values, at, masks = mask_of(levels), 0, []
    for cells in map(len, unpacked):
        side = math.isqrt(cells)
        if side * side != cells or side == 0:
            raise ValueError(f"{cells} cells are no square")
        masks.append(values[at : at + cells].reshape(side, side))
        at += cells
    return masks


def pack_cover(cover: Cover) -> dict[str, object]:
    """What is covered of a picture, for JSON."""
    if cover.whole:
        return {"whole": cover.whole}
    return {
        "shapes": [
            {
                "x": shape.x,
                "y": shape.y,
                "size": list(shape.mask.shape),
                "bits": _packed(np.packbits(shape.mask > 0)),
                "method": shape.method,
                "cell_px": shape.cell_px,
            }
            for shape in cover.shapes
        ]
    }


def unpack_cover(data: Mapping[str, Any]) -> Cover:
    """The cover of which :func:`pack_cover` made ``data``. Raises ``ValueError`` or ``KeyError`` for anything else."""
    if "whole" in data:
        return Cover(whole=str(data["whole"]))
    return Cover(tuple(_shape(shape) for shape in data["shapes"]))


def _shape(data: Mapping[str, Any]) -> Shape:
    size: Sequence[int] = data["size"]
    bits = np.unpackbits(np.frombuffer(_unpacked(data["bits"]), np.uint8), count=size[0] * size[1])
    return Shape(data["x"], data["y"], bits.reshape(size) * np.uint8(255), data["method"], data["cell_px"])


def _packed(array: Plane) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), wbits=_DEFLATE)).decode("ascii")


def _unpacked(text: str) -> bytes:
    try:
        return zlib.decompress(base64.b64decode(text, validate=True), _DEFLATE)
    except zlib.error as error:
        raise ValueError(str(error)) from error
