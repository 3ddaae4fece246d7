"""What a second look says of a detection: whether its class is there, or a related one instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.deeplab import CLASSES, MEMBERS

Floats = NDArray[np.float32]

ABSENT_SHARE = 0.01
"""Less of the box than this: the class is not seen there."""
OTHER_SHARE = 0.25
"""A class that takes so much of the box is what is there."""
EMPTY_SHARE = 0.95
"""A box with more background than this holds nothing that DeepLab knows."""
UNSEEN_FACTOR = 0.75
"""What the score is multiplied by where nothing is seen of the class."""

THIN = frozenset({"bicycle"})
"""Classes of which DeepLab often sees nothing, since most of their box is what is behind them: that says nothing."""

ANIMALS = frozenset({"bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "teddy bear"})
CAR_LIKE = frozenset({"cell phone", "chair", "remote", "suitcase", "mouse", "keyboard", "laptop"})
"""What the detector takes cars for that it sees from straight above."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What was seen in one box."""

    mask: Floats | None
    """float32 (CELLS, CELLS), or None where there is no outline to show."""
    class_name: str
    """The detector's class, or the one that is clearly there instead."""
    score_factor: float = 1.0
    """What the score is to be multiplied by, 0..1."""


def judge(seen: Floats, name: str) -> Opinion:
    """The class and how much its score is worth, from what DeepLab sees in the box: (cells, cells, 21); no mask."""
    likeliest = seen.argmax(axis=-1)
    shares = {known: float((likeliest == at).mean()) for at, known in enumerate(CLASSES)}
    own = sum(shares[CLASSES[member]] for member in MEMBERS.get(name, []))
    if own > ABSENT_SHARE:
        return Opinion(None, _closer(name, shares))
    best = max((known for known in CLASSES[1:] if known != "person"), key=lambda known: shares[known])
    related = (name in ANIMALS and best in ANIMALS) or (name in CAR_LIKE and best == "car")
    if related and shares[best] > OTHER_SHARE:
        return Opinion(None, best)
    if name in MEMBERS and name not in THIN and shares["background"] > EMPTY_SHARE:
        return Opinion(None, name, UNSEEN_FACTOR)
    return Opinion(None, name)


def _closer(name: str, shares: Mapping[str, float]) -> str:
    """The animal of the same kind that is seen instead of the named one, of which there is next to nothing."""
    if name not in ANIMALS or shares.get(name, 0.0) > ABSENT_SHARE:
        return name
    best = max((known for known in ANIMALS if known in shares), key=lambda known: shares[known])
    return best if shares[best] > OTHER_SHARE else name
