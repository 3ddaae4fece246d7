"""Which family a file belongs to, by its inputs, outputs and metadata; never by its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.detectors.exported.description import Description, Tensor
from streamer.detectors.exported.found import Reader


@dataclass(frozen=True, slots=True)
class Place:
    """The input for the picture."""

    tensor: Tensor
    channels_last: bool
    batch: bool
    """Whether it has an axis for several pictures."""
    size: tuple[int, int] | None
    """Width and height in pixels; None where the file leaves one of them open."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A family that the file is not of."""

    family: str
    fits: int
    """How much of it is there; the nearest family has most."""
    missing: str
    """What is not as in that family, in words."""


_LEAST_SIDE = 16
"""A shorter side is none of a picture, in pixels."""

Match = Callable[[Description, Place], Reader | Miss]


def picture_place(inputs: Sequence[Tensor]) -> Place | str:
    """The input that takes the picture, or why there is none."""
    places = [place for tensor in inputs if (place := _place(tensor)) is not None]
    if len(places) == 1:
        return places[0]
    several = [tensor for tensor in inputs if len(tensor.shape) == 4 and (tensor.shape[0] or 1) > 1 and 3 in tensor.shape[1:]]
    if not places and several:
        return f"it takes {several[0].shape[0]} pictures at once ({several[0].name})"
    if not places and (other := [tensor for tensor in inputs if _is_of_other_channels(tensor)]):
        channels = other[0].shape[1]
        plural = "" if channels == 1 else "s"
        return f"it takes pictures of {channels} channel{plural} ({other[0].name}), not of red, green and blue"
    if not places:
        return "no input is a picture, [1, 3, height, width] or [1, height, width, 3]"
    return f"it takes {len(places)} pictures at once: {', '.join(place.tensor.name for place in places)}"


def _is_of_other_channels(tensor: Tensor) -> bool:
    """Whether it takes pictures with channels first, of another number than three."""
    shape = tensor.shape
    return len(shape) == 4 and shape[1] in (1, 2, 4) and all(side is None or side >= _LEAST_SIDE for side in shape[2:])


def _place(tensor: Tensor) -> Place | None:
    shape = tensor.shape
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[0] not in (None, 1)):
        return None
    sides = shape[-3:]
    # Exporters of Transformers leave even the number of colours open, which come first there.
    if sides[0] == 3 or (len(shape) == 4 and sides == (None, None, None)):
        height, width, last = sides[1], sides[2], False
    elif sides[2] == 3:
        height, width, last = sides[0], sides[1], True
    else:
        return None
    return Place(tensor, last, len(shape) == 4, (width, height) if width and height else None)


def cells(size: tuple[int, int] | None, strides: Sequence[int]) -> int | None:
    """How many places networks with these strides have in an input of ``size`` (width, height); None where that is open."""
    if size is None:
        return None
    return sum(math.ceil(size[0] / stride) * math.ceil(size[1] / stride) for stride in strides)


def sizes(description: Description) -> dict[int, tuple[int, ...]]:
    """The shapes of the outputs by their place, without a leading 1; those with a size that is not known are left out."""
    found: dict[int, tuple[int, ...]] = {}
    for at, tensor in enumerate(description.outputs):
        shape = tensor.shape[1:] if tensor.shape[:1] in ((1,), (None,)) else tensor.shape
        known = [size for size in shape if size is not None]
        if len(known) == len(shape):
            found[at] = tuple(known)
    return found


def nearest(misses: Sequence[Miss]) -> Miss:
    """The family that lacks least."""
    return max(misses, key=lambda miss: miss.fits)
