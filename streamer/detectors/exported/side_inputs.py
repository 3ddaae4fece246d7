"""What networks take beside a picture: its size, how it was scaled, and which of its pixels count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.exported.description import Tensor

SCALE, SHAPES, MASK = "scale_factor", ("im_shape", "image_shape"), "pixel_mask"
"""Names of PaddleDetection for how much the picture was scaled, and for its height and width; that of Transformers for a map of
the pixels that count."""
_NUMBERS = ("int64", "int32", "float32")


def unknown(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Those of which it is not known what they take."""
    sizes = [tensor for tensor in tensors if tensor.name not in (SCALE, *SHAPES, MASK)]
    odd = [tensor for tensor in tensors if not _fits(tensor)]
    return odd or (sizes if len(sizes) > 1 else [])


def _fits(tensor: Tensor) -> bool:
    if tensor.name == MASK:
        return len(tensor.shape) == 3 and tensor.dtype in (*_NUMBERS, "bool")
    return tensor.dtype in _NUMBERS and tensor.shape[-1:] == (2,)


def value(tensor: Tensor, size: tuple[int, int]) -> NDArray[Any]:
    """What it takes with an input of ``size`` (width, height): boxes are to come out in pixels of that input."""
    if tensor.name == MASK:
        sides = [own or side for own, side in zip(tensor.shape[1:], size[::-1], strict=True)]
        return np.ones((1, *sides), tensor.dtype)
    numbers = (1, 1) if tensor.name == SCALE else size[::-1] if tensor.name in SHAPES else size
    return np.array(numbers if len(tensor.shape) == 1 else [numbers], tensor.dtype)
