"""Finds out to which size a network brings its pictures before its first convolution, so that it is handed no more pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from streamer.detectors.graph_def import depending, function_of, needed, node_of, part_of, sources

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
PADDING = ("Pad", "PadV2", "Identity")
"""What a convolution may have in front of it for its own edges."""
LANDSCAPE, PORTRAIT = (180, 320), (320, 180)
"""Height and width of the pictures on which it is tried."""
WHITE = 255


class InnerSize(NamedTuple):
    """The size in pixels that a network works at."""

    width: int
    height: int
    stretched: bool
    """Whether pictures of every shape are stretched to it; otherwise they are fitted into it with their aspect ratio kept."""


def inner_size(tf: Any, graph: Any, picture: str, weights: Mapping[str, Any]) -> InnerSize | None:
    """Of the network ``graph``, a ``GraphDef`` whose input tensor is ``picture``; None where it does not bring them to a size.

    ``weights`` are read by the graph, and are placeholders in it.

    What stands before the first convolution is run on white pictures, of which a stretch leaves every place alike, and padding
    does not. Raises what TensorFlow raises where that does not run.
    """
    nodes = {node.name: node for node in graph.node}
    convolved = _first_convolved(nodes, picture)
    if convolved is None:
        return None
    part = part_of(graph, needed(nodes, [convolved]) - weights.keys())
    prepare = function_of(tf, part, [picture], [convolved], {f"{name}:0": values for name, values in weights.items()})
    (landscape,), (portrait,) = (
        prepare(tf.fill([1, *size, 3], tf.constant(WHITE, tf.uint8))) for size in (LANDSCAPE, PORTRAIT)
    )
    shapes = [tuple(made.shape) for made in (landscape, portrait)]
    if any(len(shape) != 4 or shape[0] != 1 or shape[3] != 3 for shape in shapes):  # 1, height, width, 3
        return None
    (height, width), (other_height, other_width) = (shape[1:3] for shape in shapes)
    if (height, width) == (other_height, other_width):
        values = landscape.numpy()
        return InnerSize(width, height, stretched=bool(np.allclose(values, values[:, :1, :1], atol=1e-3)))
    if ((height, width), (other_height, other_width)) == (LANDSCAPE, PORTRAIT):
        return None  # it takes them as they are
    side = max(height, width, other_height, other_width)
    return InnerSize(side, side, stretched=False)


def _first_convolved(nodes: Mapping[str, Any], picture: str) -> str | None:
    """The tensor that the first convolutions of the picture read; None where they read several."""
    moving = depending(nodes, node_of(picture))
    convolutions = {name for name in moving if nodes[name].op in CONVOLUTIONS}
    read = set()
    for name in convolutions:
        source = sources(nodes[name])[0]
        before = needed(nodes, [source])
        if node_of(source) in moving and not before & convolutions:
            while nodes[node_of(source)].op in PADDING:
                source = sources(nodes[node_of(source)])[0]
            read.add(source)
    return read.pop() if len(read) == 1 else None
