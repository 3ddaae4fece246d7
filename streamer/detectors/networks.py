"""A SavedModel's network as the detector calls it: boxes first, then masks of the objects that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.graph_cut import Cut, fitted
from streamer.detectors.graph_def import function_of

TOLERANCE = 1e-5
"""Most by which a box or score of the two parts may differ from the whole network's: the order of sums is another."""
MASK_TOLERANCE = 5e-5
"""The same for masks, 0..1, behind some fifty more layers. *Measured* on an export of 256x256 with random weights: 1.9e-5. An
outline moves by less than a thousandth of a cell where the mask goes from 0 to 1 within ten."""
FEW_ROWS = 5
"""Of so many rows, far apart and not in their order, masks are compared on most pictures."""
RANK_OF_MASKS = 3
"""Dimensions of masks: rows, height, width."""
FEATURES_RANK = 4
"""Dimensions of a feature map: 1, height, width, channels."""

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


@dataclass(frozen=True, slots=True)
class Trial:
    """A picture, and what the whole network answers for it."""

    picture: Any
    """Tensor uint8 (1, height, width, 3)."""
    outputs: Arrays
    """All outputs but the masks."""
    masks: NDArray[np.generic]
    """Those of all rows (N, M, M)."""

    @property
    def tells_masks_apart(self) -> bool:
        """Whether its masks differ."""
        if self.masks.ndim != RANK_OF_MASKS or self.masks.size == 0:
            return False
        return bool((self.masks != self.masks[0]).any())


class WholeNetwork:
    """Computes all masks with the boxes; only those that are wanted are copied."""

    def __init__(
        self,
        tf: Any,
        call: Callable[[Any], Mapping[str, Any]],
        keys: tuple[str, str],
        *,
        has_masks: bool,
        keep_alive: object = None,
    ) -> None:
        """``call`` answers for a picture with a dictionary of tensors, as long as ``keep_alive`` lives.

        ``keys`` are those of boxes and masks in it.
        """
        self._tf = tf
        self._keep_alive = keep_alive
        self._call = call
        self._boxes_key, self._masks_key = keys
        self.has_masks = has_masks

    def boxes(self, picture: Any) -> BoxAnswers:
        """See :class:`Network`."""
        answers = dict(self._call(picture))
        kept_back = [answers.pop(self._masks_key)] if self.has_masks else []
        return BoxAnswers({key: value.numpy() for key, value in answers.items()}, kept_back)

    def masks(self, answers: BoxAnswers, kept: NDArray[np.intp]) -> NDArray[np.generic]:
        """See :class:`Network`."""
        (masks,) = answers.kept_back
        shape, boxes = tuple(masks.shape), answers.outputs[self._boxes_key].shape
        if len(boxes) < 2 or shape[-RANK_OF_MASKS:-2] != boxes[-2:-1] or shape[:-RANK_OF_MASKS] not in ((), (1,)):
            return _array(masks)  # of another shape than it should be: the caller says so
        return _array(self._tf.gather(masks, kept, axis=-RANK_OF_MASKS))

    def tried(self, picture: Any) -> Trial:
        """What it answers for ``picture``, copied, with all masks."""
        answers = self.boxes(picture)
        masks = answers.kept_back[0].numpy()
        return Trial(picture, answers.outputs, masks[0] if masks.ndim > RANK_OF_MASKS and len(masks) == 1 else masks)


class TwoStageNetwork:
    """Cut before its mask head: what nobody wants to see is not computed."""

    has_masks = True

    def __init__(self, tf: Any, parts: Cut) -> None:
        """Import both parts. Raises what TensorFlow raises for a graph that makes no sense."""
        self._tf = tf
        self._keys, self._freed, self._rows = list(parts.outputs), dict(parts.freed), parts.rows
        weights = {f"{name}:0": tf.constant(values) for name, values in parts.weights.items()}
        self._first = function_of(tf, parts.first, [parts.picture], [*parts.outputs.values(), *parts.handed.values()], weights)
        rows = [f"{name}:0" for name in (*parts.handed, *parts.freed)]
        self._second = function_of(tf, parts.second, rows, [parts.masks], weights)

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


def difference(network: TwoStageNetwork, trials: Sequence[Trial]) -> tuple[float, str]:
    """The most by which the parts' answers differ from the whole network's, in tolerances, and which output that is, in words.

    Infinite where shapes differ, or where one holds no numbers. Masks of all rows are compared on the first picture, masks of a
    few on all of them, the first picture being the last once more: what goes wrong at a second call of the same size is seen.
    """
    rows = np.arange(len(trials[0].masks))
    few = np.unique(np.linspace(0, len(rows) - 1, FEW_ROWS).astype(np.intp))[::-1]
    calls = [(trials[0], rows[::-1]), *((trial, few) for trial in (*trials[1:], trials[0]))]
    worst = 0.0, "nothing differs"
    for trial, kept in calls:
        found = network.boxes(trial.picture)
        pairs = {key: (values, trial.outputs[key], TOLERANCE) for key, values in found.outputs.items()}
        masks = network.masks(found, kept)
        pairs["the masks"] = masks.reshape(-1, *masks.shape[-2:]), trial.masks[kept], MASK_TOLERANCE
        for key, (ours, theirs, tolerance) in pairs.items():
            if ours.shape != theirs.shape:
                return float("inf"), f"{key} have the shape {list(ours.shape)} instead of {list(theirs.shape)}"
            apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
            most = float(apart.max(initial=0.0)) if np.isfinite(apart).all() else float("inf")
            if most / tolerance > worst[0]:
                worst = most / tolerance, f"{key} differ by {most:g}"
    return worst


def _array(tensor: Any) -> NDArray[np.generic]:
    return np.asarray(tensor.numpy())
