"""Reads TensorFlow's ``GraphDef``: what is computed from what, and parts of it as functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

IMPORTED = "imported"
FEW = 8
"""A constant of at most so many numbers may be a shape, and is no weight."""


def node_of(tensor: str) -> str:
    return tensor.lstrip("^").split(":")[0]


def sources(node: Any) -> list[str]:
    """The data inputs as ``name:index``; control inputs order what has effects, which a graph for inference has not."""
    return [source if ":" in source else f"{source}:0" for source in node.input if not source.startswith("^")]


def needed(nodes: Mapping[str, Any], tensors: Iterable[str]) -> set[str]:
    """Names of all nodes that ``tensors`` are computed from, their own included."""
    seen: set[str] = set()
    todo = [node_of(tensor) for tensor in tensors]
    while todo:
        name = todo.pop()
        if name in nodes and name not in seen:
            seen.add(name)
            todo += [node_of(source) for source in sources(nodes[name])]
    return seen


def depending(nodes: Mapping[str, Any], origin: str) -> set[str]:
    """Names of all nodes that are computed from ``origin``, itself included."""
    users: dict[str, list[str]] = {}
    for node in nodes.values():
        for source in sources(node):
            users.setdefault(node_of(source), []).append(node.name)
    seen: set[str] = set()
    todo = [origin]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += users.get(name, [])
    return seen


def take_weights(tf: Any, graph: Any, captured: Mapping[str, Any]) -> dict[str, Any]:
    """Make of each node of ``graph`` that holds or reads a weight a placeholder. Returns the weights by the nodes' names.

    ``captured`` are variables and tensors, by the names of the placeholders that stand for them. Those of a few numbers, or
    of a type that NumPy does not know, become constants.
    """
    nodes = {node.name: node for node in graph.node}
    weights: dict[str, Any] = {}
    for node in graph.node:
        origin = node
        if node.op == "ReadVariableOp":
            origin = nodes[node_of(node.input[0])]
            while origin.op == "Identity":
                origin = nodes[node_of(origin.input[0])]
        if node.op == "Const":
            tensor = node.attr["value"].tensor
            if is_weight(tf, tensor.dtype, [dim.size for dim in tensor.tensor_shape.dim]):
                weights[node.name] = tf.make_ndarray(tensor)
                _become(node, "Placeholder", tensor.dtype)
        elif origin.op == "Placeholder" and (values := captured.get(origin.name)) is not None:
            dtype = values.dtype
            if dtype == tf.resource or (node is origin and hasattr(values, "handle")):
                continue  # of a table; or the variable itself, of which what reads it becomes one
            if is_weight(tf, dtype, values.shape):
                weights[node.name] = values
                _become(node, "Placeholder", dtype.as_datatype_enum)
            else:
                _become(node, "Const", dtype.as_datatype_enum)
                node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values.numpy()))
    return weights


def is_weight(tf: Any, dtype: Any, shape: Sequence[int]) -> bool:
    """Whether it is of more floating-point numbers than a setting has, of a type that NumPy knows."""
    return tf.as_dtype(dtype) in (tf.float16, tf.float32, tf.float64) and math.prod(shape) > FEW


def _become(node: Any, op: str, dtype: int) -> None:
    """Change a node's operation to one without inputs."""
    node.op = op
    del node.input[:]
    node.attr.clear()
    node.attr["dtype"].type = dtype


def part_of(graph: Any, names: set[str], handed: Mapping[str, str] | None = None) -> Any:
    """The nodes of these names, without control inputs; tensors in ``handed`` are read from the placeholder named there."""
    part = type(graph)()
    part.versions.CopyFrom(graph.versions)
    part.library.CopyFrom(graph.library)
    for node in graph.node:
        if node.name not in names:
            continue
        copy = part.node.add()
        copy.CopyFrom(node)
        read = [(handed or {}).get(source, source) for source in sources(node)]
        del copy.input[:]
        copy.input.extend(read)
        copy.attr.pop("_output_shapes", None)  # of the whole graph's number of rows
        if handed is not None and copy.op == "EnsureShape":
            copy.op = "Identity"
            copy.attr.pop("shape", None)
    return part


def function_of(
    tf: Any, graph: Any, feeds: Sequence[str], fetches: Sequence[str], weights: Mapping[str, Any] | None = None
) -> Any:
    """A function of the tensors ``feeds`` that answers with a list of ``fetches``; names are ``name:index``.

    Those of the tensors ``weights`` that the graph reads without holding them are captured. So they lie in memory once for
    several functions, and are treated as variables are. As constants of the graph they made other masks at a second call of a
    mask head for any number of rows (seen with TensorFlow 2.21 and oneDNN on an export of Mask R-CNN; captured, the same head
    repeats itself).
    """
    read = {source for node in graph.node for source in node.input}

    def imported() -> None:
        captured = {name: tf.identity(tensor) for name, tensor in (weights or {}).items() if name in read}
        tf.graph_util.import_graph_def(graph, captured, name=IMPORTED)  # its names must not meet those of what is captured

    function = tf.compat.v1.wrap_function(imported, [])
    tensor_of = function.graph.get_tensor_by_name
    return function.prune(*([tensor_of(f"{IMPORTED}/{name}") for name in names] for names in (feeds, fetches)))
