"""All families of networks, and the one that a file is of."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.detectors.exported import answers, finished_rows, nanodet_rows, queries, yolo, yolox
from streamer.detectors.exported.description import Description
from streamer.detectors.exported.found import Reader
from streamer.detectors.exported.recognition import Match, Miss, Place, nearest
from streamer.errors import DetectorContractError

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


def _is_map(shape: tuple[int | None, ...], place: Place) -> bool:
    """Whether an output has the proportions of the input, [1, height, width] or [1, N, height, width]."""
    if len(shape) not in (_BATCHED_MAP - 1, _BATCHED_MAP) or place.size is None:
        return False
    width, height = place.size
    ends = (shape[-2:], shape[-3:-1]) if len(shape) == _BATCHED_MAP else (shape[-2:],)
    return any(y and x and x * height == y * width and 1 < x <= width for y, x in ends)


def recognise(description: Description, place: Place, only: str | None = None) -> Reader:
    """The reader for a file whose shapes are known, of the family ``only`` where that is named.

    Raises ``DetectorContractError`` for a file of no known family, with the nearest one and what is missing.
    """
    task = description.metadata.get("task", "")
    if task in OTHER_TASKS:
        raise DetectorContractError(
            f"{description.file} is {OTHER_TASKS[task]} (task: {task})",
            hint="streamer needs one that detects or segments objects",
        )
    shapes = [tensor.shape for tensor in description.outputs]
    if len(shapes) == 1 and len(shapes[0]) <= 2 and not finished_rows.is_one(description):
        raise DetectorContractError(
            f"{description.file} looks like a classification model: its only output is {description.outputs[0]}",
            hint="streamer needs one that detects or segments objects",
        )
    if only is None and (what := _maps_alone(description, place)):
        raise DetectorContractError(
            f"{description.file} looks like {what}: {', '.join(f'{tensor.name} {tensor}' for tensor in description.outputs)}",
            hint="streamer needs one that answers with boxes",
        )
    of_libreyolo = description.metadata.get("model_family", "")
    if of_libreyolo and only is None and of_libreyolo not in LIBREYOLO:
        raise DetectorContractError(
            f"{description.file} is of LibreYOLO's family {of_libreyolo}, which is not known here",
            hint=f"{description.file.with_suffix('.yaml').name} beside it may say what its outputs are",
        )
    misses: list[Miss] = []
    for match in MATCHES.values() if only is None else [MATCHES[only]]:
        found = match(description, place)
        if not isinstance(found, Miss):
            return found
        misses.append(found)
    near = nearest(misses)
    raise DetectorContractError(
        f"{description.file} is of no known family; nearest is {near.family}, but there {near.missing}",
        hint=f"streamer models check {description.file} shows what it has; {description.file.with_suffix('.yaml').name} "
        "beside it may say the rest",
    )
