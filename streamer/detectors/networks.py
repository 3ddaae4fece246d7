"""A SavedModel's network as the detector calls it: boxes first, then masks of the objects that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.graph_cut import Cut, fitted

TOLERANCE = 1e-5
"""Most by which a box or score of the two parts may differ from the whole network's: freezing changes the order of sums."""
MASK_TOLERANCE = 1e-4
"""The same for masks, 0..1, behind some fifty more layers. *Measured* on a 1024x1024 export with random weights:
1.4e-5. An outline moves by less than a thousandth of a cell where the mask goes from 0 to 1 within ten."""
TRIED_ROWS = 5
"""Masks of so many rows are compared."""
FEATURES_RANK = 4
"""Dimensions of a feature map: 1, height, width, channels."""

THE_MASKS = "the masks"

Arrays = dict[str, NDArray[np.generic]]


class BoxAnswers(NamedTuple):
    """What a network answers first."""

    outputs: Arrays
    """All outputs but the masks, copied."""
    kept_back: list[Any]
    """What the masks are made from; tensors on the device."""


class Network(Protocol):
    """Calls from one thread at a time."""

    @property
    def has_masks(self) -> bool:
        """Whether :meth:`masks` can be called."""
        ...

    def boxes(self, picture: Any) -> BoxAnswers:
        """For a tensor uint8 (1, height, width, 3)."""
        ...

    def masks(self, answers: BoxAnswers, kept: NDArray[np.intp]) -> NDArray[np.generic]:
        """The masks of the ``kept`` rows, in their order, in the shape of the network's output with so many rows."""
        ...


class WholeNetwork:
    """Computes all masks with the boxes; only those that are wanted are copied."""

    def __init__(
        self, tf: Any, call: Callable[[Any], Mapping[str, Any]], masks_key: str, *, has_masks: bool, keep_alive: object = None
    ) -> None:
        """``call`` answers for a picture with a dictionary of tensors, as long as ``keep_alive`` lives."""
        self._tf = tf
        self._keep_alive = keep_alive
        self._call = call
        self._masks_key = masks_key
        self.has_masks = has_masks

    def boxes(self, picture: Any) -> BoxAnswers:
        """See :class:`Network`."""
        answers = dict(self._call(picture))
        kept_back = [answers.pop(self._masks_key)] if self.has_masks else []
        return BoxAnswers({key: value.numpy() for key, value in answers.items()}, kept_back)

    def masks(self, answers: BoxAnswers, kept: NDArray[np.intp]) -> NDArray[np.generic]:
        """See :class:`Network`."""
        (masks,) = answers.kept_back
        if masks.shape.rank < 3 or (len(kept) and kept.max() >= masks.shape[-3]):  # rows, height, width
            return _array(masks)  # of another shape than it should be: the caller says so
        return _array(self._tf.gather(masks, kept, axis=-3))

    def tried_rows(self, answers: BoxAnswers) -> NDArray[np.intp]:
        """Some rows, far apart and not in their order, on which masks are compared."""
        rows = answers.kept_back[0].shape[-3]
        return np.unique(np.linspace(0, rows - 1, min(rows, TRIED_ROWS)).astype(np.intp))[::-1]

    def different_masks(self, answers: BoxAnswers) -> int:
        """How many of those rows have masks of their own."""
        if answers.kept_back[0].shape.rank < 3:  # rows, height, width
            return 0
        kept = self.tried_rows(answers)
        return len(np.unique(self.masks(answers, kept).reshape(len(kept), -1), axis=0))


class TwoStageNetwork:
    """Cut before its mask head: what nobody wants to see is not computed."""

    has_masks = True

    def __init__(self, tf: Any, parts: Cut) -> None:
        """Import both parts. Raises what TensorFlow raises for a graph that makes no sense."""
        self._tf = tf
        self._keys, self._freed, self._rows = list(parts.outputs), dict(parts.freed), parts.rows
        self._first = _pruned(tf, parts.first, [parts.picture], [*parts.outputs.values(), *parts.handed.values()])
        self._second = _pruned(tf, parts.second, [f"{name}:0" for name in (*parts.handed, *parts.freed)], [parts.masks])

    def boxes(self, picture: Any) -> BoxAnswers:
        """See :class:`Network`."""
        answers = self._first(picture)
        outputs = {key: value.numpy() for key, value in zip(self._keys, answers, strict=False)}
        return BoxAnswers(outputs, list(answers[len(outputs) :]))

    def masks(self, answers: BoxAnswers, kept: NDArray[np.intp]) -> NDArray[np.generic]:
        """See :class:`Network`."""
        given = []
        for tensor in answers.kept_back:
            # Feature maps are megabytes that stay where they are, and have no rows.
            is_features = tensor.shape.rank == FEATURES_RANK
            given.append(tensor if is_features else self._constant(fitted(tensor.numpy(), self._rows, kept)))
        given += [self._constant(fitted(values, self._rows, kept)) for values in self._freed.values()]
        (masks,) = self._second(*given)
        return _array(masks)

    def _constant(self, values: NDArray[np.generic]) -> Any:
        return self._tf.constant(values)


def difference(found: BoxAnswers, two: TwoStageNetwork, expected: BoxAnswers, whole: WholeNetwork) -> tuple[float, str]:
    """The most by which two networks' answers for one picture differ, in tolerances, and which output that is, in words.

    Of the masks, some rows far apart are compared. Infinite where shapes differ, or where one holds no numbers.
    """
    kept = whole.tried_rows(expected)
    pairs = {key: (values, expected.outputs[key]) for key, values in found.outputs.items()}
    pairs[THE_MASKS] = two.masks(found, kept), whole.masks(expected, kept)
    worst = 0.0, "nothing differs"
    for key, (ours, theirs) in pairs.items():
        if ours.shape != theirs.shape:
            return float("inf"), f"{key} have the shape {list(ours.shape)} instead of {list(theirs.shape)}"
        apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
        most = float(apart.max(initial=0.0)) if np.isfinite(apart).all() else float("inf")
        tolerance = MASK_TOLERANCE if key == THE_MASKS else TOLERANCE
        if most / tolerance > worst[0]:
            worst = most / tolerance, f"{key} differ by {most:g}"
    return worst


def _array(tensor: Any) -> NDArray[np.generic]:
    return np.asarray(tensor.numpy())


def _pruned(tf: Any, graph: Any, feeds: list[str], fetches: list[str]) -> Any:
    imported = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
    element = imported.graph.as_graph_element
    return imported.prune([element(name) for name in feeds], [element(name) for name in fetches])
