"""Tensors of the protocol: a name, a datatype, a shape, and bytes."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

DTYPES: Mapping[str, np.dtype[np.generic]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""The protocol's datatypes of numbers; raw bytes of all of them are little endian."""
BYTES = "BYTES"
"""The datatype of texts and files, see :meth:`Tensor.texts`."""
MOST_SIDES = 8
"""Of a tensor's shape."""
_MOST_TEXTS = 1024
"""In a tensor of ``BYTES``: each is an object here, however short it is."""
NAMES: Mapping[np.dtype[np.generic], str] = {dtype: name for name, dtype in DTYPES.items()}

Parameter = bool | int | float | str
"""What stands beside a request or a tensor, by name."""


class BadMessage(ValueError):
    """A message or tensor that is not as the protocol says; the text says what is wrong, on part of a line."""


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor, as it travels."""

    name: str
    datatype: str
    """A key of ``DTYPES``, or ``BYTES``; anything else where the other side sent it."""
    shape: tuple[int, ...]
    data: bytes | memoryview = b""
    """Raw contents, row by row; empty where they lie in shared memory."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, array: NDArray[np.generic]) -> Tensor:
        """An array of numbers. A contiguous one is not copied."""
        flat = np.ascontiguousarray(array).reshape(array.shape)
        return cls(name, NAMES[flat.dtype.newbyteorder("<")], flat.shape, flat.data.cast("B") if flat.size else b"")

    @classmethod
    def of_texts(cls, name: str, texts: Sequence[bytes], shape: tuple[int, ...] | None = None) -> Tensor:
        """Texts or files; ``shape`` where it is another than (N,). Raises ``BadMessage`` for too many."""
        if len(texts) > _MOST_TEXTS:
            raise _too_many_texts(name)
        data = b"".join(part for text in texts for part in (struct.pack("<I", len(text)), text))
        return cls(name, BYTES, (len(texts),) if shape is None else shape, data)

    def array(self) -> NDArray[np.generic]:
        """The numbers; not to be written to. Raises ``BadMessage`` where datatype, shape and bytes do not go together."""
        dtype = DTYPES.get(self.datatype)
        if dtype is None:
            raise BadMessage(f"{self.name}: expected numbers, got {self.datatype[:20]}")
        needed = _count(self) * dtype.itemsize
        if len(self.data) != needed:
            raise BadMessage(f"{self.name}: {self.datatype} {list(self.shape)} are {needed} bytes, got {len(self.data)}")
        # A byte that is neither 0 nor 1 is no bool of NumPy's.
        numbers = np.frombuffer(self.data, np.uint8) != 0 if dtype == np.bool_ else np.frombuffer(self.data, dtype)
        try:
            return numbers.reshape(self.shape)
        except ValueError as error:  # nothing, of sides beyond any memory
            raise _no_shape(self) from error

    def texts(self) -> list[bytes | memoryview]:
        """What a tensor of ``BYTES`` holds. Raises ``BadMessage``."""
        if self.datatype != BYTES:
            raise BadMessage(f"{self.name}: expected BYTES, got {self.datatype[:20]}")
        texts = list(islice(_texts(self), _MOST_TEXTS + 1))
        if len(texts) > _MOST_TEXTS:
            raise _too_many_texts(self.name)
        if len(texts) != _count(self):
            raise BadMessage(f"{self.name}: {list(self.shape)} are {_count(self)} texts, got {len(texts)}")
        return texts


def _texts(tensor: Tensor) -> Iterator[bytes | memoryview]:
    at, data = 0, memoryview(tensor.data)
    while at < len(data):
        if len(data) - at < 4:
            raise BadMessage(f"{tensor.name}: a text's length is cut off")
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        if length > len(data) - at:
            raise BadMessage(f"{tensor.name}: a text of {length} bytes is cut off")
        yield data[at : at + length]
        at += length


def _too_many_texts(name: str) -> BadMessage:
    return BadMessage(f"{name}: more than {_MOST_TEXTS} texts")


def _count(tensor: Tensor) -> int:
    if any(side < 0 for side in tensor.shape) or len(tensor.shape) > MOST_SIDES:
        raise _no_shape(tensor)
    return math.prod(tensor.shape)


def _no_shape(tensor: Tensor) -> BadMessage:
    return BadMessage(f"{tensor.name}: there is no shape {list(tensor.shape)[: MOST_SIDES + 1]}")
