"""Cuts the frozen graph of a two-stage network in two, so that its mask head runs only for the objects that are wanted.

Everything here is about TensorFlow's ``GraphDef``; nothing is run. Running it proves that a cut is right, see ``networks``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CROP = "CropAndResize"
"""The operation that samples the features under each box: where the mask head begins."""
FEW = 8
"""A constant of at most so many whole numbers may be a shape."""


class NoCutError(Exception):
    """The graph cannot be cut; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The two parts as ``GraphDef``, and what goes from one to the other."""

    first: Any
    second: Any
    picture: str
    """Name of the first part's input tensor."""
    outputs: Mapping[str, str]
    """Of each output of the first part the tensor."""
    handed: Mapping[str, str]
    """Of each placeholder of the second part the tensor of the first part that it is fed with."""
    freed: Mapping[str, NDArray[np.generic]]
    """Placeholders of the second part that were constants which name the number of rows, and their values."""
    masks: str
    """The second part's output tensor."""
    rows: int
    """For how many rows, detections, the whole graph computes masks."""


def cut(tf: Any, function: Any, frozen: Any, keys: Sequence[str], masks_key: str, rows: int) -> Cut:
    """Cut ``frozen``, the ``GraphDef`` of ``function``, which has one input, the picture, and outputs that ``keys`` name.

    ``rows`` is the number of detections that it always answers with. Raises ``NoCutError`` unless exactly one
    ``CropAndResize`` feeds the masks and nothing else.
    """
    outputs = {key: tensor.name for key, tensor in zip(keys, function.outputs, strict=True)}
    picture = function.inputs[0].name
    nodes = {node.name: node for node in frozen.node}
    others = {key: tensor for key, tensor in outputs.items() if key != masks_key}
    for_masks = _needed(nodes, [outputs[masks_key]])
    crops = [name for name in for_masks - _needed(nodes, others.values()) if nodes[name].op == CROP]
    if len(crops) != 1:
        raise NoCutError(f"expected one {CROP} that feeds the masks alone, found {len(crops)}")
    cropped = function.graph.get_tensor_by_name(_inputs(nodes[crops[0]])[1]).shape
    if cropped.rank is not None and cropped[0] not in (None, rows):
        raise NoCutError(f"its masks are made for {cropped[0]} places, not for {rows} detections")
    moving = _depending(nodes, _node_of(picture))
    # All that only masks need, also what is computed from classes alone: what is handed over are then rows as they are shown.
    behind = (for_masks - _needed(nodes, others.values())) & moving
    inputs = {source for name in behind for source in _inputs(nodes[name]) if _node_of(source) not in behind}
    handed = sorted(source for source in inputs if _node_of(source) in moving)
    if crops[0] not in behind or _node_of(outputs[masks_key]) not in behind:
        raise NoCutError(f"the masks do not come from the {CROP} alone")
    fixed = _needed(nodes, [source for source in inputs if _node_of(source) not in moving])
    shaped = {name: _shaped_by(nodes[name], tf, rows) for name in sorted(fixed)}
    parts = Cut(
        first=_part(frozen, _needed(nodes, [*others.values(), *handed])),
        second=_part(frozen, behind | fixed, {tensor: f"handed_{i}" for i, tensor in enumerate(handed)}),
        picture=picture,
        outputs=others,
        handed={f"handed_{i}": tensor for i, tensor in enumerate(handed)},
        freed={name: values for name, values in shaped.items() if values is not None},
        masks=outputs[masks_key],
        rows=rows,
    )
    _replace_constants(parts.second, set(parts.freed))
    for name, tensor in parts.handed.items():
        placeholder = parts.second.node.add(name=name, op="Placeholder")
        placeholder.attr["dtype"].type = function.graph.get_tensor_by_name(tensor).dtype.as_datatype_enum
    return parts


def fitted(values: NDArray[np.generic], rows: int, kept: NDArray[np.intp]) -> NDArray[np.generic]:
    """What is handed over or freed, for the ``kept`` of ``rows`` rows: they are picked, and sizes that name them changed."""
    if values.ndim and values.shape[0] == rows:
        return values[kept]
    if values.ndim > 1 and values.shape[:2] == (1, rows):
        return values[:, kept]
    if values.dtype.kind in "iu" and values.ndim <= 1 and values.size <= FEW:
        return np.where(values == rows, len(kept), values).astype(values.dtype)
    return values


def stretched_to(tf: Any, frozen: Any, picture: str) -> tuple[int, int] | None:
    """Width and height to which the network stretches its picture first; None where the graph does not tell."""
    graphs = [list(frozen.node), *([*function.node_def] for function in frozen.library.function)]
    sizes = set()
    for graph in graphs:
        nodes = {node.name: node for node in graph}
        moving = _depending(nodes, _node_of(picture)) if graph is graphs[0] else set(nodes)
        for name in moving:
            node = nodes[name]
            if not node.op.startswith("Resize"):
                continue
            before = _needed(nodes, [node.input[0]])
            size = nodes.get(_node_of(node.input[1]))
            while size is not None and size.op == "Identity":
                size = nodes.get(_node_of(size.input[0]))
            if size is not None and size.op == "Const" and not any("Conv" in nodes[b].op for b in before):
                height, width = (int(side) for side in tf.make_ndarray(size.attr["value"].tensor))
                sizes.add((width, height))
    return sizes.pop() if len(sizes) == 1 else None


def _node_of(tensor: str) -> str:
    return tensor.lstrip("^").split(":")[0]


def _inputs(node: Any) -> list[str]:
    """The data inputs as ``name:index``; control inputs order what has effects, which a frozen graph for inference has not."""
    return [source if ":" in source else f"{source}:0" for source in node.input if not source.startswith("^")]


def _needed(nodes: Mapping[str, Any], tensors: Iterable[str]) -> set[str]:
    """Names of all nodes that ``tensors`` are computed from, their own included."""
    seen: set[str] = set()
    todo = [_node_of(tensor) for tensor in tensors]
    while todo:
        name = todo.pop()
        if name in nodes and name not in seen:
            seen.add(name)
            todo += [_node_of(source) for source in _inputs(nodes[name])]
    return seen


def _depending(nodes: Mapping[str, Any], origin: str) -> set[str]:
    """Names of all nodes that are computed from ``origin``, itself included."""
    users: dict[str, list[str]] = {}
    for node in nodes.values():
        for source in _inputs(node):
            users.setdefault(_node_of(source), []).append(node.name)
    seen: set[str] = set()
    todo = [origin]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += users.get(name, [])
    return seen


def _shaped_by(node: Any, tf: Any, rows: int) -> NDArray[np.generic] | None:
    """The values of a constant that names the number of rows, or has one whole number for each; None for any other node."""
    if node.op != "Const":
        return None
    shape = [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
    has_rows = shape in ([rows], [1, rows])
    if not has_rows and (len(shape) > 1 or (shape and shape[0] > FEW)):
        return None
    values = np.asarray(tf.make_ndarray(node.attr["value"].tensor))
    return values if values.dtype.kind in "iu" and (has_rows or (values == rows).any()) else None


def _part(frozen: Any, names: set[str], handed: Mapping[str, str] | None = None) -> Any:
    """The nodes of these names, without control inputs; tensors in ``handed`` are read from the placeholder named there."""
    part = type(frozen)()
    part.versions.CopyFrom(frozen.versions)
    part.library.CopyFrom(frozen.library)
    for node in frozen.node:
        if node.name not in names:
            continue
        copy = part.node.add()
        copy.CopyFrom(node)
        sources = [(handed or {}).get(source, source) for source in _inputs(node)]
        del copy.input[:]
        copy.input.extend(sources)
        copy.attr.pop("_output_shapes", None)  # of the whole graph's number of rows
        if handed is not None and copy.op == "EnsureShape":
            copy.op = "Identity"
            copy.attr.pop("shape", None)
    return part


def _replace_constants(part: Any, names: set[str]) -> None:
    """Make placeholders of the constants of these names."""
    for node in part.node:
        if node.name in names:
            node.op = "Placeholder"
            node.attr.pop("value")
