"""Tiny ONNX files with the inputs and outputs of well-known families, and weights made of random numbers.

What they find depends on the picture, so that scaling, colour order and place all show in the numbers. They need nothing but
``onnx`` and NumPy, so that a framework's own predictor can be asked about the same files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str | None]
OPSET, IR = 17, 9


class Graph:
    """Puts a graph together, node by node; names are made as needed."""

    def __init__(self, picture: Shape, *, dtype: int = TensorProto.FLOAT, seed: int = 0, name: str = "images") -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs = [helper.make_tensor_value_info(name, dtype, picture)]
        self.outputs: list[Any] = []
        self.dtype = dtype
        self.picture = name

    def constant(self, value: npt.ArrayLike, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        name = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def floats(self) -> str:
        """The picture in float32."""
        return self.picture if self.dtype == TensorProto.FLOAT else self.node("Cast", self.picture, to=TensorProto.FLOAT)

    def scaled(self, value: str, by: float, plus: float = 0.0) -> str:
        return self.node("Add", self.node("Mul", value, self.constant(by)), self.constant(plus))

    def columns(self, picture: str, strides: Sequence[int], channels: int, gain: float = 3.0) -> str:
        """[1, channels, places]: of each cell of each level its mean colour, mixed anew for each channel."""
        levels = []
        for stride in strides:
            pooled = self.node("AveragePool", picture, kernel_shape=[stride, stride], strides=[stride, stride])
            weights = self.random.normal(0, gain, (channels, 3, 1, 1))
            offsets = self.random.normal(0, 0.3, channels) - weights[:, :, 0, 0].sum(axis=1) / 2
            mixed = self.node("Conv", pooled, self.constant(weights), self.constant(offsets))
            levels.append(self.node("Reshape", mixed, self.constant([1, channels, -1], np.int64)))
        return self.node("Concat", *levels, axis=2) if len(levels) > 1 else levels[0]

    def part(self, value: str, start: int, end: int, axis: int = 1) -> str:
        return self.node("Slice", value, *(self.constant([number], np.int64) for number in (start, end, axis)))

    def prototypes(self, picture: str, count: int) -> str:
        """[1, count, height / 4, width / 4]: smooth maps of the picture."""
        pooled = self.node("AveragePool", picture, kernel_shape=[12, 12], strides=[4, 4], pads=[4, 4, 4, 4])
        weights = self.random.normal(0, 1.0, (count, 3, 1, 1))
        return self.node("Conv", pooled, self.constant(weights), self.constant(-weights[:, :, 0, 0].sum(axis=1) / 2))

    def give(self, value: str, name: str, shape: Shape, dtype: int = TensorProto.FLOAT) -> None:
        """Make ``value`` an output."""
        self.nodes.append(
            helper.make_node("Cast", [value], [name], to=dtype)
            if dtype != TensorProto.FLOAT
            else helper.make_node("Identity", [value], [name])
        )
        self.outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def save(self, file: Path, metadata: Mapping[str, str] | None = None) -> Path:
        graph = helper.make_graph(self.nodes, "tiny", self.inputs, self.outputs, initializer=self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        helper.set_model_props(model, dict(metadata or {}))
        onnx.checker.check_model(model)
        onnx.save(model, file)
        return file


def places(size: tuple[int, int], strides: Sequence[int]) -> NDArray[np.float32]:
    """Centre and stride (N, 3) of each cell of an input of ``size`` (width, height), in pixels."""
    levels = []
    for stride in strides:
        rows, columns = np.mgrid[0 : size[1] // stride, 0 : size[0] // stride]
        centres = (columns.ravel() + 0.5) * stride, (rows.ravel() + 0.5) * stride
        levels.append(np.stack([*centres, np.full(columns.size, stride)], axis=1))
    return np.concatenate(levels).astype(np.float32)


STRIDES = (8, 16, 32)


def metadata(names: Sequence[str], size: tuple[int, int], task: str, **more: str) -> dict[str, str]:
    """As Ultralytics writes it."""
    return {
        "names": str(dict(enumerate(names))),
        "imgsz": f"[{size[1]}, {size[0]}]",
        "stride": "32",
        "task": task,
        "batch": "1",
        "channels": "3",
        **more,
    }


def yolo(
    file: Path,
    *,
    size: tuple[int, int] = (160, 160),
    names: Sequence[str] = ("person", "car", "dog"),
    masks: bool = True,
    form: str = "columns",
    dtype: int = TensorProto.FLOAT,
    with_metadata: bool = True,
    coefficients: int = 32,
    **more: str,
) -> Path:
    """``form``: ``columns`` as of v8 to v12, ``rows``, ``objectness`` as of v5, or ``final`` as after ``nms=True``.

    ``more`` goes into the metadata.
    """
    graph = Graph([1, 3, size[1], size[0]], dtype=dtype)
    picture = graph.floats()
    mixing = coefficients if masks else 0
    objectness = form == "objectness"
    count = 4 + objectness + len(names) + mixing
    mixed = graph.columns(picture, STRIDES, count)
    place = places(size, STRIDES)
    spread = graph.constant(place[:, 2].reshape(1, 1, -1))
    moved = graph.node("Mul", graph.node("Tanh", graph.part(mixed, 0, 2)), spread)
    centre = graph.node("Add", moved, graph.constant(place[:, :2].T[None]))
    side = graph.node("Mul", graph.scaled(graph.node("Sigmoid", graph.part(mixed, 2, 4)), 6.0, 1.0), spread)
    scores = graph.node("Sigmoid", graph.part(mixed, 4, count - mixing))
    parts = [centre, side, scores]
    if masks:
        parts.append(graph.node("Tanh", graph.part(mixed, count - mixing, count)))
    total = len(place)
    float_ = dtype if dtype == TensorProto.FLOAT16 else TensorProto.FLOAT
    if form == "objectness":
        # Three anchors at each place, all alike.
        columns = graph.node("Concat", *parts, axis=1)
        rows = graph.node("Transpose", graph.node("Concat", columns, columns, columns, axis=2), perm=[0, 2, 1])
        graph.give(rows, "output0", [1, 3 * total, count], float_)
    elif form == "final":
        half = graph.scaled(side, 0.5)
        best = graph.node("ReduceMax", scores, axes=[1], keepdims=1)
        kind = graph.node("Cast", graph.node("ArgMax", scores, axis=1, keepdims=1), to=TensorProto.FLOAT)
        final = [graph.node("Sub", centre, half), graph.node("Add", centre, half), best, kind, *parts[3:]]
        rows = graph.node("Transpose", graph.node("Concat", *final, axis=1), perm=[0, 2, 1])
        graph.give(graph.part(rows, 0, 300), "output0", [1, 300, 6 + mixing], float_)
    else:
        columns = graph.node("Concat", *parts, axis=1)
        if form == "rows":
            graph.give(graph.node("Transpose", columns, perm=[0, 2, 1]), "output0", [1, total, count], float_)
        else:
            graph.give(columns, "output0", [1, count, total], float_)
    if masks:
        graph.give(graph.prototypes(picture, mixing), "output1", [1, mixing, size[1] // 4, size[0] // 4], float_)
    return graph.save(file, metadata(names, size, "segment" if masks else "detect", **more) if with_metadata else None)


def picture(width: int, height: int) -> NDArray[np.uint8]:
    """Coloured discs on a coloured ramp, RGB; the same numbers on every machine."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    made = np.stack([40 + 120 * x / width, 60 + 100 * y / height, 130 - 60 * x / width], axis=2)
    for at_x, at_y, radius, colour in (
        (0.25, 0.3, 0.18, (220, 40, 30)),
        (0.7, 0.35, 0.22, (30, 200, 60)),
        (0.45, 0.75, 0.2, (40, 60, 230)),
        (0.85, 0.8, 0.12, (240, 230, 40)),
    ):
        inside = np.hypot(x - at_x * width, y - at_y * height) < radius * min(width, height)
        made[inside] = colour
    return np.asarray(np.rint(made), np.uint8)
