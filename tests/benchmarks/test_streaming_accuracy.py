"""The benchmark's simulated clock and its judge, on small scenes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.average_precision import Picture, average_precision, read_mot
from benchmarks.measure import SAMPLES
from benchmarks.streaming_accuracy import Footage, markdown, simulate, simulate_all, table, write
from benchmarks.track_metrics import flicker, identities, mask_overlap
from streamer.follow.follower import Follower
from streamer.instances import Instances
from streamer.sinks.records import read_records
from streamer.sources.synthetic import LABELS, Synthetic, SyntheticScene
from tests.follow.frames import found

pytestmark = pytest.mark.slow

PICTURE = Picture(320, 192)


@pytest.fixture(scope="module")
def footage() -> Footage:
    scene = SyntheticScene(256, 160, frames=40, objects=3, seed=3)
    truth = [scene.truth(i) for i in range(scene.frames)]
    return Footage(Synthetic(scene).open(), lambda: Synthetic(scene).frames(), truth, 0.5, dict(LABELS), "oracle")


def test_precision_of_the_truth_is_one_and_of_nothing_zero() -> None:
    truth = [found((20.0, 60.0, 1.0), (120.0, 60.0, 1.0)), found((30.0, 60.0, 1.0))]
    assert average_precision(truth, truth, PICTURE) == pytest.approx(1.0)
    assert average_precision(truth, truth, PICTURE, "segm") == pytest.approx(1.0)
    assert average_precision([Instances.empty()] * 2, truth, PICTURE) == 0.0
    half = [found((20.0, 60.0, 1.0)), Instances.empty()]
    assert average_precision(half, truth, PICTURE) == pytest.approx(1 / 3, abs=0.02)


def test_a_wrong_answer_counts_less_the_less_sure_it_is() -> None:
    truth = [found((20.0, 60.0, 1.0))]
    unsure = average_precision([found((20.0, 60.0, 0.9), (200.0, 60.0, 0.5))], truth, PICTURE)
    sure = average_precision([found((20.0, 60.0, 0.5), (200.0, 60.0, 0.9))], truth, PICTURE)
    assert unsure == pytest.approx(1.0)
    assert sure == pytest.approx(0.5, abs=0.01)


def test_hold_shows_what_was_l_frames_ago(footage: Footage) -> None:
    shown = [instances for _, instances in simulate(footage, 3, "hold")]
    assert [len(instances) for instances in shown[:3]] == [0, 0, 0]
    for i in range(3, 12):
        begun = (i // 3 - 1) * 3
        assert np.array_equal(shown[i].boxes_xyxy, footage.found[begun].boxes_xyxy)


def test_without_latency_all_ways_are_nearly_the_detector(footage: Footage) -> None:
    results = table(footage, simulate_all(footage, [0]))
    assert results["boxes, every-frame result", "hold", 0] == pytest.approx(1.0)
    assert results["boxes, every-frame result", "ours", 0] > 0.95


def test_carrying_beats_following_late_and_holding(footage: Footage) -> None:
    results = table(footage, simulate_all(footage, [4]))
    hold, late, ours = (results["masks, every-frame result", way, 4] for way in ("hold", "uncompensated", "ours"))
    assert ours > max(late, hold)
    assert "| 4 frames | " in markdown(results)


def test_the_same_twice(footage: Footage) -> None:
    first, second = (list(simulate(footage, 2, "ours")) for _ in range(2))
    for (_, a), (_, b) in zip(first, second, strict=True):
        assert np.array_equal(a.boxes_xyxy, b.boxes_xyxy)
        assert np.array_equal(a.track_ids, b.track_ids)


def test_records_hold_every_frame(footage: Footage, tmp_path: Path) -> None:
    write(footage, 3, "ours", tmp_path / "out.jsonl")
    lines = list(read_records(tmp_path / "out.jsonl"))
    assert [line["type"] for line in lines] == ["stream", *["frame"] * 40, "end"]
    assert any(instance["state"] == "followed" for line in lines[1:-1] for instance in line["instances"])


def test_masks_keep_up_with_a_slow_detector() -> None:
    scene = SyntheticScene(320, 192, frames=60, objects=2, seed=5)
    follower, overlap = Follower(), []
    truths = [scene.truth(i) for i in range(30)]
    for i, frame in zip(range(30), Synthetic(scene).frames(), strict=False):
        follower.advance(frame)
        if i and i % 5 == 0:
            follower.detected(i - 5, truths[i - 5])
        follower.expect(i - i % 5)
        if i >= 5:
            overlap.append(average_precision([follower.instances()], [truths[i]], Picture(320, 192), "segm"))
    assert np.mean(overlap) > 0.9


def test_truth_is_read(tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    path.write_text("1,7,10,20,30,40,1,1,1.0\n2,7,11,20,30,40,1\n2,8,0,0,5,5,0\n3,9,0,0,5,5,1,3,1\n")
    truth = read_mot(path, 3, 4)
    assert [len(instances) for instances in truth] == [1, 1, 0]
    assert truth[0].boxes_xyxy.tolist() == [[10, 20, 40, 60]]
    assert truth[0].class_ids.tolist() == [4]
    assert truth[1].track_ids.tolist() == [7]
    path.write_text("1,7,left\n")
    with pytest.raises(ValueError, match=r"gt\.txt:1"):
        read_mot(path, 3, 4)


def test_an_unknown_way_is_refused(footage: Footage) -> None:
    with pytest.raises(ValueError, match="hold, uncompensated, ours"):
        next(simulate(footage, 1, "magic"))


def test_identities_and_overlap_are_judged() -> None:
    true = [replace(found((20.0 + i, 60.0, 1.0), (120.0, 60.0, 1.0)), track_ids=np.array([1, 2])) for i in range(6)]
    swapped = [*true[:3], *(replace(row, track_ids=np.array([2, 1])) for row in true[3:])]
    assert identities(true, true, 1) == (1.0, 0, 1.0, 1.0)
    assert identities(swapped, true, 1).switches == 2
    assert identities(swapped, true, 1).idf1 == pytest.approx(0.5)
    assert mask_overlap(true, true, PICTURE) == pytest.approx(1.0)
    shifted = [found((30.0 + i, 60.0, 1.0), (130.0, 60.0, 1.0)) for i in range(6)]
    assert mask_overlap(shifted, true, PICTURE) == pytest.approx(30 / 50, abs=0.01)
    assert mask_overlap([Instances.empty()], true[:1], PICTURE) == 0.0


def test_flicker_is_the_change_of_outlines_and_not_their_motion() -> None:
    true = [replace(found((20.0 + 3 * i, 60.0, 1.0), (220.0, 60.0, 1.0)), track_ids=np.array([1, 2])) for i in range(6)]
    assert flicker(true, true) == pytest.approx(0.0)
    assert true[1].masks is not None
    half = true[1].masks.copy()
    half[:, :14] = 0.0
    flickering = [replace(row, masks=half) if i % 2 else row for i, row in enumerate(true)]
    assert flicker(flickering, true) == pytest.approx(0.5, abs=0.03)
    touching = [replace(found((20.0, 60.0, 1.0), (50.0, 60.0, 1.0)), track_ids=np.array([1, 2])) for _ in true]
    assert flicker(flickering, touching) == 0.0
    assert flicker([Instances.empty()] * 6, true) == 0.0


def test_the_samples_truth_fits_the_sample() -> None:
    truth = read_mot(SAMPLES / "pedestrians.gt.txt", 150, 1)
    assert all(len(instances) >= 3 for instances in truth)
    for instances in truth:
        assert len(set(instances.track_ids.tolist())) == len(instances)
        assert (instances.boxes_xyxy[:, :2] >= 0).all()
        assert (instances.boxes_xyxy[:, 2:] <= [768, 576]).all()
