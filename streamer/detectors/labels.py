"""The class names of COCO, at the ids that models give them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

_COCO_NAMES = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, , stop sign, "
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, , backpack, umbrella, , , "
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, "
    "surfboard, tennis racket, bottle, , wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, "
    "broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, , dining table, , , toilet, , tv, "
    "laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, , book, clock, vase, "
    "scissors, teddy bear, hair drier, toothbrush"
)

COCO: Mapping[int, str] = MappingProxyType({i: name for i, name in enumerate(_COCO_NAMES.split(", "), 1) if name})
"""COCO 2017's 80 classes at their ids within 1..90, which have holes."""

COCO80: Mapping[int, str] = MappingProxyType(dict(enumerate(COCO.values())))
"""The same classes at 0..79, without holes."""

NAMED: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "coco": COCO,
        "coco-from-0": MappingProxyType({i - 1: name for i, name in COCO.items()}),
        "coco80": COCO80,
        "coco80-from-1": MappingProxyType({i + 1: name for i, name in COCO80.items()}),
    }
)
"""What a setting may name in place of a file of labels: ids 1..90 and 0..89 with COCO's holes, 0..79 and 1..80 without."""


def misfit(seen: Collection[int], labels: Mapping[int, str]) -> str:
    """Why class ids that a model gave (``seen``) do not fit its labels, with the option that mends it; empty when they fit.

    One line. What fits may be wrong all the same: of ids that are shifted by one, only those beyond the labels tell.
    """
    strange = sorted(set(seen) - set(labels))
    if not strange:
        return ""
    begin = f"class {strange[0]} has no name"
    is_coco = set(labels.values()) == set(COCO.values())
    if is_coco:
        fitting = [name for name, ids in NAMED.items() if ids != labels and set(seen) <= set(ids)]
        if fitting:
            from_0 = min(seen) == 0 and min(labels) == 1
            why = (
                "its ids begin at 0, the labels' at 1" if from_0 else "it numbers COCO's classes in another way than the labels"
            )
            return f"{begin}: {why}; give --labels {' or '.join(fitting)}"
    if min(seen) == 0 and min(labels) == 1:
        return f'{begin}: its ids begin at 0, the labels\' at 1; give --labels FILE with lines from "0 NAME" on'
    known = "COCO's" if is_coco else "the labels"
    return f"{begin}: it knows other classes than {known} ({min(labels)} to {max(labels)}); name them by --labels FILE"
