"""Waiting for the detector: an answer that comes late is shown late, and what is skipped gets the newest one."""

from __future__ import annotations

import pytest

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.selection import Selection
from streamer.perception.waiting import Waiting
from tests.fakes import frame, person_and_car


class Answering:
    """Answers with a person and a car, or not in time."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.in_time = True
        self.patient = False
        self.error = ""

    def ask(self, frame: Frame, timeout_s: float | None = None, *, patient: bool = False) -> Instances | None:
        self.asked.append(frame.index)
        self.patient = patient
        assert self.in_time or timeout_s is not None
        if self.error:
            return Instances.empty()
        return person_and_car() if self.in_time else None

    def close(self) -> None:
        pass


def test_a_frame_waits_for_its_own_answer() -> None:
    client = Answering()
    waiting = Waiting(client, Selection(score_threshold=0.6))
    (item,) = waiting.push(frame(0))
    assert (item.frame.index, item.instances.class_ids.tolist()) == (0, [1])
    assert not client.patient
    Waiting(client, Selection(), patient=True).push(frame(0))
    assert client.patient


def test_a_late_answer_comes_with_its_own_frame() -> None:
    client = Answering()
    waiting = Waiting(client, Selection(), patience_s=0.1)
    client.in_time = False
    assert [*waiting.push(frame(0)), *waiting.push(frame(1))] == []
    client.in_time = True
    (item,) = waiting.push(frame(2))
    assert item.frame.index == 0
    (item,) = waiting.push(frame(3))
    assert item.frame.index == 3
    assert client.asked == [0, 0, 0, 3]


def test_a_frame_that_is_skipped_gets_the_newest_answer_until_that_is_too_old() -> None:
    waiting = Waiting(Answering(), Selection(), max_mask_age_s=1.0)
    assert len(waiting.skip(frame(0)).instances) == 0
    list(waiting.push(frame(1)))
    skipped = waiting.skip(frame(6)).instances
    assert skipped.mask_age_s.tolist() == pytest.approx([0.2, 0.2])
    assert skipped.followed.all()
    assert len(waiting.skip(frame(27)).instances) == 0


def test_masks_age_while_the_detector_fails() -> None:
    client = Answering()
    waiting = Waiting(client, Selection(), max_mask_age_s=1.0)
    list(waiting.push(frame(0)))
    client.error = "the detector failed: out of memory"
    (item,) = waiting.push(frame(5))
    assert item.frame.index == 5
    assert item.instances.mask_age_s.tolist() == pytest.approx([0.2, 0.2])
    (item,) = waiting.push(frame(30))
    assert len(item.instances) == 0
