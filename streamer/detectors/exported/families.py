"""All families of networks, and the one that a file is of."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from streamer.detectors.exported import answers, finished_rows, nanodet_rows, queries, yolo, yolox
from streamer.detectors.exported.description import Description
from streamer.detectors.exported.found import Reader
from streamer.detectors.exported.recognition import Match, Miss, Place, nearest
from streamer.errors import ModelRefused

MATCHES: Mapping[str, Match] = {
    "nanodet": nanodet_rows.match,
    "yolo": yolo.match,
    "yolox": yolox.match,
    "rf-detr": queries.match,
    "answers": answers.match,
    "rows": finished_rows.match,
}
"""In this order: what is more particular comes first."""
LIBREYOLO = ("yolox", "yolo9", "yolo9_p2", "rfdetr", *queries.SIGMOID)
"""Families of LibreYOLO, which names them in the metadata, that are known here. Others may have the shapes of a known one, and
mean something else."""
OTHER_TASKS = {
    "classify": "a classification model, which says what a picture shows but not where",
    "pose": "a pose model, which answers with joints",
    "obb": "a model of turned boxes",
    "semantic": "a model of semantic segmentation, which tells no objects apart",
    "depth": "a model of depth",
}


_HEAD_STRIDES = (4, 8, 16, 32, 64)
"""Pixels of the input, along a side, for one cell of a head's map."""
_BATCHED_MAP = 4
"""Axes of an output [1, N, height, width]."""


def _maps_alone(description: Description, place: Place) -> str | None:
    """What a file is that answers with maps of the picture and no boxes; None where it may be something else."""
    maps = [tensor.shape for tensor in description.outputs if _is_map(tensor.shape, place)]
    others = [tensor.shape for tensor in description.outputs if tensor.shape not in maps]
    if len(maps) == 1 and not others:
        return "a model of depth or of semantic segmentation, which tells no objects apart"
    batched = [shape[:2] for shape in maps if len(shape) == _BATCHED_MAP]
    boxes = any(shape[-1:] in ((4,), (5,)) for shape in others)
    # Some give what lies between the layers, too.
    if not boxes and any(len(shape) == _BATCHED_MAP - 1 and shape[:2] in batched for shape in others):
        return "a model that gives masks and classes without boxes, as MaskFormer and Mask2Former do"
    return None


def _heads_alone(description: Description, place: Place) -> bool:
    """Whether each output is a map with one cell for so many pixels, of several such numbers: boxes are not decoded yet."""
    if place.size is None:
        return False
    strides = set()
    for tensor in description.outputs:
        sides = [(y, x) for y, x in pairwise(tensor.shape) if y and x and y > 1 and x > 1]
        fitting = [place.size[1] // y for y, x in sides if place.size[1] // y == place.size[0] // x and place.size[1] % y == 0]
        if len(tensor.shape) < _BATCHED_MAP or not set(fitting) & set(_HEAD_STRIDES):
            return False
        strides |= set(fitting) & set(_HEAD_STRIDES)
    return len(strides) > 1


def _is_one_row(shape: tuple[int | None, ...]) -> bool:
    return len(shape) == 2 and shape[0] in (None, 1)


def _is_map(shape: tuple[int | None, ...], place: Place) -> bool:
    """Whether an output has the proportions of the input, [1, height, width] or [1, N, height, width]."""
    if len(shape) not in (_BATCHED_MAP - 1, _BATCHED_MAP) or place.size is None:
        return False
    width, height = place.size
    ends = (shape[-2:], shape[-3:-1]) if len(shape) == _BATCHED_MAP else (shape[-2:],)
    return any(y and x and x * height == y * width and 1 < x <= width for y, x in ends)


def recognise(description: Description, place: Place, only: str | None = None) -> Reader:
    """The reader for a file whose shapes are known, of the family ``only`` where that is named.

    Raises ``ModelRefused`` for a file of no known family, with the nearest one and what is missing.
    """
    task = description.metadata.get("task", "")
    if task in OTHER_TASKS:
        raise ModelRefused(
            f"{description.file} is {OTHER_TASKS[task]} (task: {task})",
            hint="streamer needs one that detects or segments objects",
        )
    shapes = [tensor.shape for tensor in description.outputs]
    # A network of places may come without an axis for pictures, and then has rows of many.
    if len(shapes) == 1 and (len(shapes[0]) < 2 or _is_one_row(shapes[0])) and not finished_rows.is_one(description):
        raise ModelRefused(
            f"{description.file} looks like a classification model: its only output is {description.outputs[0]}",
            hint="streamer needs one that detects or segments objects",
        )
    if only is None and (what := _maps_alone(description, place)):
        raise ModelRefused(
            f"{description.file} looks like {what}: {', '.join(f'{tensor.name} {tensor}' for tensor in description.outputs)}",
            hint="streamer needs one that answers with boxes",
        )
    of_libreyolo = description.metadata.get("model_family", "")
    if of_libreyolo and only is None and of_libreyolo not in LIBREYOLO:
        raise ModelRefused(
            f"{description.file} is of LibreYOLO's family {of_libreyolo}, which is not known here",
            hint=f"{description.file.with_suffix('.yaml').name} beside it may say what its outputs are",
        )
    misses: list[Miss] = []
    for match in MATCHES.values() if only is None else [MATCHES[only]]:
        found = match(description, place)
        if not isinstance(found, Miss):
            return found
        misses.append(found)
    if _heads_alone(description, place):
        raise ModelRefused(
            f"{description.file} answers with the maps of its heads, which are not boxes and scores yet: "
            f"{', '.join(f'{tensor.name} {tensor}' for tensor in description.outputs)}",
            hint="export it with its boxes decoded: YOLOv7 has export.py --grid for that, YOLOv5 does without --train",
        )
    near = nearest(misses)
    raise ModelRefused(
        f"{description.file} is of no known family; nearest is {near.family}, but there {near.missing}",
        hint=f"streamer models check {description.file} shows what it has; {description.file.with_suffix('.yaml').name} "
        "beside it may say the rest",
    )
