"""Records that somebody has edited, cut or joined: every command that reads them answers, or says what is wrong in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.analysis.places import Places
from streamer.annotation import annotate
from streamer.comparison.comparing import compare
from streamer.config.annotate import load_annotate_config
from streamer.config.zones import places_of
from streamer.datasets.export import FORMATS, export
from streamer.datasets.importing import READERS, import_annotations
from streamer.errors import StageFailed, StreamerError
from streamer.redrawing import render
from streamer.stored_analysis import analyse
from tests.media import ffmpeg

pytestmark = pytest.mark.slow

OF_A_VIDEO = {"label-studio", "fiftyone"}
EXPORTED = {"yolo": "yolo-seg"}
FILES = {"coco": "annotations.json", "cvat": "annotations.xml", "youtube-vis": "annotations.json"}
ZONES = "zones: {half: {polygon: [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}}\nlines: {l: {points: [[0.5, 0], [0.5, 1]]}}\n"
SIZED = {"size": [48, 64]}
VALUES: list[Any] = [
    *(None, True, 0, -1, 2**31, 2**63, -(2**70), 1e308, float("nan"), float("inf"), 0.5, "", "x", "1/0", "-1/90000", "1e999"),
    *([], {}, [1], [[1, 2], [3]], {"a": 1}, [0, 0, 0, 0], ["a"] * 4, [None] * 4, [1e300] * 4, [2, 2, -5, -5], "\ud800", "end"),
    *({**SIZED, "counts": "abc"}, {**SIZED, "counts": [1, 2]}, {"size": [1, 1], "counts": ""}, {**SIZED, "polygons": [[0]]}),
    *({**SIZED, "polygons": [[0, 0, 1e9, 0, 1e9, 1e9]]}, {"size": [2**40, 2**40], "counts": "0"}),
]
"""What stands where something else is expected."""
TEXTS = (b"\0", b"\n", b"\xff\xfe", b"{}\n", b"[]\n", b"null\n", b"1\n", b'"x"\n')


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording, its records, zones, and the records in each format."""
    folder = tmp_path_factory.mktemp("good")
    source = "color=white:s=64x48:r=25:d=0.2,format=gray,geq=lum='230-10*N',format=yuv420p"
    ffmpeg("-f", "lavfi", "-i", source, folder / "in.mp4")
    annotate(folder / "in.mp4", folder / "o.mp4", detector="tests.bright:Bright", track=True, detections=folder / "found.jsonl")
    (folder / "zones.yaml").write_text(ZONES)
    for to in READERS:
        export(folder / "found.jsonl", folder / to, EXPORTED.get(to, to))
    return folder


def places_in(value: object) -> Iterator[tuple[Any, Any]]:
    """Every place in a line: what it is in, and its key or index there."""
    found = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in found:
        yield value, key
        yield from places_in(inner)


@st.composite
def edits(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A way to damage a file of records."""
    kind = draw(st.sampled_from(("value", "value", "value", "key", "line", "bytes", "cut", "text")))
    place = draw(st.floats(0, 1, exclude_max=True))
    value, byte, text = draw(st.sampled_from(VALUES)), draw(st.integers(0, 255)), draw(st.sampled_from(TEXTS))
    where = draw(st.floats(0, 1, exclude_max=True))

    def edit(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        row, at = int(place * len(lines)), int(where * len(content))
        if kind in ("value", "key"):
            line = json.loads(lines[row])
            found = list(places_in(line))
            inside, key = found[int(where * len(found))]
            if kind == "key":
                del inside[key]
            else:
                inside[key] = value
            lines[row] = json.dumps(line).encode() + b"\n"
        elif kind == "line":
            lines.insert(int(where * len(lines)), lines.pop(row))
        elif kind == "bytes":
            return content[:at] + bytes([byte]) + content[at + 1 :]
        elif kind == "cut":
            return content[:at]
        else:
            return content[:at] + text + content[at:]
        return b"".join(lines)

    return edit


def commands(good: Path, found: Path, out: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Everything that reads records, by its name."""
    whole, clip = good / "found.jsonl", good / "in.mp4"
    places: Places = places_of(load_annotate_config(None, {"input": "in.mp4", "zones_file": good / "zones.yaml"}))
    yield "compare, as truth", lambda: compare(found, whole)
    yield "compare, as judged", lambda: compare(whole, found)
    yield "analyse", lambda: analyse(found, places, counts=out / "counts.csv")
    yield "render", lambda: render(clip, out / "drawn.mp4", records=found, preset="ultrafast")
    for to in FORMATS:
        yield f"export {to}", partial(export, found, out / to, to, video=clip if to in OF_A_VIDEO else None)
    for name in READERS:
        file = good / name / FILES.get(name, "")
        yield f"import {name}", partial(import_annotations, file, found, out / f"{name}.jsonl", name)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(edit=edits())
def test_damaged_records_are_read_or_refused(good: Path, tmp_path: Path, edit: Callable[[bytes], bytes]) -> None:
    found, out = tmp_path / "found.jsonl", tmp_path / "out"
    found.write_bytes(edit((good / "found.jsonl").read_bytes()))
    for name, command in commands(good, found, out):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        refused: StreamerError | None = None
        try:
            command()
        except StreamerError as error:
            refused = error
        if refused is not None:
            assert "\n" not in str(refused), name
            assert not isinstance(refused, StageFailed) or isinstance(refused.__cause__, StreamerError), name
        assert [path.name for path in out.iterdir() if ".partial" in path.name] == [], name
