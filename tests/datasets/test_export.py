"""Exports, read back by the formats' own readers: masks to the pixel, identities, times, and what is told to be lost."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from typer.testing import CliRunner

from streamer.annotation import annotate
from streamer.cli.app import app
from streamer.datasets.export import FORMATS, export
from streamer.errors import ConfigError, OutputRefused, RecordsDiffer, StreamerError
from streamer.instances import Instances
from streamer.sinks.records import MaskKind, Records
from tests.datasets.scene import PTS, SCORES, SIDE, Mask, scene, truth
from tests.fakes import INFO, LABELS, annotated
from tests.media import ffmpeg

OF_A_VIDEO = {"label-studio", "fiftyone"}


def write_records(path: Path, masks: MaskKind = "rle") -> Path:
    sink = Records(path, INFO, LABELS, "fake", masks=masks)
    for index, (pts, objects) in enumerate(scene()):
        found = Instances.empty()
        if objects:
            corners = np.array([(x, y, x + SIDE, y + SIDE) for _, _, (x, y), _ in objects], np.float32)
            found = Instances(
                boxes_xyxy=corners,
                scores=np.array(SCORES, np.float32),
                class_ids=np.array([one[0] for one in objects]),
                masks=np.stack([np.zeros((SIDE, SIDE)) if one[3] is None else one[3] for one in objects]).astype(np.float32),
                has_mask=np.array([one[3] is not None for one in objects]),
                track_ids=np.array([one[1] or -1 for one in objects]),
            )
        sink.write(annotated(index, found, pts=pts))
    sink.finish()
    return path


@pytest.mark.parametrize("masks", ["rle", "polygon"])
def test_coco_is_read_by_pycocotools(tmp_path: Path, masks: MaskKind, capfd: pytest.CaptureFixture[str]) -> None:
    done = export(write_records(tmp_path / "found.jsonl", masks), tmp_path / "coco", "coco")
    assert (done.frames, done.objects) == (5, 16)
    assert done.notes == ("4 of 16 objects are without a mask: only their boxes are there",)
    coco = COCO(str(tmp_path / "coco" / "annotations.json"))
    assert "annotation file" not in capfd.readouterr().err
    assert [coco.imgs[index]["pts"] for index in range(5)] == list(PTS)
    assert {each["id"]: each["name"] for each in coco.dataset["categories"]} == {1: "person", 3: "car", 77: "class 77"}
    assert min(coco.anns) == 1, "an id of 0 is no match for COCOeval"
    assert coco.getAnnIds(imgIds=[2]) == []
    for index in (0, 1, 3, 4):
        found = coco.loadAnns(coco.getAnnIds(imgIds=[index]))
        assert [(one["category_id"], one["track_id"]) for one in found] == [(1, 1), (3, 2), (77, None), (3, 9)]
        assert found[0]["bbox"] == [2.0 + 4 * index, 6.0, SIDE, SIDE]
        for row, one in enumerate(found[:3]):
            expected = coco_mask.encode(np.asfortranarray(truth(index, row)))
            if masks == "rle":
                assert one["area"] == truth(index, row).sum()
                assert coco_mask.iou([coco.annToRLE(one)], [expected], [0])[0, 0] == 1.0
            elif row != 1:  # polygons say no holes
                assert coco_mask.iou([coco.annToRLE(one)], [expected], [0])[0, 0] > 0.93


def painted(points: NDArray[np.float64], *, cut: bool) -> Mask:
    """What readers make of an outline in pixels: ultralytics cuts to whole numbers, supervision rounds."""
    picture = np.zeros((INFO.height, INFO.width), np.uint8)
    whole = points if cut else np.rint(points)
    cv2.fillPoly(picture, [whole.astype(np.int32)], (1,))
    return picture


@pytest.mark.parametrize("cut", [True, False])
def test_yolo_outlines_give_the_masks_back(tmp_path: Path, *, cut: bool) -> None:
    done = export(write_records(tmp_path / "found.jsonl"), tmp_path / "yolo", "yolo-seg")
    assert set(done.notes) == {
        "4 of 16 objects are left out, since they have no mask",
        "8 of 16 objects are without their track",
        "12 of 16 objects are without their score",
        "4 of 16 objects are without their smaller parts",
        "4 of 16 objects are with their holes filled",
    }
    folder = tmp_path / "yolo"
    assert yaml.safe_load((folder / "data.yaml").read_text())["names"] == {0: "person", 1: "car", 2: "class 77"}
    files = sorted((folder / "labels" / "train").iterdir())
    assert [path.name for path in files] == [f"frame_{index:06d}.txt" for index in range(5)]
    assert files[2].read_text() == ""
    for index in (0, 1, 3, 4):
        lines = [line.split() for line in files[index].read_text().splitlines()]
        assert [line[0] for line in lines] == ["0", "1", "2"]
        outlines = [np.array(line[1:], np.float64).reshape(-1, 2) * (INFO.width, INFO.height) for line in lines]
        np.testing.assert_array_equal(painted(outlines[0], cut=cut), truth(index, 0))
        filled = truth(index, 1)
        filled[20 + 8 : 20 + 14, 38 + 8 : 38 + 15] = 1
        np.testing.assert_array_equal(painted(outlines[1], cut=cut), filled)
        lower = truth(index, 2)
        lower[:34] = 0
        np.testing.assert_array_equal(painted(outlines[2], cut=cut), lower)


def test_yolo_boxes(tmp_path: Path) -> None:
    export(write_records(tmp_path / "found.jsonl"), tmp_path / "yolo", "yolo-detect")
    (first, *rest) = (tmp_path / "yolo" / "labels" / "train" / "frame_000000.txt").read_text().splitlines()
    number, *shares = map(float, first.split())
    assert number == 0
    assert shares == pytest.approx([14 / 64, 18 / 48, 24 / 64, 24 / 48], abs=1e-6)
    assert len(rest) == 3


def test_mot_keeps_identities_and_counts_frames_from_1(tmp_path: Path) -> None:
    done = export(write_records(tmp_path / "found.jsonl"), tmp_path / "mot", "mot")
    assert "4 of 16 objects are left out, since they have no track" in done.notes
    rows = [line.split(",") for line in (tmp_path / "mot" / "gt" / "gt.txt").read_text().splitlines()]
    assert [(row[0], row[1]) for row in rows] == [(frame, track) for frame in "1245" for track in "129"]
    assert list(map(float, rows[3][2:6])) == [6, 6, SIDE, SIDE]
    info = (tmp_path / "mot" / "seqinfo.ini").read_text()
    assert "seqLength=5\n" in info
    assert "imWidth=64\n" in info


@pytest.mark.parametrize("to", ["mot", "mots"])
def test_a_sequence_has_a_rate_of_1_at_least(tmp_path: Path, to: str) -> None:
    export(write_records(tmp_path / "found.jsonl"), tmp_path / to, to, every=1000)
    assert "frameRate=1\n" in (tmp_path / to / "seqinfo.ini").read_text()


def test_mots_gives_each_pixel_to_one_object(tmp_path: Path) -> None:
    done = export(write_records(tmp_path / "found.jsonl"), tmp_path / "mots", "mots")
    assert set(done.notes) == {
        "4 of 16 objects are left out, since they are neither persons nor cars",
        "4 of 16 objects are left out, since they have no mask",
        "8 of 16 objects are without their score",
    }
    rows = [line.split(" ") for line in (tmp_path / "mots" / "gt" / "gt.txt").read_text().splitlines()]
    assert [row[:5] for row in rows] == [
        [frame, *rest, "48", "64"] for frame in "1245" for rest in (["2001", "2"], ["1002", "1"])
    ]
    first = coco_mask.encode(np.asfortranarray(truth(3, 0)))
    assert rows[4][5] == first["counts"].decode()
    assert "seqLength=5\n" in (tmp_path / "mots" / "seqinfo.ini").read_text()


def test_masks_that_overlap_do_not_in_mots(tmp_path: Path) -> None:
    found = write_records(tmp_path / "found.jsonl")
    found.write_text(found.read_text().replace('"class":"class 77"', '"class":"person"').replace(':null,"state', ':5,"state'))
    done = export(found, tmp_path / "mots", "mots")
    assert "1 of 16 objects are without the pixels that another one has" not in done.notes
    assert any(note.endswith("without the pixels that another one has") for note in done.notes)
    rows = [line.split(" ") for line in (tmp_path / "mots" / "gt" / "gt.txt").read_text().splitlines()]
    of_frame = [{"size": [48, 64], "counts": row[5]} for row in rows if row[0] == "1"]
    assert len(of_frame) == 3
    assert coco_mask.area(coco_mask.merge(of_frame, intersect=True)) == 0
    assert sum(map(int, coco_mask.area(of_frame))) == int(coco_mask.area(coco_mask.merge(of_frame)))


def test_cvat_has_a_track_for_each_object(tmp_path: Path) -> None:
    done = export(write_records(tmp_path / "found.jsonl"), tmp_path / "cvat", "cvat")
    assert set(done.notes) == {
        "12 of 16 objects are outlines, at most 0.75 pixel beside those of their masks",
        "4 of 16 objects are without their holes",
        "4 of 16 objects are boxes, since they have no mask",
        "4 of 16 objects are without their smaller parts",
        "4 of 16 objects are a track of one frame each, since they have no track of their own",
    }
    assert sorted(path.name for path in (tmp_path / "cvat").iterdir()) == ["annotations.xml"]
    root = ET.parse(tmp_path / "cvat" / "annotations.xml").getroot()
    assert root.findtext("meta/task/size") == "5"
    assert [label.text for label in root.iterfind("meta/task/labels/label/name")] == ["person", "car", "class 77"]
    tracks = root.findall("track")
    assert [track.get("id") for track in tracks] == ["1", "2", "10", "9", "11", "12", "13"]
    assert [track.get("label") for track in tracks] == ["person", "car", "class 77", "car", *["class 77"] * 3]
    person = list(tracks[0])
    assert [(shape.get("frame"), shape.get("outside")) for shape in person] == [
        ("0", "0"),
        ("1", "0"),
        ("2", "1"),
        ("3", "0"),
        ("4", "0"),
    ]
    assert {shape.get("keyframe") for shape in person} == {"1"}
    assert {each.text for each in tracks[0].iterfind("polygon/attribute[@name='track_id']")} == {"1"}
    assert {each.text for each in tracks[0].iterfind("polygon/attribute[@name='score']")} == {"0.9000"}
    points = [float(part) for point in str(person[1].get("points")).split(";") for part in point.split(",")]
    drawn = coco_mask.frPyObjects([points], INFO.height, INFO.width)[0]
    assert coco_mask.iou([drawn], [coco_mask.encode(np.asfortranarray(truth(1, 0)))], [0])[0, 0] > 0.93
    assert [(shape.get("frame"), shape.get("outside")) for shape in tracks[2]] == [("0", "0"), ("1", "1")]
    assert (tracks[3][0].tag, tracks[3][0].get("xbr")) == ("box", "34.00")


def test_two_objects_of_a_track_in_one_frame_are_two_tracks_in_cvat(tmp_path: Path) -> None:
    found = write_records(tmp_path / "found.jsonl")
    found.write_text(found.read_text().replace('"track_id":9', '"track_id":2'))
    export(found, tmp_path / "cvat", "cvat")
    tracks = ET.parse(tmp_path / "cvat" / "annotations.xml").getroot().findall("track")
    for track in tracks:
        frames = [shape.get("frame") for shape in track]
        assert len(frames) == len(set(frames)), track.get("id")
    assert len({track.get("id") for track in tracks}) == len(tracks)


@pytest.mark.parametrize(
    ("to", "file", "golden"),
    [("cvat", "annotations.xml", "cvat.xml"), ("mot", "gt/gt.txt", "mot.txt"), ("mot", "seqinfo.ini", "mot.ini")],
)
def test_files_are_those_that_datumaro_reads(tmp_path: Path, to: str, file: str, golden: str) -> None:
    export(write_records(tmp_path / "found.jsonl"), tmp_path / "out", to)
    assert (tmp_path / "out" / file).read_text() == (Path(__file__).parent / "golden" / golden).read_text()


def test_cvat_counts_the_frames_of_the_recording_or_those_of_the_pictures(clip: tuple[Path, Path], tmp_path: Path) -> None:
    video, found = clip
    for name, used, expected, step in (("step", None, "024", "step=2"), ("pictures", video, "012", "")):
        export(found, tmp_path / name, "cvat", every=2, video=used)
        root = ET.parse(tmp_path / name / "annotations.xml").getroot()
        assert {shape.get("frame") for shape in root.iterfind("track/*")} <= {*expected, str(int(expected[-1]) + 1)}
        assert (root.findtext("meta/task/frame_filter"), root.findtext("meta/task/stop_frame")) == (step, expected[-1])


def test_boxes_that_are_not_those_of_masks_are_told_where_they_are_lost(tmp_path: Path) -> None:
    found = write_records(tmp_path / "found.jsonl")
    wider = found.read_text().replace('"box_xyxy":[2.0,', '"box_xyxy":[0.5,')
    assert wider != found.read_text()
    for to in ("cvat", "yolo-seg", "mots", "coco", "youtube-vis", "mot", "datumaro"):
        found.write_text(wider)
        notes = export(found, tmp_path / to, to).notes
        lost = [note for note in notes if note.endswith("objects are in the box of their mask's pixels, not in their own")]
        assert [note.split()[0] for note in lost] == (["1"] if to in ("cvat", "yolo-seg", "mots") else []), to


def test_every_second_frame(tmp_path: Path) -> None:
    done = export(write_records(tmp_path / "found.jsonl"), tmp_path / "coco", "coco", every=2)
    assert done.frames == 3
    images = json.loads((tmp_path / "coco" / "annotations.json").read_text())["images"]
    assert [image["frame"] for image in images] == [0, 2, 4]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Five frames, each darker than the one before, and their records."""
    folder = tmp_path_factory.mktemp("clip")
    source = "color=white:s=64x48:r=25:d=0.2,format=gray,geq=lum='230-40*N',format=yuv420p"
    ffmpeg("-f", "lavfi", "-i", source, "-c:v", "libx264", "-crf", "1", folder / "in.mp4")
    annotate(folder / "in.mp4", folder / "out.mp4", detector="tests.bright:Bright", detections=folder / "found.jsonl")
    return folder / "in.mp4", folder / "found.jsonl"


@pytest.mark.parametrize(("to", "place"), [("coco", "images"), ("yolo-seg", "images/train"), ("mot", "img1")])
def test_pictures_come_along(clip: tuple[Path, Path], tmp_path: Path, to: str, place: str) -> None:
    video, found = clip
    export(found, tmp_path / "out", to, video=video, every=2)
    pictures = sorted((tmp_path / "out" / place).iterdir())
    names = [f"{number:06d}.jpg" for number in (1, 2, 3)] if to == "mot" else [f"frame_{n:06d}.jpg" for n in (0, 2, 4)]
    assert [path.name for path in pictures] == names
    shades = [float(np.asarray(cv2.imread(str(path))).mean()) for path in pictures]
    assert shades[0] - shades[1] == pytest.approx(shades[1] - shades[2], abs=12)
    assert shades[0] > shades[1] + 60


def test_pictures_of_another_recording_are_refused(clip: tuple[Path, Path], tmp_path: Path) -> None:
    video, found = clip
    other = tmp_path / "other.mp4"
    other.write_bytes(video.read_bytes() + b"\0")
    with pytest.raises(RecordsDiffer, match="another recording"):
        export(found, tmp_path / "out", "coco", video=other)
    assert [path.name for path in tmp_path.iterdir()] == ["other.mp4"], "nothing half done is left"


@pytest.mark.parametrize("to", sorted(set(FORMATS) - OF_A_VIDEO))
def test_damaged_records_leave_nothing(tmp_path: Path, to: str) -> None:
    found = write_records(tmp_path / "found.jsonl")
    found.write_text(found.read_text().replace('"box_xyxy":[10.0', '"box":[10.0', 1))
    with pytest.raises(StreamerError, match=r"found\.jsonl:2: instance 3: it has no box_xyxy.*damaged"):
        export(found, tmp_path / "out", to)
    assert [path.name for path in tmp_path.iterdir()] == ["found.jsonl"]


def test_a_folder_that_is_there_and_an_unknown_format_are_refused(tmp_path: Path) -> None:
    found = write_records(tmp_path / "found.jsonl")
    with pytest.raises(OutputRefused, match="exists; give the name of a new folder"):
        export(found, tmp_path, "coco")
    with pytest.raises(ConfigError, match="there is no format 'voc'; take one of coco, cvat, yolo-detect, yolo-seg, mot, mots"):
        export(found, tmp_path / "out", "voc")


def test_the_command_tells_what_is_lost(tmp_path: Path) -> None:
    found = write_records(tmp_path / "found.jsonl")
    arguments: list[Any] = ["export", found, "--to", "mot", "-o", tmp_path / "mot"]
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0
    assert "5 frames, 16 objects: " in done.output
    assert "note: 4 of 16 objects are left out, since they have no track" in done.output


def test_youtube_vis_is_read_by_trackeval(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports what NumPy has renamed
        from trackeval.datasets import YouTubeVIS
    gt = tmp_path / "gt" / "youtube_vis_own"
    gt.parent.mkdir()
    done = export(write_records(tmp_path / "found.jsonl"), gt, "youtube-vis")
    assert set(done.notes) == {
        "4 of 16 objects are an annotation of one frame each, since they have no track of their own",
        "4 of 16 objects are without a mask: only their boxes are there",
    }
    data = json.loads((gt / "annotations.json").read_text())
    assert data["videos"][0]["pts"] == list(PTS)
    assert [one["id"] for one in data["annotations"]] == [1, 2, 10, 9, 11, 12, 13]
    results = tmp_path / "trackers" / "youtube_vis_own" / "own" / "data"
    results.mkdir(parents=True)
    (results / "results.json").write_text(
        '[{"video_id":1,"category_id":1,"score":1,"segmentations":[null,null,null,null,null]}]'
    )
    # The folders end in a slash: the reader joins texts.
    said = {"GT_FOLDER": f"{tmp_path}/gt/", "TRACKERS_FOLDER": f"{tmp_path}/trackers/", "SPLIT_TO_EVAL": "own"}
    judge = YouTubeVIS({**said, "PRINT_CONFIG": False, "OUTPUT_FOLDER": str(tmp_path)})
    raw = judge.get_raw_seq_data("own", judge.seq_list[0])
    assert [sorted(map(int, ids)) for ids in raw["gt_ids"]] == [[1, 2, 10], [1, 2, 11], [], [1, 2, 12], [1, 2, 13]]
    for index in (0, 1, 3, 4):
        read = dict(zip(map(int, raw["gt_ids"][index]), raw["gt_dets"][index], strict=True))
        for row, track in enumerate((1, 2)):
            expected = coco_mask.encode(np.asfortranarray(truth(index, row)))
            assert coco_mask.iou([read[track]], [expected], [0])[0, 0] == 1.0


@pytest.mark.parametrize("to", ["mot", "mots"])
def test_sequences_are_read_by_trackeval(tmp_path: Path, to: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports what NumPy has renamed
        from trackeval.datasets import MotChallenge2DBox, MOTSChallenge
    benchmark = "MOTS" if to == "mots" else "OWN"
    sequence = tmp_path / "gt" / f"{benchmark}-train" / "in"
    sequence.parent.mkdir(parents=True)
    export(write_records(tmp_path / "found.jsonl"), sequence, to)
    results = tmp_path / "trackers" / f"{benchmark}-train" / "own" / "data"
    results.mkdir(parents=True)
    (results / "in.txt").write_bytes((sequence / "gt" / "gt.txt").read_bytes())
    (tmp_path / "gt" / "seqmaps").mkdir()
    (tmp_path / "gt" / "seqmaps" / f"{benchmark}-train.txt").write_text("name\nin\n")
    said = {"GT_FOLDER": str(tmp_path / "gt"), "TRACKERS_FOLDER": str(tmp_path / "trackers"), "SPLIT_TO_EVAL": "train"}
    kind = MOTSChallenge if to == "mots" else MotChallenge2DBox
    more = {} if to == "mots" else {"BENCHMARK": benchmark, "DO_PREPROC": False}
    raw = kind({**said, **more, "PRINT_CONFIG": False}).get_raw_seq_data("own", "in")
    for index in range(len(PTS)):
        read = dict(zip(map(int, raw["gt_ids"][index]), raw["gt_dets"][index], strict=True))
        if index == 2:
            assert read == {}
        elif to == "mot":
            boxes = {1: (2 + 4 * index, 6), 2: (38, 20), 9: (10, 0)}
            assert {track: box.tolist() for track, box in read.items()} == {t: [*c, SIDE, SIDE] for t, c in boxes.items()}
        else:
            assert set(read) == {2001, 1002}
            person = coco_mask.encode(np.asfortranarray(truth(index, 0)))  # the car lies behind it in part
            assert coco_mask.iou([read[2001]], [person], [0])[0, 0] == 1.0
