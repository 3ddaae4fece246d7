"""What a model file says about itself: inputs, outputs and metadata."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

MOST_NAMES = 100_000
"""More class names than this are none."""
MOST_SIDE = 16384
"""A longer side of the input, in pixels, is none: memory would not hold it."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output."""

    name: str
    shape: tuple[int | None, ...]
    """None where the file leaves a size open."""
    dtype: str
    """As NumPy names it: ``float32``, ``uint8``."""

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('?' if size is None else str(size) for size in self.shape)}]"


@dataclass(frozen=True, slots=True)
class Description:
    """A model file, as far as it can be known without running it."""

    file: Path
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    litert: bool = False
    """Whether it is a file of LiteRT, not ONNX: what some exporters write differs."""

    @property
    def names(self) -> dict[int, str]:
        """The class names in the metadata, by class; empty where there are none, or none that can be read."""
        return _names(self.metadata.get("names", ""))

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Width and height in the metadata, in pixels; None where there is none."""
        value = _literal(self.metadata.get("imgsz", ""))
        sides = [value, value] if isinstance(value, int) else value
        if not isinstance(sides, list | tuple) or len(sides) != 2:
            return None
        if not all(type(side) is int and 0 < side <= MOST_SIDE for side in sides):
            return None
        return sides[1], sides[0]

    @property
    def stride(self) -> int:
        """What the sides of the input have to be a multiple of, in pixels: the metadata's, else 32."""
        try:
            stride = float(self.metadata.get("stride", ""))
        except ValueError:
            return 32
        return int(stride) if math.isfinite(stride) and 1 <= stride <= 1024 else 32

    def with_shapes(self, shapes: Sequence[tuple[int, ...]]) -> Description:
        """The same with the outputs' shapes of a run, which leave nothing open."""
        outputs = [replace(tensor, shape=shape) for tensor, shape in zip(self.outputs, shapes, strict=True)]
        return replace(self, outputs=outputs)

    def contract(self) -> dict[str, str]:
        """Names of inputs and outputs, each with dtype and shape."""
        return {tensor.name: str(tensor) for tensor in (*self.inputs, *self.outputs)}


def _names(text: str) -> dict[int, str]:
    value = _literal(text)
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if not isinstance(value, dict) or len(value) > MOST_NAMES:
        return {}
    try:
        return {int(key): str(name) for key, name in value.items()}
    except (TypeError, ValueError):
        return {}


def _literal(text: str) -> object:
    """The value that ``text`` writes as JSON or as Python does; None where it is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
