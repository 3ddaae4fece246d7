"""There and back: identities, classes, frames and masks of records survive another tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.datasets.export import export
from streamer.datasets.importing import import_annotations
from streamer.datasets.stored_frame import frame_of_name
from streamer.errors import ConfigError, OutputRefused, SourceNotFound, StreamerError
from streamer.sinks.records import read_records
from streamer.sinks.stored import decoded
from tests.datasets.scene import PTS
from tests.datasets.test_export import write_records

FILES = {"coco": "annotations.json", "cvat": "annotations.xml"}


def there_and_back(folder: Path, to: str, every: int = 1) -> tuple[Path, Path, tuple[str, ...]]:
    """The records, those that came back, and the notes."""
    found = write_records(folder / "found.jsonl")
    export(found, folder / to, to, every=every)
    done = import_annotations(folder / to / FILES[to], found, folder / "back.jsonl", to)
    return found, folder / "back.jsonl", done.notes


def objects(line: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = [
        (one["class"], one["class_id"], one["score"], one["track_id"], one["mask"] is not None) for one in line["instances"]
    ]
    return sorted(found, key=lambda one: -one[2])


@pytest.mark.parametrize("to", FILES)
def test_a_round_trip_keeps_what_matters(tmp_path: Path, to: str) -> None:
    found, back, notes = there_and_back(tmp_path, to)
    assert notes == ()
    before, after = list(read_records(found)), list(read_records(back))
    assert [line["type"] for line in after] == [line["type"] for line in before]
    assert after[0]["labels"].items() >= {"1": "person", "3": "car"}.items()
    assert after[-1]["by_class"] == before[-1]["by_class"]
    for was, now in zip(before[1:-1], after[1:-1], strict=True):
        assert [now[key] for key in ("frame", "pts", "time_s")] == [was[key] for key in ("frame", "pts", "time_s")]
        assert objects(now) == objects(was)
        for one, other in zip(was["instances"], now["instances"], strict=True):
            if to == "cvat" and one["class_id"] == 77:
                continue  # it has two parts, of which CVAT's polygons hold one
            assert other["box_xyxy"] == pytest.approx(one["box_xyxy"], abs=1.0)
            if one["mask"] is None:
                continue
            differ = decoded(one["mask"]) != decoded(other["mask"])
            if to == "coco":
                assert not differ.any()
                assert other["foot_xy"] == pytest.approx(one["foot_xy"], abs=1.0)
            elif one["class_id"] == 1:
                assert np.count_nonzero(differ) < 30, "a pixel along the outline"


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        ([1, 3, 30, 40], [1, 3, 31, 43]),
        ([1, 3, 99, 99], [1, 3, 64, 48]),
        ([12, 6, 5, 5], [2, 6, 26, 30]),
        ([0, 0, 0, 0], [2, 6, 26, 30]),
        ([], [2, 6, 26, 30]),
        (None, [2, 6, 26, 30]),
    ],
    ids=["wider", "beyond the picture", "left behind", "empty", "none", "null"],
)
def test_a_box_is_that_of_the_file_where_it_holds_the_mask(tmp_path: Path, bbox: object, expected: list[float]) -> None:
    found = write_records(tmp_path / "found.jsonl")
    export(found, tmp_path / "coco", "coco")
    file = tmp_path / "coco" / "annotations.json"
    data = json.loads(file.read_text())
    data["annotations"][0]["bbox"] = bbox
    file.write_text(json.dumps(data))
    import_annotations(file, found, tmp_path / "back.jsonl", "coco")
    assert list(read_records(tmp_path / "back.jsonl"))[1]["instances"][0]["box_xyxy"] == expected


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("frame_000012.jpg", 12),
        ("images/frame_12.png", 12),
        ("1a2b3c4d-frame_000012.jpg", 12),
        ("frame_000012_jpg.rf.9f8e7d6c5b4a.jpg", 12),
        ("frame_000012.txt", 12),
        ("keyframe_000012.jpg", None),
        ("frame_000012a.jpg", None),
        ("frame_.jpg", None),
        ("frame_\u0661.jpg", None),
        (f"frame_{'9' * 5000}.jpg", None),
    ],
)
def test_names_tell_frames_whatever_tools_put_beside_them(name: str, frame: int | None) -> None:
    assert frame_of_name(name) == frame


def test_frames_that_were_not_exported_are_told(tmp_path: Path) -> None:
    _, back, notes = there_and_back(tmp_path, "coco", every=2)
    assert notes == ("2 of 5 frames are not in the file: nothing is recorded of them",)
    assert [len(line["instances"]) for line in read_records(back) if line["type"] == "frame"] == [4, 0, 0, 0, 4]


def test_what_a_person_drew_in_cvat(tmp_path: Path) -> None:
    found = write_records(tmp_path / "found.jsonl")
    file = tmp_path / "annotations.xml"
    at = 'keyframe="1" occluded="0"'
    file.write_text(
        "<annotations><version>1.1</version>"
        f'<track id="0" label="person"><polygon frame="0" outside="0" {at} points="10,10;30,10;30,20;10,20"/>'
        f'<polygon frame="1" outside="0" {at} points="11,10;31,10;31,20;11,20"/>'
        f'<polygon frame="2" outside="1" {at} points="11,10;31,10;31,20;11,20"/></track>'
        f'<track id="1" label="bicycle"><mask frame="1" outside="0" {at} left="5" top="6" width="3" height="3" '
        'rle="2, 2, 1, 4"/>'
        f'<points frame="1" outside="0" {at} points="5,5"/></track>'
        f'<track id="2" label="person"><box frame="3" outside="0" {at} xtl="-5" ytl="3" xbr="70" ybr="9.5">'
        '<attribute name="track_id">9</attribute></box></track></annotations>'
    )
    done = import_annotations(file, found, tmp_path / "back.jsonl", "cvat")
    assert done.objects == 4
    assert set(done.notes) == {"1 objects are left out, since they are of the kind points", "new classes: bicycle"}
    frames = [line["instances"] for line in read_records(tmp_path / "back.jsonl") if line["type"] == "frame"]
    assert [[(one["class"], one["track_id"]) for one in each] for each in frames] == [
        [("person", 10)],
        [("person", 10), ("bicycle", 11)],
        [],
        [("person", 9)],
        [],
    ]
    assert frames[0][0]["box_xyxy"] == [10, 10, 30, 20]
    assert decoded(frames[0][0]["mask"]).sum() == 200
    assert decoded(frames[1][1]["mask"])[6:9, 5:8].tolist() == [[0, 0, 1], [1, 0, 1], [1, 1, 1]]
    assert frames[3][0]["box_xyxy"] == [0, 3, 64, 9.5]


@pytest.mark.parametrize(
    ("from_", "text", "message"),
    [
        ("coco", "{", "cannot be read as coco"),
        ("coco", "[]", "cannot be read as coco"),
        ("coco", '{"images":[]}', "it has no 'categories'"),
        ("cvat", "<a/>", "its root is a, not annotations"),
        ("cvat", "nothing", "cannot be read as cvat"),
        ("cvat", '<annotations><track label="a"><polygon frame="0" points="1;x"/></track></annotations>', "cannot be read"),
        ("cvat", '<annotations xmlns:q="u"><image id="0"><box q:z="1"/></image></annotations>', "unbound prefix"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, from_: str, text: str, message: str) -> None:
    found = write_records(tmp_path / "found.jsonl")
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(StreamerError, match=message):
        import_annotations(file, found, tmp_path / "back.jsonl", from_)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "found.jsonl"]


def test_the_last_frame_that_can_be_numbered_is_not_lost_in_silence(tmp_path: Path) -> None:
    found = write_records(tmp_path / "found.jsonl")
    file = tmp_path / "annotations.xml"
    box = f'<box frame="{2**63 - 1}" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    file.write_text(f'<annotations><track label="a">{box}</track></annotations>')
    done = import_annotations(file, found, tmp_path / "back.jsonl", "cvat")
    assert done.notes == ("1 objects are in 1 frames that the records do not have",)


def test_wrong_arguments(tmp_path: Path) -> None:
    found = write_records(tmp_path / "found.jsonl")
    with pytest.raises(ConfigError, match="there is no format 'voc' to read; take one of coco, cvat"):
        import_annotations(found, found, tmp_path / "back.jsonl", "voc")
    with pytest.raises(SourceNotFound, match=r"cannot read .*nothing\.json"):
        import_annotations(tmp_path / "nothing.json", found, tmp_path / "back.jsonl", "coco")
    with pytest.raises(OutputRefused, match="is the records"):
        import_annotations(tmp_path / "a.json", found, found, "coco", overwrite=True)


def test_the_command(tmp_path: Path) -> None:
    found = write_records(tmp_path / "found.jsonl")
    export(found, tmp_path / "coco", "coco")
    file = tmp_path / "coco" / "annotations.json"
    data = json.loads(file.read_text())
    data["annotations"][0]["category_id"] = 3
    file.write_text(json.dumps(data))
    arguments = ["import", str(file), "--from", "coco", "--records", str(found), "-o", str(tmp_path / "back.jsonl")]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.output.splitlines()[0].split(":")[0]) == (0, f"{len(PTS)} frames, 16 objects")
    first = next(line for line in read_records(tmp_path / "back.jsonl") if line["type"] == "frame")
    assert first["instances"][0]["class"] == "car"
