"""Names of classes in datasets: one line each, no two alike, and known again."""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streamer.datasets.class_names import ClassNames
from streamer.datasets.export import export
from streamer.datasets.importing import import_annotations
from streamer.sinks.records import read_records
from tests.datasets.random_scenes import LABELS, Object, write

WRITTEN = {
    1: "person",
    3: "car",
    5: "car (5)",
    17: 'dog <&> "cat"',
    18: "\U0001f600 #\ufffd\ufffd",
    19: "\ufffd",
    20: "class 20",
}


def box(class_id: int, track: int, score: float) -> Object:
    return {
        "class": LABELS[class_id],
        "class_id": class_id,
        "score": score,
        "box_xyxy": [2.0, 2.0, 9.0, 9.0],
        "track_id": track,
        "state": "inferred",
        "mask": None,
    }


def of_each_class(path: Path) -> Path:
    return write(path, [(0, 0, [box(class_id, class_id, 0.9 - class_id / 100) for class_id in LABELS])])


@given(st.dictionaries(st.integers(0, 99), st.text(st.characters(), max_size=4)))
def test_any_names_are_one_line_and_known_again(labels: dict[int, str]) -> None:
    names = ClassNames(labels)
    assert names.own == labels
    for class_id, name in names.written.items():
        assert names.id_of(name) == class_id
        assert name.strip()
        assert name.splitlines() == [name]
        assert ET.fromstring(f"<a>{name.replace('&', '&amp;').replace('<', '&lt;')}</a>").text == name
        assert yaml.safe_load(json.dumps(name, ensure_ascii=False)) == name


def test_names_that_are_fit_stay_as_they_are() -> None:
    names = ClassNames({1: "person", 2: "a\u00e9 \u6f22 'b': \\"})
    assert names.written == names.own
    assert list(names.notes()) == []


def test_readers_of_yaml_and_xml_read_them(tmp_path: Path) -> None:
    found = of_each_class(tmp_path / "found.jsonl")
    done = export(found, tmp_path / "yolo", "yolo-detect")
    assert "'car' (class 5) is 'car (5)'" in done.notes[-1]
    assert yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_bytes())["names"] == dict(enumerate(WRITTEN.values()))
    export(found, tmp_path / "cvat", "cvat")
    root = ET.parse(tmp_path / "cvat" / "annotations.xml").getroot()
    assert [track.get("label") for track in root.iterfind("track")] == list(WRITTEN.values())
    assert [name.text for name in root.iterfind("meta/task/labels/label/name")] == list(WRITTEN.values())


@pytest.mark.parametrize("to", ["coco", "datumaro", "mot", "youtube-vis"])
def test_a_recording_of_any_name(tmp_path: Path, to: str) -> None:
    found = of_each_class(tmp_path / "found.jsonl")
    found.write_text(found.read_text().replace('"a.mp4"', json.dumps("a\nseqLength=7\udcff.mp4")))
    export(found, tmp_path / "out", to)
    if to == "mot":
        told = configparser.ConfigParser()
        told.read(tmp_path / "out" / "seqinfo.ini", encoding="utf-8")
        assert (told["Sequence"]["name"], told["Sequence"]["seqLength"]) == ("a\ufffdseqLength=7\ufffd", "1")


def test_a_track_of_mot_has_the_class_that_it_has_in_that_frame(tmp_path: Path) -> None:
    frames = [(number, number, [box(class_id, 4, 0.5)]) for number, class_id in enumerate((1, 1, 3, 5, 1))]
    found = write(tmp_path / "found.jsonl", frames)
    export(found, tmp_path / "mot", "mot")
    import_annotations(tmp_path / "mot", found, tmp_path / "back.jsonl", "mot")
    lines = [line for line in read_records(tmp_path / "back.jsonl") if line["type"] == "frame"]
    assert [one["class_id"] for line in lines for one in line["instances"]] == [1, 1, 3, 5, 1]


def test_a_track_twice_in_a_frame_is_once_in_mot(tmp_path: Path) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, [box(1, 4, 0.5), box(3, 4, 0.8)])])
    done = export(found, tmp_path / "mot", "mot")
    assert "1 of 2 objects are left out, since a surer object of their frame has the same track" in done.notes
    assert len((tmp_path / "mot" / "gt" / "gt.txt").read_text().splitlines()) == 1


@pytest.mark.parametrize("to", ["coco", "youtube-vis", "datumaro"])
def test_an_empty_mask_is_none(tmp_path: Path, to: str) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, [{**box(1, 4, 0.5), "mask": {"size": [18, 24], "counts": "`="}}])])
    note = export(found, tmp_path / "out", to).notes[0]
    assert "no mask" in note or "without a mask" in note
