"""The picture of a request."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.kserve.contract import IMAGE, IMAGE_JPEG, MOST_PIXELS
from streamer.kserve.messages import REGION, REGION_BYTES, REGION_OFFSET
from streamer.kserve.tensors import BadMessage, Tensor
from streamer.serving.regions import Regions

MOST_BYTES = 3 * MOST_PIXELS
_MOST_SCANS = 200
"""Of a progressive JPEG, which has a dozen: each takes a look at all pixels, and 50 bytes."""


def picture_of(inputs: Sequence[Tensor], regions: Regions) -> NDArray[np.uint8]:
    """The RGB picture, uint8 (height, width, 3), of a request's inputs; its own, so that it may be written to.

    Raises ``BadMessage`` for anything else, and ``Unknown`` for memory that was not registered.
    """
    if len(inputs) != 1 or inputs[0].name not in (IMAGE, IMAGE_JPEG):
        given = ", ".join(tensor.name[:40] for tensor in inputs[:10]) or "none"
        raise BadMessage(f"expected one input, {IMAGE} or {IMAGE_JPEG}, got {given}")
    (tensor,) = inputs
    if tensor.name == IMAGE_JPEG:
        return _decoded(_one_text(tensor))
    shape = tensor.shape[1:] if len(tensor.shape) == 4 and tensor.shape[0] == 1 else tensor.shape
    if tensor.datatype != "UINT8" or len(shape) != 3 or shape[2] != 3 or min(shape) < 1:
        raise BadMessage(f"{IMAGE}: expected UINT8 [height, width, 3], got {tensor.datatype[:20]} {list(tensor.shape)[:8]}")
    _refuse_large(shape[1], shape[0])
    if REGION not in tensor.parameters:
        return np.array(tensor.array(), np.uint8).reshape(shape)
    picture = np.empty(shape, np.uint8)
    size, offset = (_number(tensor, name) for name in (REGION_BYTES, REGION_OFFSET))
    if size != picture.nbytes:
        raise BadMessage(f"{IMAGE}: {list(shape)} are {picture.nbytes} bytes, {REGION_BYTES} is {size}")
    regions.read(str(tensor.parameters[REGION]), offset, picture)
    return picture


def _number(tensor: Tensor, name: str) -> int:
    value = tensor.parameters.get(name, 0)
    if type(value) is not int or value < 0:
        raise BadMessage(f"{tensor.name}: {name}: expected a number of bytes")
    return value


def _one_text(tensor: Tensor) -> bytes | memoryview:
    texts = tensor.texts()
    if len(texts) != 1:
        raise BadMessage(f"{tensor.name}: expected one JPEG, got {len(texts)}")
    return texts[0]


def _decoded(data: bytes | memoryview) -> NDArray[np.uint8]:
    # Its size is read before it is decoded: a few bytes may claim to be a picture of gigabytes.
    _refuse_large(*_jpeg_size(memoryview(data)))
    if bytes(data).count(b"\xff\xda") > _MOST_SCANS:
        raise BadMessage(f"{IMAGE_JPEG}: it has more than {_MOST_SCANS} scans")
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if picture is None:
        raise BadMessage(f"{IMAGE_JPEG}: it cannot be decoded")
    return np.asarray(picture, np.uint8)


def _jpeg_size(data: memoryview) -> tuple[int, int]:
    """Width and height in pixels, of the frame header (ITU-T T.81, B.2.2). Raises ``BadMessage`` where there is none."""
    at = 2
    while bytes(data[:2]) == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            if not width or not height:
                break
            return width, height
        if marker < 0xC0 or 0xD0 <= marker <= 0xDA:
            break  # it has no length, or the frame header is missing: a decoder would go on elsewhere than here
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise BadMessage(f"{IMAGE_JPEG}: this is no JPEG")


def _refuse_large(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise BadMessage(f"a picture of {width}x{height} is too large: {MOST_PIXELS // 1_000_000} million pixels at most")
