"""Cuts the graph of a two-stage network in two, so that its mask head runs only for the objects that are wanted.

Everything here is about TensorFlow's ``GraphDef``; nothing is run. Running it proves that a cut is right, see ``networks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.graph_def import FEW, depending, needed, node_of, part_of, sources

CROP = "CropAndResize"
"""The operation that samples the features under each box: where the mask head begins."""


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
    weights: Mapping[str, NDArray[np.generic]]
    """The network's weights, by the names that both parts read them from; neither part holds them, see ``networks``."""
    masks: str
    """The second part's output tensor."""
    rows: int
    """For how many rows, detections, the whole graph computes masks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeGraph:
    """A network as TensorFlow's ``GraphDef``, with its calls inlined."""

    graph: Any
    picture: str
    """Name of its input tensor."""
    outputs: Mapping[str, str]
    """Of each output the tensor."""
    weights: Mapping[str, Any]
    """Arrays, tensors or variables, by the placeholders that stand for them."""


def cut(tf: Any, whole: WholeGraph, masks_key: str, rows: int) -> Cut:
    """Cut the network that ``whole`` is.

    ``rows`` is the number of detections that it always answers with. Raises ``NoCutError`` unless exactly one
    ``CropAndResize`` feeds the masks and nothing else.
    """
    outputs, picture = whole.outputs, whole.picture
    nodes = {node.name: node for node in whole.graph.node}
    others = {key: tensor for key, tensor in outputs.items() if key != masks_key}
    for_masks = needed(nodes, [outputs[masks_key]])
    crops = [name for name in for_masks - needed(nodes, others.values()) if nodes[name].op == CROP]
    if len(crops) != 1:
        raise NoCutError(f"expected one {CROP} that feeds the masks alone, found {len(crops)}")
    typed = _imported(tf, part_of(whole.graph, needed(nodes, crops)))
    cropped = typed.get_tensor_by_name(sources(nodes[crops[0]])[1]).shape
    if cropped.rank is not None and cropped[0] not in (None, rows):
        raise NoCutError(f"its masks are made for {cropped[0]} places, not for {rows} detections")
    moving = depending(nodes, node_of(picture))
    # All that only masks need, also what is computed from classes alone: what is handed over are then rows as they are shown.
    behind = (for_masks - needed(nodes, others.values())) & moving
    inputs = {source for name in behind for source in sources(nodes[name]) if node_of(source) not in behind}
    handed = sorted(source for source in inputs if node_of(source) in moving)
    if crops[0] not in behind or node_of(outputs[masks_key]) not in behind:
        raise NoCutError(f"the masks do not come from the {CROP} alone")
    fixed = needed(nodes, [source for source in inputs if node_of(source) not in moving])
    shaped = {name: _shaped_by(nodes[name], tf, rows) for name in sorted(fixed)}
    needed_first = needed(nodes, [*others.values(), *handed])
    weights = (needed_first | fixed) & whole.weights.keys()
    if resources := sorted(name for name in needed_first | fixed if _is_resource(tf, nodes[name])):
        raise NoCutError(f"weights are read in a loop, or it has tables ({resources[0]})")
    typed = _imported(tf, part_of(whole.graph, needed_first))
    parts = Cut(
        first=part_of(whole.graph, needed_first - weights),
        second=part_of(whole.graph, (behind | fixed) - weights, {tensor: f"handed_{i}" for i, tensor in enumerate(handed)}),
        picture=picture,
        outputs=others,
        handed={f"handed_{i}": tensor for i, tensor in enumerate(handed)},
        freed={name: values for name, values in shaped.items() if values is not None},
        weights={name: _array(whole.weights[name]) for name in sorted(weights)},
        masks=outputs[masks_key],
        rows=rows,
    )
    _replace_constants(parts.second, set(parts.freed))
    for name, tensor in parts.handed.items():
        placeholder = parts.second.node.add(name=name, op="Placeholder")
        placeholder.attr["dtype"].type = typed.get_tensor_by_name(tensor).dtype.as_datatype_enum
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


def _imported(tf: Any, graph: Any) -> Any:
    """The graph with shapes and types of all tensors."""
    with tf.Graph().as_default() as typed:
        tf.graph_util.import_graph_def(graph, name="")
    return typed


def _is_resource(tf: Any, node: Any) -> bool:
    return bool(node.op == "Placeholder" and node.attr["dtype"].type == tf.resource.as_datatype_enum)


def _array(values: Any) -> NDArray[np.generic]:
    """Of an array, a tensor or a variable."""
    return values if isinstance(values, np.ndarray) else np.asarray(values.numpy())


def _replace_constants(part: Any, names: set[str]) -> None:
    """Make placeholders of the constants of these names."""
    for node in part.node:
        if node.name in names:
            node.op = "Placeholder"
            node.attr.pop("value")
