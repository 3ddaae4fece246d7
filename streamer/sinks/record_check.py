"""What a line of records must be like, so that whoever reads them meets no surprise in a file that somebody has edited."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from streamer.analysis.observation import CELLS

_LARGEST = 1e15
"""Numbers of pixels, seconds and the like are below this; seconds may count from 1970."""
_MOST = 2**63
"""Whole numbers are held in 64 bits."""
_LARGEST_SIDE_PX = 65_535
_SHAPE = re.compile(rf"[0-9a-f]{{{CELLS * CELLS // 8 * 2}}}")
_NUMBERED = re.compile(r"-?[0-9]{1,19}")

Check = Callable[[Any], bool]


def wrong_in(line: object, *, placed: bool = True) -> str:
    """What is wrong in a line, in words; empty where it can be read. Keys that are not known are left alone.

    ``placed``: whether it must say where objects were.
    """
    if not isinstance(line, dict):
        return "it is no object"
    kind = line.get("type")
    if not _text(kind):
        return "it has no type"
    if kind == "stream":
        return _wrong_among(line, _STREAM)
    if kind != "frame":
        return ""
    wrong = _wrong_among(line, _FRAME)
    if wrong:
        return wrong
    for row, one in enumerate(line["instances"]):
        if not isinstance(one, dict):
            return f"instance {row} is no object"
        if placed and "box_xyxy" not in one:
            return f"instance {row}: it has no box_xyxy"
        if wrong := _wrong_among(one, _INSTANCE):
            return f"instance {row}: {wrong}"
    return ""


def _wrong_among(values: Mapping[str, Any], expected: Mapping[str, tuple[bool, Check]]) -> str:
    for key, (needed, fits) in expected.items():
        if key not in values:
            if needed:
                return f"it has no {key}"
        elif not fits(values[key]):
            return f"{key}: unexpected {str(values[key])[:40]}"
    return ""


def _text(value: object) -> bool:
    return type(value) is str


def _whole(value: object) -> bool:
    return type(value) is int and -_MOST <= value < _MOST


def _number(value: object) -> bool:
    return (type(value) is float or type(value) is int) and -_LARGEST < value < _LARGEST  # which NaN is not


def _side(value: object) -> bool:
    return type(value) is int and 0 < value <= _LARGEST_SIDE_PX


def _fraction(value: object) -> bool:
    return type(value) is str and _as_fraction(value) is not None


def _positive_fraction(value: object) -> bool:
    made = _as_fraction(value) if type(value) is str else None
    return made is not None and made > 0


def _as_fraction(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def _labels(value: object) -> bool:
    return isinstance(value, dict) and all(_NUMBERED.fullmatch(key) is not None and _text(name) for key, name in value.items())


def _list_of(count: int) -> Check:
    return lambda value: type(value) is list and len(value) == count and all(map(_number, value))


def _or_none(fits: Check) -> Check:
    return lambda value: value is None or fits(value)


def _any_list(value: object) -> bool:
    return type(value) is list


def _object(value: object) -> bool:
    return isinstance(value, dict)


def _shape(value: object) -> bool:
    return type(value) is str and _SHAPE.fullmatch(value) is not None


_STREAM: Mapping[str, tuple[bool, Check]] = {
    "source": (True, _text),
    "width": (True, _side),
    "height": (True, _side),
    "time_base": (True, _positive_fraction),
    "detector": (True, _text),
    "masks": (True, lambda value: value in ("rle", "polygon", "none")),
    "positions": (False, lambda value: type(value) is bool),
    "rate": (False, _or_none(_positive_fraction)),
    "labels": (False, _labels),
    "fingerprint": (False, _or_none(_text)),
    "shift_s": (False, _fraction),
    "start_s": (False, _or_none(_number)),
    "end_s": (False, _or_none(_number)),
}
_FRAME: Mapping[str, tuple[bool, Check]] = {
    "frame": (True, _whole),
    "pts": (True, _whole),
    "time_s": (True, _number),
    "utc": (False, _text),
    "looked_s": (False, _or_none(_number)),
    "cover": (False, _object),
    "instances": (True, _any_list),
}
_INSTANCE: Mapping[str, tuple[bool, Check]] = {
    "class": (True, _text),
    "class_id": (True, _whole),
    "score": (True, _number),
    "box_xyxy": (False, _list_of(4)),
    "full_box_xyxy": (False, _list_of(4)),
    "foot_xy": (False, _or_none(_list_of(2))),
    "shape": (False, _or_none(_shape)),
    "track_id": (True, _or_none(_whole)),
    "mask_age_s": (False, _number),
    "opacity": (False, _number),
    "mask": (False, _or_none(_object)),
    "cells": (False, _or_none(_text)),
}
