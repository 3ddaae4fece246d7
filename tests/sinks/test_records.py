"""The records file: its lines, and what is left of it when something goes wrong."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from streamer._version import __version__
from streamer.analysis.facts import Crossing, SceneFacts
from streamer.errors import ConfigError, OutputRefused, OutputWriteFailed, SourceNotFound, StreamerError
from streamer.instances import Instances
from streamer.render.cover import Cover, Shape
from streamer.sinks.packed import unpack_masks
from streamer.sinks.records import MaskKind, Records, read_records
from streamer.sinks.stored import StoredRecords
from tests import strategies
from tests.fakes import INFO, LABELS, annotated, person_and_car


def records(path: Path, *, masks: MaskKind = "rle", overwrite: bool = False) -> Records:
    return Records(path, INFO, LABELS, "scripted", masks=masks, overwrite=overwrite)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_lines_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    sink = records(path)
    sink.write(annotated(0, person_and_car()))
    sink.write(annotated(1, Instances.empty()))
    sink.finish()
    stream, first, second, end = (json.loads(line) for line in path.read_text().splitlines())
    assert stream == {
        "type": "stream",
        "schema": 2,
        "source": "in.mp4",
        "width": 64,
        "height": 48,
        "time_base": "1/90000",
        "detector": "scripted",
        "streamer": __version__,
        "rate": "30000/1001",
        "live": False,
        "masks": "rle",
        "labels": {"1": "person", "3": "car"},
    }
    person, car = first.pop("instances")
    assert first == {"type": "frame", "frame": 0, "pts": 0, "time_s": 0.0}
    assert unpack_masks([person.pop("cells")])[0].min() == 1.0
    full = np.zeros((48, 64), np.uint8, order="F")
    full[8:28, 10:20] = 1
    assert person == {
        "class": "person",
        "class_id": 1,
        "score": 0.9876,
        "box_xyxy": [10.0, 8.0, 20.0, 28.0],
        "foot_xy": [15.0, 28.0],
        "track_id": None,
        "state": "inferred",
        "mask_age_s": 0.0,
        "mask": {"size": [48, 64], "counts": coco_mask.encode(full)["counts"].decode()},
        "mask_carried": False,
        "shape": "f" * 64,
    }
    assert car["box_xyxy"] == [30.13, 0.0, 64.0, 20.0], "it ends where the picture does"
    assert car["mask"] is None
    assert second == {"type": "frame", "frame": 1, "pts": 3600, "time_s": 0.04, "instances": []}
    assert end == {
        "type": "end",
        "frames": 2,
        "instances": 2,
        "by_class": {"person": 1, "car": 1},
        "seconds": 0.08,
    }


def test_followed_instances_say_so(tmp_path: Path) -> None:
    followed = replace(
        person_and_car(),
        track_ids=np.array([7, -1], np.int64),
        followed=np.array([True, False]),
        mask_age_s=np.array([0.12, 0], np.float32),
        mask_carried=np.array([True, True]),
    )
    sink = records(tmp_path / "found.jsonl")
    sink.write(annotated(0, followed))
    sink.finish()
    person, car = list(read_records(sink.path))[1]["instances"]
    assert (person["track_id"], person["state"], person["mask_age_s"]) == (7, "followed", 0.12)
    assert (person["mask_carried"], car["mask_carried"]) == (True, False), "the car has no mask"
    assert (car["track_id"], car["state"], car["mask_age_s"]) == (None, "inferred", 0.0)


def test_live_frames_have_a_date(tmp_path: Path) -> None:
    sink = records(tmp_path / "found.jsonl")
    sink.write(annotated(0, Instances.empty(), utc_s=1767225600.25))
    sink.write(annotated(1, Instances.empty()))
    sink.finish()
    _, dated, undated, _ = read_records(sink.path)
    assert dated["utc"] == "2026-01-01T00:00:00.250Z"
    assert "utc" not in undated


def test_polygons(tmp_path: Path) -> None:
    sink = records(tmp_path / "found.jsonl", masks="polygon")
    sink.write(annotated(0, person_and_car()))
    sink.finish()
    stream, frame, _ = read_records(sink.path)
    person, car = frame["instances"]
    assert stream["masks"] == "polygon"
    assert person["mask"]["size"] == [48, 64]
    (outline,) = person["mask"]["polygons"]
    assert sorted(zip(outline[::2], outline[1::2], strict=True)) == [(10, 8), (10, 28), (20, 8), (20, 28)]
    assert car["mask"] is None


def test_no_masks(tmp_path: Path) -> None:
    sink = records(tmp_path / "found.jsonl", masks="none")
    sink.write(annotated(0, person_and_car()))
    sink.finish()
    stream, frame, _ = read_records(sink.path)
    assert stream["masks"] == "none"
    assert all("mask" not in instance and "mask_carried" not in instance for instance in frame["instances"])


def test_without_positions_nothing_says_where_an_object_was(tmp_path: Path) -> None:
    sink = Records(tmp_path / "found.jsonl", INFO, LABELS, "scripted", masks="none", positions=False)
    item = annotated(0, replace(person_and_car(), track_ids=np.array([7, 8])))
    item.cover = Cover((Shape(1, 1, np.full((2, 2), 255, np.uint8), "fill", 8),))
    item.facts = SceneFacts(
        zones=(("door",), ()), crossings=(Crossing(line="gate", direction="in", track_id=7, class_id=1, time_s=0.0),)
    )
    sink.write(item)
    sink.finish()
    stream, frame, _ = read_records(sink.path)
    assert stream["positions"] is False
    assert stream["masks"] == "none"
    assert {key: value for key, value in frame.items() if key != "instances"} == {
        "type": "frame",
        "frame": 0,
        "pts": 0,
        "time_s": 0.0,
        "crossings": [{"line": "gate", "direction": "in", "track_id": 7, "class_id": 1, "time_s": 0.0, "class": "person"}],
        "entries": [],
        "exits": [],
    }
    person, car = frame["instances"]
    assert person == {
        "class": "person",
        "class_id": 1,
        "score": 0.9876,
        "track_id": 7,
        "state": "inferred",
        "mask_age_s": 0.0,
        "zones": ["door"],
    }
    assert set(car) == set(person)
    with pytest.raises(ConfigError, match="does not say where objects were"):
        StoredRecords(sink.path)


def test_records_that_should_say_where_objects_were_and_do_not_are_damaged(tmp_path: Path) -> None:
    sink = records(tmp_path / "found.jsonl")
    sink.write(annotated(0, person_and_car()))
    sink.finish()
    sink.path.write_text(sink.path.read_text().replace('"box_xyxy"', '"box"'))
    with pytest.raises(StreamerError, match=r"found\.jsonl:2: instance 0: it has no box_xyxy"):
        list(read_records(sink.path))


def test_negative_pts_a_hole_in_the_labels_and_more_totals(tmp_path: Path) -> None:
    found = replace(person_and_car(), class_ids=np.array([1, 12], np.int64))
    sink = Records(tmp_path / "found.jsonl", INFO, LABELS, "scripted", totals=lambda: {"tracks": {"person": 1}})
    sink.write(annotated(0, found, pts=-3600))
    sink.write(annotated(1, Instances.empty(), pts=90000, duration=0))
    sink.finish()
    _, frame, _, end = read_records(sink.path)
    assert frame["pts"] == -3600
    assert frame["time_s"] == -0.04
    assert frame["instances"][1]["class"] == "class 12"
    assert end["by_class"] == {"person": 1, "class 12": 1}
    assert end["seconds"] == 1.04
    assert end["tracks"] == {"person": 1}


def test_a_run_without_frames_has_a_beginning_and_an_end(tmp_path: Path) -> None:
    sink = records(tmp_path / "found.jsonl")
    sink.finish()
    stream, end = read_records(sink.path)
    assert stream["type"] == "stream"
    assert (end["frames"], end["seconds"]) == (0, 0.0)


def test_each_line_is_there_as_soon_as_it_is_written(tmp_path: Path) -> None:
    sink = records(tmp_path / "found.jsonl")
    for index in range(3):
        sink.write(annotated(index, person_and_car()))
        assert [line["type"] for line in read_records(sink.path)] == ["stream", *["frame"] * (index + 1)]
    sink.abandon()


def test_a_killed_process_leaves_its_lines(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from tests.fakes import annotated, person_and_car
        from tests.sinks.test_records import records

        sink = records(Path(sys.argv[1]))
        for index in range(20):
            sink.write(annotated(index, person_and_car()))
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    path = tmp_path / "found.jsonl"
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", script, path], cwd=root, check=False, timeout=60)
    assert ended.returncode == -9
    assert [line.get("frame") for line in read_records(path)] == [None, *range(20)]


def test_a_run_that_fails_keeps_what_is_true(tmp_path: Path) -> None:
    sink = records(tmp_path / "found.jsonl")
    sink.write(annotated(0, person_and_car()))
    sink.abandon()
    sink.abandon()
    assert [line["type"] for line in read_records(sink.path)] == ["stream", "frame"]


def test_a_run_that_fails_before_its_first_frame_leaves_nothing(tmp_path: Path) -> None:
    sink = records(tmp_path / "found.jsonl")
    sink.abandon()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    path.write_text("precious")
    with pytest.raises(OutputRefused, match=r"found.jsonl exists already; .*--overwrite"):
        records(path)
    assert path.read_text() == "precious"


def test_an_existing_file_is_replaced_at_the_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    path.write_text("old\n" * 1000)
    failing = records(path, overwrite=True)
    failing.abandon()
    assert path.read_text() == "old\n" * 1000
    sink = records(path, overwrite=True)
    sink.write(annotated(0, Instances.empty()))
    sink.finish()
    assert [line["type"] for line in read_records(path)] == ["stream", "frame", "end"]


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="create the folder first"):
        records(tmp_path / "missing" / "found.jsonl")
    with pytest.raises(OutputRefused, match="Is a directory"):
        records(tmp_path)
    with pytest.raises(OutputRefused, match="File name too long"):
        records(tmp_path / ("x" * 300))


def test_a_pipe_takes_records(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.extend(path.read_text().splitlines()))
    reader.start()
    sink = records(path)
    sink.write(annotated(0, Instances.empty()))
    sink.finish()
    reader.join(10)
    assert [json.loads(line)["type"] for line in read] == ["stream", "frame", "end"]
    assert path.exists()


def test_a_full_disk_fails_and_leaves_whole_lines(tmp_path: Path) -> None:
    sink = records(tmp_path / "found.jsonl")
    sink.write(annotated(0, person_and_car()))
    before = sink.path.read_bytes()
    with largest_file(len(before) + 50), pytest.raises(OutputWriteFailed, match=r"found\.jsonl: File too large; make room"):
        sink.write(annotated(1, person_and_car()))
    sink.abandon()
    assert sink.path.read_bytes() == before


def test_a_source_whose_name_is_no_text(tmp_path: Path) -> None:
    odd = replace(INFO, source=os.fsdecode(b"caf\xe9.mp4"))
    sink = Records(tmp_path / "found.jsonl", odd, {1: "Fußgänger"}, "scripted")
    sink.write(annotated(0, person_and_car()))
    sink.finish()
    assert "Fußgänger" in sink.path.read_text("utf-8")
    assert next(read_records(sink.path))["source"] == "caf?.mp4"


def test_writing_after_the_end_is_a_mistake(tmp_path: Path) -> None:
    sink = records(tmp_path / "found.jsonl")
    sink.finish()
    with pytest.raises(ValueError, match="is closed"):
        sink.write(annotated(0, Instances.empty()))


def test_a_cut_last_line_is_left_out(tmp_path: Path) -> None:
    sink = records(tmp_path / "found.jsonl")
    sink.write(annotated(0, person_and_car()))
    sink.write(annotated(1, person_and_car()))
    sink.abandon()
    whole = sink.path.read_bytes()
    sink.path.write_bytes(whole[:-20])
    assert [line["type"] for line in read_records(sink.path)] == ["stream", "frame"]


@pytest.mark.slow
def test_cut_anywhere_it_yields_the_lines_that_are_whole(tmp_path: Path) -> None:
    sink = Records(tmp_path / "found.jsonl", replace(INFO, source="Fußgänger.mp4"), LABELS, "scripted")
    sink.write(annotated(0, person_and_car()))
    sink.finish()
    data = sink.path.read_bytes()
    lines = [json.loads(line) for line in data.splitlines()]
    ends = [index for index, byte in enumerate(data) if byte == ord("\n")]
    for size in range(len(data)):
        sink.path.write_bytes(data[:size])
        assert list(read_records(sink.path)) == lines[: sum(end <= size for end in ends)]


def test_reading_what_is_no_records_file(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    with pytest.raises(SourceNotFound, match="No such file"):
        list(read_records(path))
    records(path).finish()
    stream = path.read_text().splitlines()[0]
    path.write_text(stream + '\n{"type":\n{"type":"end"}\n')
    with pytest.raises(StreamerError, match=r"found.jsonl:2: not JSON"):
        list(read_records(path))
    path.write_text('[{"image_id": 1}]\n')
    with pytest.raises(StreamerError, match="no records file"):
        list(read_records(path))
    path.write_text('{"type":"stream","schema":3}\n')
    with pytest.raises(StreamerError, match="of schema 3, this version reads up to 2; update"):
        list(read_records(path))


def test_the_documentation_names_every_field_and_its_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "records.md").read_text()
    monkeypatch.chdir(tmp_path)
    sink = records(tmp_path / "found.jsonl")
    sink.write(annotated(0, person_and_car()[:1], utc_s=0.0))
    sink.finish()
    stream, frame, end = read_records(sink.path)
    keys = {"positions", *stream, *frame, *frame["instances"][0], *end}
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the examples are short: they leave closing the file to Python
        for example in examples:
            exec(example, {})
    assert capsys.readouterr().out == "0.0 [('person', 0.9876)]\nperson 200 (48, 64)\n"


@pytest.mark.slow
@settings(deadline=None)
@given(st.data(), strategies.sizes(), st.sampled_from(["rle", "polygon", "none"]))
def test_nothing_that_a_detector_says_breaks_them(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, size: tuple[int, int], masks: MaskKind
) -> None:
    width, height = size
    found = data.draw(strategies.shown(*size))
    path = tmp_path_factory.mktemp("records") / "found.jsonl"
    sink = Records(path, replace(INFO, width=width, height=height), LABELS, "odd", masks=masks)
    sink.write(annotated(0, found))
    sink.finish()
    _, line, end = read_records(path)
    assert end["instances"] == len(line["instances"])
    for instance in line["instances"]:
        left, top, right, bottom = instance["box_xyxy"]
        assert 0 <= left <= right <= width
        assert 0 <= top <= bottom <= height
        assert 0 <= instance["score"] <= 1
        assert instance["mask_age_s"] >= 0
        assert masks == "none" or instance["mask"] is not None or instance["mask_carried"] is False
        if masks == "rle" and instance["mask"] is not None:
            assert instance["mask"]["size"] == [height, width]
            assert coco_mask.area(instance["mask"]) <= width * height
