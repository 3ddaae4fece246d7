"""What a perfect follower would show."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.perfect_following import perfect
from benchmarks.streaming_accuracy import Footage, bound, main
from streamer.instances import Instances
from streamer.sources.synthetic import LABELS, Synthetic, SyntheticScene

PERSON = 1


def person(*boxes: tuple[float, float, float, float], class_id: int = PERSON, first_id: int = 1) -> Instances:
    """Objects at these boxes, with ids in their order."""
    n = len(boxes)
    return Instances(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.full(n, 0.7, np.float32),
        class_ids=np.full(n, class_id, np.int64),
        track_ids=np.arange(first_id, first_id + n),
    )


def walking(frames: int) -> list[Instances]:
    """One who walks 10 pixels a frame, and doubles in size with the fourth."""
    return [person((10.0 * i, 0.0, 10.0 * i + 20.0 * (1 + (i > 3)), 40.0 * (1 + (i > 3)))) for i in range(frames)]


def test_every_frame_inferred_shows_the_detections() -> None:
    truth = walking(3)
    found = [person((10.0 * i + 2.0, 0.0, 10.0 * i + 20.0, 40.0)) for i in range(3)]
    shown = perfect(found, truth, 0, PERSON)
    assert [one.boxes_xyxy.tolist() for one in shown] == [one.boxes_xyxy.tolist() for one in found]


def test_a_late_detection_moves_and_grows_as_the_object() -> None:
    found = [person((2.0, 0.0, 22.0, 44.0))] + [Instances.empty()] * 5
    shown = perfect(found, walking(6), 2, PERSON)
    assert [len(one) for one in shown] == [0, 0, 1, 1, 1, 1]
    assert shown[3].boxes_xyxy[0].tolist() == pytest.approx([32.0, 0.0, 52.0, 44.0])
    assert shown[5].boxes_xyxy[0].tolist() == pytest.approx([54.0, 0.0, 94.0, 88.0])


def test_only_frames_that_the_detector_began_with_count() -> None:
    truth = walking(6)
    found = [Instances.empty(), truth[1], *[Instances.empty()] * 4]
    assert [len(one) for one in perfect(found, truth, 2, PERSON)] == [0] * 6
    assert [len(one) for one in perfect(found, truth, 1, PERSON)] == [0, 0, 1, 1, 1, 1]


def test_what_is_false_gone_or_of_another_class_is_not_shown() -> None:
    truth = [*walking(2), Instances.empty()]
    false = [person((200.0, 0.0, 220.0, 40.0))] * 3
    other = [person((10.0 * i, 0.0, 10.0 * i + 20.0, 40.0), class_id=3) for i in range(3)]
    assert [len(one) for one in perfect(false, truth, 0, PERSON)] == [0, 0, 0]
    assert [len(one) for one in perfect(other, truth, 0, PERSON)] == [0, 0, 0]
    assert [len(one) for one in perfect(truth, truth, 1, PERSON)] == [0, 1, 0]


def test_the_bound_of_a_perfect_detector_lacks_what_no_answer_held_yet() -> None:
    truth = walking(8)
    scene = SyntheticScene(256, 160, frames=8)
    footage = Footage(Synthetic(scene).open(), lambda: Synthetic(scene).frames(), truth, 0.5, dict(LABELS), "oracle")
    assert bound(footage, (0, 2), truth, PERSON).splitlines()[2:] == ["| 0 | 1.000 |", "| 2 | 0.752 |"]


def test_a_bound_needs_truth(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["test:", "--oracle"])
    assert "--oracle needs --truth" in capsys.readouterr().err
