"""Lines of records that somebody has edited are refused by what is wrong in them, whoever reads them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.config.zones import load_places
from streamer.datasets.export import FORMATS, export
from streamer.errors import StreamerError
from streamer.sinks.record_check import wrong_in
from streamer.sinks.records import read_records
from streamer.sinks.stored import StoredRecords
from streamer.stored_analysis import analyse

STREAM: dict[str, Any] = {
    "type": "stream",
    "schema": 2,
    "source": "a.mp4",
    "width": 64,
    "height": 48,
    "time_base": "1/90000",
    "detector": "nanodet",
    "rate": "25/1",
    "masks": "rle",
    "labels": {"1": "person"},
}
FRAME: dict[str, Any] = {
    "type": "frame",
    "frame": 0,
    "pts": 0,
    "time_s": 0.0,
    "instances": [
        {
            "class": "person",
            "class_id": 1,
            "score": 0.5,
            "box_xyxy": [1.0, 2.0, 30.5, 40.0],
            "foot_xy": [15.0, 40.0],
            "track_id": 7,
            "mask": {"size": [48, 64], "counts": "PP<"},
            "shape": "ff" * 32,
        }
    ],
}
END: dict[str, Any] = {"type": "end", "frames": 1}
BAD: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "x", -1, 0, 1e308, float("nan"), [], {}, [1], True, "9" * 30, 2**70, -(2**70), "0/0", "1/0", ["a"] * 4]
)


def places_in(value: object, at: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from places_in(inner, (*at, key))


@st.composite
def edited(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records of which one value was replaced, or left out."""
    lines = copy.deepcopy([STREAM, FRAME, END])
    *path, last = draw(st.sampled_from([(row, *at) for row, line in enumerate(lines) for at in places_in(line)]))
    inner: Any = lines
    for key in path:
        inner = inner[key]
    if isinstance(inner, dict) and draw(st.booleans()):
        del inner[last]
    else:
        inner[last] = draw(BAD)
    return lines


def test_what_streamer_writes_is_right() -> None:
    assert [wrong_in(line) for line in (STREAM, FRAME, END, {"type": "of a later version"})] == ["", "", "", ""]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ([], "it is no object"),
        ({}, "it has no type"),
        ({**STREAM, "width": 0}, "width: unexpected 0"),
        ({**STREAM, "time_base": "1/0"}, "time_base: unexpected 1/0"),
        ({key: value for key, value in FRAME.items() if key != "pts"}, "it has no pts"),
        ({**FRAME, "instances": [7]}, "instance 0 is no object"),
        (
            {**FRAME, "instances": [{**FRAME["instances"][0], "box_xyxy": [1, 2, 3]}]},
            "instance 0: box_xyxy: unexpected [1, 2, 3]",
        ),
        ({**FRAME, "instances": [{**FRAME["instances"][0], "score": float("nan")}]}, "instance 0: score: unexpected nan"),
    ],
)
def test_what_is_wrong_is_said(line: object, told: str) -> None:
    assert wrong_in(line) == told


def test_the_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in (STREAM, {**FRAME, "time_s": "soon"})))
    with pytest.raises(StreamerError, match=r"found\.jsonl:2: time_s: unexpected soon"):
        list(read_records(path))


@given(lines=edited())
@settings(max_examples=150)
def test_edited_records_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("edited")
    path, zones = folder / "found.jsonl", folder / "zones.yaml"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    zones.write_text("zones: {all: {polygon: [[0, 0], [1, 0], [1, 1]]}}")
    readers: list[Callable[[], object]] = [
        lambda: analyse(path, load_places(zones)),
        lambda: [stored.instances(line) for stored in [StoredRecords(path)] for line in stored.frames()],
        *(partial(export, path, folder / to, to) for to in FORMATS),
    ]
    for read in readers:
        with suppress(StreamerError):  # any other error fails the test
            read()
