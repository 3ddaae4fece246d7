"""Class names by id."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from streamer.errors import ConfigError

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

_NUMBERED = re.compile(r"(\d+)[\s:,]+(\S.*)")


def read_labels(path: Path) -> dict[int, str]:
    """Class names from a file: JSON ``{"1": "ball"}``, lines ``1 ball``, or one name a line, numbered from 1.

    Raises ``ConfigError`` when the file cannot be read or holds no names.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(
            f"the label file {path} cannot be read: {reason}", hint="give a text file with a name a line"
        ) from error
    labels = _from_json(path, text) if text.lstrip().startswith("{") else _from_lines(path, text)
    if not labels:
        raise ConfigError(f"the label file {path} holds no names", hint="write one class name a line")
    return labels


def _from_json(path: Path, text: str) -> dict[int, str]:
    try:
        return {int(key): str(name) for key, name in json.loads(text).items()}
    except ValueError as error:
        raise ConfigError(
            f"the label file {path} is not understood: {error}", hint='in JSON it looks like {"1": "ball", "2": "bat"}'
        ) from error


def _from_lines(path: Path, text: str) -> dict[int, str]:
    lines = [line.strip() for line in text.splitlines()]
    matches = [_NUMBERED.fullmatch(line) for line in lines if line]
    numbered = [match for match in matches if match is not None]
    if not numbered:
        return {i: name for i, name in enumerate(lines, 1) if name}
    if len(numbered) < len(matches):
        odd = next(line for line in lines if line and not _NUMBERED.fullmatch(line))
        raise ConfigError(
            f"the label file {path}: {odd!r} has no number although other lines have one", hint="number all lines or none"
        )
    return {int(match[1]): match[2] for match in numbered}
