"""There and back through every format that can be read: frames, times, classes, identities and masks of any records."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.datasets.export import export
from streamer.datasets.importing import import_annotations
from streamer.errors import StreamerError
from streamer.sinks.records import read_records
from tests.datasets.random_scenes import Object, largest_part_filled, pixels_of, scenes, write

Scene = list[tuple[int, int, list[Object]]]
READ_AS = {"yolo-seg": "yolo", "yolo-detect": "yolo"}
KINDS = {1: "person", 3: "car", 5: "car"}
"""The classes that MOTS knows."""
FILES = {"coco": "annotations.json", "cvat": "annotations.xml", "youtube-vis": "annotations.json"}


def there_and_back(scene: Scene, to: str, every: int) -> list[dict[str, Any]]:
    """The lines of the frames that came back; their times are those of the scene."""
    with tempfile.TemporaryDirectory() as folder:
        found = write(Path(folder) / "found.jsonl", scene)
        export(found, Path(folder) / "out", to, every=every)
        file = Path(folder) / "out" / FILES.get(to, "")
        import_annotations(file, found, Path(folder) / "back.jsonl", READ_AS.get(to, to), every=1 if to == "cvat" else every)
        lines = [line for line in read_records(Path(folder) / "back.jsonl") if line["type"] == "frame"]
    assert [(line["frame"], line["pts"]) for line in lines] == [(index, pts) for index, pts, _ in scene]
    return lines


def pairs(scene: Scene, lines: list[dict[str, Any]], every: int, kept: Callable[[Object], bool]) -> list[tuple[Object, Object]]:
    """Objects that were written and as they came back, in the order of their scores, or of their tracks and classes."""
    out = []
    for place, ((_, _, objects), line) in enumerate(zip(scene, lines, strict=True)):
        before = [one for one in objects if kept(one)] if place % every == 0 else []
        after = line["instances"]
        assert len(after) == len(before)
        out.append((before, after))
    return [pair for before, after in out for pair in zip(sorted(before, key=order), sorted(after, key=order), strict=True)]


def order(one: Object) -> Any:
    return one["class"], one["track_id"] or 0, one["score"]


def identified(one: Object) -> Any:
    return one["class"], one["class_id"], one["track_id"]


@pytest.mark.parametrize("to", ["coco", "youtube-vis"])
@given(scene=scenes(), every=st.integers(1, 2))
def test_everything_is_kept(to: str, scene: Scene, every: int) -> None:
    for was, now in pairs(scene, there_and_back(scene, to, every), every, lambda _: True):
        assert identified(now) == identified(was)
        assert (now["score"], now["mask"], now["box_xyxy"]) == (was["score"], was["mask"], was["box_xyxy"])


@given(scene=scenes(), every=st.integers(1, 2))
def test_cvat_keeps_the_outline_of_the_largest_part(scene: Scene, every: int) -> None:
    for was, now in pairs(scene, there_and_back(scene, "cvat", every), every, lambda _: True):
        assert (*identified(now), now["score"]) == (*identified(was), was["score"])
        if was["mask"] is None:
            assert (now["mask"], now["box_xyxy"]) == (None, was["box_xyxy"])
            continue
        parts, labels = cv2.connectedComponents(pixels_of(was), connectivity=8)
        near = [cv2.dilate((labels == part).astype(np.uint8), np.ones((3, 3), np.uint8)) for part in range(1, parts)]
        assert any((pixels_of(now) <= largest_part_filled(np.asarray(one, np.uint8))).all() for one in near), (
            "a pixel around one of its parts"
        )


@given(scene=scenes(), every=st.integers(1, 2))
def test_yolo_keeps_the_largest_part_filled(scene: Scene, every: int) -> None:
    lines = there_and_back(scene, "yolo-seg", every)
    for (_, _, objects), line in zip(scene[::every], lines[::every], strict=True):
        before = [one for one in objects if one["mask"] is not None]
        now = sorted((one["class"], one["mask"]["counts"], int(pixels_of(one).sum())) for one in line["instances"])
        assert [name for name, _, _ in now] == sorted(one["class"] for one in before)
        areas = sorted((one["class"], int(largest_part_filled(pixels_of(one)).sum())) for one in before)
        assert sorted((name, area) for name, _, area in now) == areas


@given(scene=scenes(), every=st.integers(1, 2))
def test_yolo_keeps_boxes(scene: Scene, every: int) -> None:
    lines = there_and_back(scene, "yolo-detect", every)
    for (_, _, objects), line in zip(scene[::every], lines[::every], strict=True):
        before = sorted((one["class"], one["box_xyxy"]) for one in objects)
        assert sorted((one["class"], [float(round(edge)) for edge in one["box_xyxy"]]) for one in line["instances"]) == before
        assert all(abs(edge - round(edge)) < 0.02 for one in line["instances"] for edge in one["box_xyxy"])


@given(scene=scenes(), every=st.integers(1, 2))
def test_mot_keeps_tracks_and_boxes(scene: Scene, every: int) -> None:
    lines = there_and_back(scene, "mot", every)
    for (_, _, objects), line in zip(scene[::every], lines[::every], strict=True):
        tracked = sorted((one for one in objects if one["track_id"] is not None), key=lambda one: one["score"])
        surest = {one["track_id"]: (identified(one), one["box_xyxy"]) for one in tracked}
        assert {one["track_id"]: (identified(one), one["box_xyxy"]) for one in line["instances"]} == surest
        assert len(line["instances"]) == len(surest)


@given(scene=scenes(), every=st.integers(1, 2))
def test_mots_keeps_masks_where_no_surer_one_is(scene: Scene, every: int) -> None:
    lines = there_and_back(scene, "mots", every)
    for (_, _, objects), line in zip(scene[::every], lines[::every], strict=True):
        kept = [one for one in objects if one["class_id"] in KINDS and one["track_id"] is not None and one["mask"] is not None]
        taken = np.zeros_like(pixels_of(kept[0])) if kept else None
        left, numbers = {}, set()
        for one in sorted(kept, key=lambda one: -one["score"]):
            assert taken is not None
            if (number := (KINDS[one["class_id"]], one["track_id"])) in numbers:
                continue  # a number is there once in a frame
            free = pixels_of(one) & (1 - taken)
            taken |= free
            if free.any():
                numbers.add(number)
                left[identified(one)] = free
        assert {identified(one) for one in line["instances"]} == set(left)
        for one in line["instances"]:
            np.testing.assert_array_equal(pixels_of(one), left[identified(one)])


MOT = "1,7,2,2,4,4,1,1,1\n"


@pytest.mark.parametrize(
    ("from_", "files", "how"),
    [
        ("mot", {"gt.txt": "0,7,2,2,4,4,1,1,1\n"}, "line 1: frame 0: they are counted from 1"),
        ("mot", {"gt.txt": f"{MOT}1,7,2,2\n"}, "expected frame, id, left, top"),
        ("mot", {"gt.txt": f"{MOT}1,8,nan,2,4,4,1,1,1\n"}, "a box of nan"),
        ("mot", {"gt.txt": f"{MOT}inf,8\n"}, "line 2"),
        ("mots", {"gt.txt": "1 2001 2 18 24\n"}, "expected frame id class height width rle"),
        ("mots", {"gt.txt": "1 2001 2 18 25 P\n"}, "a mask of 25x18 in a picture of 24x18"),
        ("mots", {"gt.txt": "1 2001 2 18 24 P\n"}, "cut short"),
        ("yolo", {"data.yaml": "names: [a]"}, "there are no files like frame_000012.txt"),
        ("yolo", {"data.yaml": "names: [a", "labels/frame_000000.txt": ""}, "is no YAML"),
        ("yolo", {"data.yaml": "[]", "labels/frame_000000.txt": ""}, "has no names"),
        ("yolo", {"data.yaml": "names: [a]", "labels/frame_000000.txt": "1 0.5 0.5 0.1 0.1"}, "class 1 has no name"),
        ("yolo", {"data.yaml": "names: [a]", "labels/frame_000000.txt": "0 0.5 0.5 0.1"}, "line 1: expected 4 numbers"),
        ("yolo", {"data.yaml": "names: [a]", "labels/frame_000000.txt": "0 0.5 0.5 nan 1"}, "expected numbers"),
        ("youtube-vis", {"a.json": '{"videos": []}'}, "it is of 0 videos"),
        ("youtube-vis", {"a.json": '{"videos": [{"width": 1, "height": 18}]}'}, "its pictures are 1x18, not 24x18"),
        ("youtube-vis", {"a.json": '{"videos": [3]}'}, "cannot be read as youtube-vis"),
        ("coco", {"a.json": '{"categories": [{"id": 1, "name": "a"}], "images": [{"id": 1, "file_name": "frame_0.jpg"}], '
                  '"annotations": [{"image_id": 1, "category_id": 1, "bbox": [NaN, 1, 2, 3]}]}'}, "a box of nan"),
    ],
)  # fmt: skip
def test_what_is_damaged_is_refused(tmp_path: Path, from_: str, files: dict[str, str], how: str) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, [])])
    for name, text in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(text)
    path = tmp_path / "in" / (next(iter(files)) if len(files) == 1 and from_ != "yolo" else "")
    with pytest.raises(StreamerError, match=how):
        import_annotations(path, found, tmp_path / "back.jsonl", from_)
    assert not (tmp_path / "back.jsonl").exists()


def test_what_mot_says_of_other_makers(tmp_path: Path) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, []), (1, 10, [])])
    file = tmp_path / "gt.txt"
    file.write_text(f"{MOT}1,8,2,2,4,4,0,1,1\n2,9,-5,2,9,4,1,3,1\n2,10,2,2,4,4,1,8,0\n9,3,1,1,2,2,1,1,1\n2,4,90,1,2,2,1,1,1\n")
    done = import_annotations(file, found, tmp_path / "back.jsonl", "mot")
    assert set(done.notes) == {
        "1 objects are left out, since they are marked as not to be counted",
        "1 objects are left out, since they are of MOT's class 8",
        "1 objects are left out, since nothing of them is in the picture",
        "1 objects are in 1 frames that the records do not have",
    }
    frames = [line["instances"] for line in read_records(tmp_path / "back.jsonl") if line["type"] == "frame"]
    assert [[(one["class"], one["track_id"], one["box_xyxy"]) for one in each] for each in frames] == [
        [("person", 7, [2, 2, 6, 6])],
        [("car", 9, [0, 2, 4, 6])],
    ]


def test_frames_without_a_yolo_file_are_told(tmp_path: Path) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, []), (1, 10, [])])
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "frame_000001.txt").write_text("0 0.5 0.5 0.5 0.5 0.25\n")
    (tmp_path / "labels" / "classes.txt").write_text("person\n")
    (tmp_path / "data.yaml").write_text("names: {0: bird}\n")
    done = import_annotations(tmp_path / "data.yaml", found, tmp_path / "back.jsonl", "yolo")
    assert set(done.notes) == {
        "1 objects are in classes.txt, whose name tells no frame",
        "1 of 2 frames are not in the file: nothing is recorded of them",
        "new classes: bird",
    }
    last = list(read_records(tmp_path / "back.jsonl"))[2]["instances"]
    assert [(one["class"], one["score"], one["box_xyxy"]) for one in last] == [("bird", 0.25, [6, 4.5, 18, 13.5])]
