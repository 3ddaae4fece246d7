"""Figures equal those of the judges that everybody uses; frames and files that do not belong together are told."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.comparison.comparing import Comparison, compare
from streamer.errors import ConfigError, OutputRefused, RecordsDiffer, StreamerError
from streamer.follow.boxes import overlaps
from tests.comparison.scenes import LABELS, SIZE, Object, stored_object, told_by_a_detector, wandering, write

NAMES = list(LABELS.values())


def boxes(objects: list[Object]) -> NDArray[np.float64]:
    return np.array([one["box_xyxy"] for one in objects], np.float64).reshape(-1, 4)


def of_class(objects: list[Object], name: str) -> list[Object]:
    return [one for one in objects if one["class"] == name]


@pytest.fixture(scope="module", params=[1, 2], ids=["scene 1", "scene 2"])
def scene(request: pytest.FixtureRequest) -> tuple[list[list[Object]], list[list[Object]]]:
    truth = wandering(request.param)
    truth[7] = []
    found = told_by_a_detector(truth, request.param)
    found[12] = []
    return truth, found


@pytest.fixture(scope="module")
def compared(scene: tuple[list[list[Object]], list[list[Object]]], tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("compared")
    truth, found = (
        write(folder / f"{name}.jsonl", enumerate(frames)) for name, frames in zip(("truth", "found"), scene, strict=True)
    )
    return compare(truth, found)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_average_precision_is_cocos(
    scene: tuple[list[list[Object]], list[list[Object]]], compared: Comparison, kind: str
) -> None:
    judge = coco_judge(*scene, kind)
    precision = judge.eval["precision"][:, :, :, 0, 2]  # thresholds, recalls, classes; all areas, 100 objects
    for number, name in enumerate(sorted(LABELS)):
        figures = compared.classes[LABELS[name]]
        ours = figures.box_ap if kind == "bbox" else figures.mask_ap
        np.testing.assert_allclose(ours, precision[:, :, number].mean(axis=1), rtol=0, atol=1e-12)
    all_ = compared.all.box_ap if kind == "bbox" else compared.all.mask_ap
    assert all_.mean() == pytest.approx(judge.stats[0], abs=1e-12)
    assert all_[0] == pytest.approx(judge.stats[1], abs=1e-12)
    assert 0.2 < all_.mean() < 0.9


def coco_judge(truth: list[list[Object]], found: list[list[Object]], kind: str) -> COCOeval:
    annotations = [
        {**coco_row(one, frame), "id": number, "iscrowd": 0}
        for number, (frame, one) in enumerate(((i, one) for i, each in enumerate(truth) for one in each), start=1)
    ]
    results = [coco_row(one, frame) for frame, each in enumerate(found) for one in each]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i, "width": SIZE[0], "height": SIZE[1]} for i in range(len(truth))],
            "annotations": annotations,
            "categories": [{"id": class_id, "name": name} for class_id, name in LABELS.items()],
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(results), kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


def coco_row(one: Object, frame: int) -> dict[str, Any]:
    left, top, right, bottom = one["box_xyxy"]
    box = [left, top, right - left, bottom - top]
    row = {"image_id": frame, "category_id": one["class_id"], "bbox": box, "area": box[2] * box[3]}
    return {**row, "score": one["score"], "segmentation": one["mask"]}


def test_identities_are_those_of_motmetrics(scene: tuple[list[list[Object]], list[list[Object]]], compared: Comparison) -> None:
    import motmetrics

    for name in NAMES:
        judge = motmetrics.MOTAccumulator(auto_id=True)
        for true, found in zip(*([of_class(each, name) for each in frames] for frames in scene), strict=True):
            iou, _ = overlaps(boxes(true), boxes(found))
            tracks = [[one["track_id"] for one in each] for each in (true, found)]
            judge.update(*tracks, np.where(iou >= 0.5, 1.0 - iou, np.nan))
        names = ["idf1", "mota", "num_switches", "num_misses", "num_false_positives"]
        row = motmetrics.metrics.create().compute(judge, metrics=names, name="clip").iloc[0]
        counts = compared.classes[name].identities
        assert [counts.switches, counts.missed, counts.extra] == row[names[2:]].tolist()
        assert [counts.idf1, counts.mota] == pytest.approx(row[names[:2]].tolist(), abs=1e-12)
    assert compared.all.identities.switches > 5


def test_hota_is_trackevals(scene: tuple[list[list[Object]], list[list[Object]]], compared: Comparison) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports what NumPy has renamed
        from trackeval.metrics import HOTA
    judge, by_class = HOTA(), {}
    for name in NAMES:
        by_class[name] = judge.eval_sequence(trackeval_data(*scene, name))
        ours = compared.classes[name].hota
        theirs = [float(np.mean(by_class[name][field])) for field in ("HOTA", "DetA", "AssA")]
        assert [ours.hota, ours.detection, ours.associated] == pytest.approx(theirs, abs=1e-12)
    together = judge.combine_classes_det_averaged(by_class)
    assert compared.all.hota.hota == pytest.approx(float(np.mean(together["HOTA"])), abs=1e-12)
    assert 0.2 < compared.all.hota.hota < 0.9


def trackeval_data(truth: list[list[Object]], found: list[list[Object]], name: str) -> dict[str, Any]:
    both = [[of_class(each, name) for each in frames] for frames in (truth, found)]
    numbers: list[dict[int, int]] = []
    for frames in both:
        known: dict[int, int] = {}
        for each in frames:
            for one in each:
                known.setdefault(one["track_id"], len(known))
        numbers.append(known)
    ids = [
        [np.array([known[one["track_id"]] for one in each], np.int64) for each in frames]
        for known, frames in zip(numbers, both, strict=True)
    ]
    return {
        "gt_ids": ids[0],
        "tracker_ids": ids[1],
        "num_gt_ids": len(numbers[0]),
        "num_tracker_ids": len(numbers[1]),
        "num_gt_dets": sum(map(len, both[0])),
        "num_tracker_dets": sum(map(len, both[1])),
        "similarity_scores": [overlaps(boxes(a), boxes(b))[0] for a, b in zip(*both, strict=True)],
    }


def test_records_agree_with_themselves(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.jsonl", enumerate(wandering(3)))
    done = compare(truth, truth)
    told = done.all.as_dict()
    assert {told[name] for name in ("ap", "ap50", "mask_ap", "idf1", "mota", "hota")} == {1.0}
    assert (told["switches"], done.worst, done.notes, done.frames) == (0, (), (), 40)
    assert all(truth == judged for truth, judged in done.confusion)


def test_confused_classes_and_the_worst_frame_of_each_second(tmp_path: Path) -> None:
    here, there = [2, 2, 30, 30], [60, 20, 100, 60]
    truth = [[stored_object(1, here), stored_object(3, there)] for _ in range(70)]
    found = [list(each) for each in truth]
    found[3] = [stored_object(3, here, score=0.9)]
    found[4] = [stored_object(1, here)]
    found[50] = [*found[50], stored_object(4, [100, 60, 120, 90], score=0.9)]
    paths = write(tmp_path / "a.jsonl", enumerate(truth)), write(tmp_path / "b.jsonl", enumerate(found))
    done = compare(*paths)
    assert done.confusion == {
        ("person", "person"): 69,
        ("car", "car"): 68,
        ("person", "car"): 1,
        ("car", None): 2,
        (None, "dog"): 1,
    }
    assert [(one.frame, one.errors) for one in done.worst] == [(3, 2), (50, 1)]
    assert [one.frame for one in compare(*paths, worst=1).worst] == [3]
    assert done.classes["dog"].as_dict()["ap"] is None, "nothing of this class is there"
    assert "identities are not judged: not both have tracks" in done.notes


def test_frames_that_only_one_has_are_told_and_not_judged(tmp_path: Path) -> None:
    frames = list(enumerate(wandering(4, frames=20)))
    truth = write(tmp_path / "truth.jsonl", frames)
    found = write(tmp_path / "found.jsonl", [one for one in frames[2:] if one[0] % 3])
    done = compare(truth, found)
    assert (done.frames, done.all.as_dict()["ap"]) == (12, 1.0)
    skipped = sum(len(objects) for index, objects in frames if index < 2 or index % 3 == 0)
    assert done.notes == (
        f"8 frames of the truth are not in {found}: not judged",
        f"{skipped} objects of the truth are in frames that were not judged",
    )
    assert compare(found, truth).notes[0] == f"8 frames of {truth} are not in the truth: not judged"


def test_what_has_no_mask_or_shares_a_track_is_told(tmp_path: Path) -> None:
    box, other = [2, 2, 30, 30], [60, 20, 100, 60]
    truth = write(tmp_path / "a.jsonl", [(0, [stored_object(1, box, track=1), stored_object(1, other, track=2, mask=False)])])
    found = write(tmp_path / "b.jsonl", [(0, [stored_object(1, box, track=5), stored_object(1, other, track=5)])], end=False)
    done = compare(truth, found)
    assert set(done.notes) == {
        "1 objects of the truth have no mask: not judged as masks",
        "1 objects that were found have the track of another one in their frame: not judged as tracks",
        f"{found} has no end line: the run was killed or failed, or goes on",
    }
    assert done.all.as_dict()["missed"] == 1


def test_nothing_at_all(tmp_path: Path) -> None:
    nothing = write(tmp_path / "a.jsonl", [(index, []) for index in range(3)])
    no_frames = write(tmp_path / "b.jsonl", [])
    for path in (nothing, no_frames):
        done = compare(path, path)
        assert (done.classes, done.all.as_dict()["ap"], done.all.as_dict()["hota"]) == ({}, None, None)
    done = compare(
        write(tmp_path / "c.jsonl", [(index, [stored_object(1, [1, 1, 9, 9], track=1)]) for index in range(3)]), nothing
    )
    assert (done.all.as_dict()["ap"], done.all.as_dict()["truth_objects"]) == (0.0, 3)


@pytest.mark.parametrize(
    ("stream", "shift", "how"),
    [
        ({"width": 64}, 0, "their pictures are 128x96 and 64x96"),
        ({"fingerprint": "2-b"}, 0, r"the content of in\.mp4 and in\.mp4 differs"),
        ({"fingerprint": None, "time_base": "1/75000"}, 0, "of 6 frames only 1 are shown at the same time in both"),
        ({"fingerprint": None}, 50, "of 6 frames only 0 are shown at the same time in both"),
    ],
)
def test_other_recordings_are_refused(tmp_path: Path, stream: dict[str, Any], shift: int, how: str) -> None:
    truth = write(tmp_path / "a.jsonl", [(index, []) for index in range(6)], {"fingerprint": "1-a"})
    found = write(tmp_path / "b.jsonl", [(index + shift, []) for index in range(6)], {"fingerprint": "1-a", **stream})
    with pytest.raises(RecordsDiffer, match=how):
        compare(truth, found)


@pytest.mark.parametrize(
    ("mask", "how"),
    [
        ({"size": [96, 128], "counts": "P"}, "cut short"),
        ({"size": [96, 128], "counts": "14"}, "do not fill"),
        ({"size": [96, 128]}, "polygons"),
        ({"size": [5, 5], "counts": "i0"}, "a mask of 5x5 in a picture of 128x96"),
    ],
)
def test_damaged_masks_are_refused(tmp_path: Path, mask: dict[str, Any], how: str) -> None:
    one = {**stored_object(1, [2, 2, 30, 30]), "mask": mask}
    path = write(tmp_path / "a.jsonl", [(0, [one])])
    with pytest.raises(StreamerError, match=f"frame 0 cannot be read: .*{how}"):
        compare(path, path)


def test_frames_out_of_order_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [(0, []), (2, []), (1, [])])
    with pytest.raises(StreamerError, match="frame 1 is not after the one before it"):
        compare(path, path)


def test_wrong_arguments(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [(0, [])])
    with pytest.raises(ConfigError, match="pictures need the recording and a new folder"):
        compare(path, path, video="in.mp4")
    with pytest.raises(OutputRefused, match="exists"):
        compare(path, path, video="in.mp4", output=tmp_path)


def test_the_command(tmp_path: Path) -> None:
    scene = wandering(5)
    truth = write(tmp_path / "truth.jsonl", enumerate(scene))
    found = write(tmp_path / "found.jsonl", enumerate(told_by_a_detector(scene, 5)))
    done = CliRunner().invoke(app, ["compare", str(truth), str(found), "--worst", "2", "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert set(told) == {"frames", "all", "classes", "confusion", "worst", "notes"}
    assert (told["frames"], len(told["worst"])) == (40, 2)
    assert told["classes"]["person"]["ap50"] > 0.5
    shown = CliRunner().invoke(app, ["compare", str(truth), str(found)])
    assert shown.exit_code == 0
    assert "HOTA" in shown.stdout
    assert "taken for dog" in shown.stdout
    refused = CliRunner().invoke(app, ["compare", str(truth), str(tmp_path / "nothing.jsonl")])
    assert refused.exit_code != 0
