"""Perception that never waits, with a scripted detector elsewhere and with a real thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import ParamSpec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.follow.identities import Identities
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.live.shared_detector import SharedDetector
from streamer.perception.detection_gate import GatedDetector, gate_for
from streamer.perception.following import Following
from streamer.perception.selection import Selection
from tests import strategies
from tests.follow.frames import GROUND, OTHER_GROUND, found, frame, scene

P = ParamSpec("P")


class Elsewhere:
    """A detector service that answers when it is told to."""

    def __init__(self) -> None:
        self.begun: tuple[Frame, ...] = ()
        self.newest: Frame | None = None
        self.answers: deque[tuple[Frame, Instances]] = deque()
        self.closed = 0

    def submit(self, frame: Frame) -> None:
        self.newest = frame

    def poll(self) -> tuple[Frame, Instances] | None:
        return self.answers.popleft() if self.answers else None

    def close(self) -> None:
        self.closed += 1

    def begin(self) -> None:
        assert self.newest is not None
        self.begun = (self.newest,)

    def answer(self, instances: Instances) -> None:
        (frame,) = self.begun
        self.answers.append((frame, instances))


def shown(following: Following, item: Frame) -> Instances:
    (annotated,) = following.push(item)
    assert annotated.frame is item
    return annotated.instances


def walker(i: int) -> Frame:
    return scene(i, (9, 20.0 + 4 * i, 60.0))


def test_nothing_waits_and_late_answers_are_carried() -> None:
    service = Elsewhere()
    following = Following(service, Selection(score_threshold=0.5))
    assert len(shown(following, walker(0))) == 0
    service.begin()
    for i in range(1, 5):
        assert len(shown(following, walker(i))) == 0
    service.answer(found((20.0, 60.0, 0.9)))
    instances = shown(following, walker(5))
    assert instances.boxes_xyxy[0, 0] == pytest.approx(40.0, abs=3.0)
    assert instances.mask_age_s[0] == pytest.approx(0.5)
    assert following.detection_latency_s == pytest.approx(0.5)
    following.close()
    assert service.closed == 1
    assert list(following.finish()) == []


def test_masks_grow_old_fade_and_go() -> None:
    service = Elsewhere()
    following = Following(service, Selection(score_threshold=0.5), max_mask_age_s=1.0)
    shown(following, walker(0))
    service.begin()
    service.answer(found((20.0, 60.0, 0.9)))
    opacities = []
    for i in range(1, 15):
        instances = shown(following, walker(i))
        opacities.append(float(instances.opacity[0]) if len(instances) else 0.0)
    assert opacities[:6] == [1.0] * 6
    assert 0.0 < opacities[8] < 1.0
    assert opacities[10:] == [0.0] * 4


def test_masks_live_until_their_turn_comes_again_where_cameras_share_a_slow_detector() -> None:
    service = Elsewhere()
    following = Following(service, Selection(score_threshold=0.5))
    for begun, answered in ((0, 10), (40, 50)):
        for i in range(begun, answered + 1):
            shown(following, frame(i, GROUND))
            if i == begun:
                service.begin()
            if i == answered - 1:
                service.answer(found((20.0, 60.0, 0.9)))
        for i in range(answered + 1, answered + 30):
            shown(following, frame(i, GROUND))
    assert following.detection_latency_s == pytest.approx(1.0)
    # One second of work and an answer every four seconds: masks are five seconds old when the next one comes.
    assert following.max_mask_age_s == pytest.approx(7.5)


@pytest.mark.parametrize("kind", ["size", "source", "time", "gap"])
def test_another_picture_starts_afresh_and_ids_go_on(kind: str) -> None:
    service = Elsewhere()
    following = Following(service, Selection(score_threshold=0.5))
    shown(following, walker(0))
    service.begin()
    service.answer(found((20.0, 60.0, 0.9)))
    assert shown(following, walker(1)).track_ids.tolist() == [1]
    service.begin()
    later = {
        "size": frame(2, GROUND[:, :160].copy(), captured_at=0.2),
        "source": frame(2, GROUND, source="other", captured_at=0.2),
        "time": frame(0, GROUND, captured_at=0.2),
        "gap": frame(50, GROUND, captured_at=0.2),
    }[kind]
    assert len(shown(following, later)) == 0
    service.answer(found((24.0, 60.0, 0.9)))
    after = frame(later.index + 1, later.luma().copy(), source=later.source, captured_at=0.3)
    assert len(shown(following, after)) == 0, "an answer for a picture before the reset was used"
    service.begin()
    service.answer(found((30.0, 60.0, 0.9)))
    last = frame(later.index + 2, later.luma().copy(), source=later.source, captured_at=0.4)
    assert shown(following, last).track_ids.tolist() == [2]


def test_a_cut_is_told_and_a_reconnect_is_none() -> None:
    following = Following(Elsewhere(), Selection(score_threshold=0.5))
    pictures = [walker(0), walker(1), frame(2, OTHER_GROUND, captured_at=0.2), frame(90, OTHER_GROUND, captured_at=9.0)]
    assert [item.cut for picture in pictures for item in following.push(picture)] == [False, False, True, False]


def test_selection_is_kept() -> None:
    service = Elsewhere()
    following = Following(service, Selection(score_threshold=0.5, class_ids=frozenset({1}), max_instances=1))
    shown(following, walker(0))
    service.begin()
    service.answer(found((20.0, 60.0, 0.6), (200.0, 60.0, 0.9), (120.0, 60.0, 0.3)))
    assert shown(following, walker(1)).scores.tolist() == [pytest.approx(0.9, abs=0.02)], "carried by a frame"
    service.begin()
    service.answer(found((150.0, 100.0, 0.9), class_id=2))
    assert 2 not in shown(following, walker(2)).class_ids.tolist()


def test_damaged_frames_are_not_asked_about() -> None:
    service = Elsewhere()
    following = Following(service, Selection())
    damaged = walker(0)
    damaged.damaged = True
    shown(following, damaged)
    assert service.newest is None


def test_an_age_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="max_mask_age_s"):
        Following(Elsewhere(), Selection(), max_mask_age_s=0.0)


class Gate:
    """A real detector that answers once each time a gate opens."""

    name = "gate"
    labels = {1: "thing"}  # noqa: RUF012  # the protocol's field, never written to
    input_size = None

    def __init__(self, *, fails: bool = False) -> None:
        self.open = threading.Event()
        self.called = threading.Event()
        self.fails = fails

    def detect(self, image: NDArray[np.uint8]) -> Instances:  # noqa: ARG002  # it sees without looking
        self.called.set()
        assert self.open.wait(20)
        self.open.clear()
        if self.fails:
            raise RuntimeError("the model broke")
        return found((20.0, 60.0, 0.9))

    def warm_up(self) -> None:
        pass

    def close(self) -> None:
        pass


def _and_then(call: Callable[P, None], event: threading.Event) -> Callable[P, None]:
    def both(*args: P.args, **kwargs: P.kwargs) -> None:
        call(*args, **kwargs)
        event.set()

    return both


def test_masks_outlive_the_pauses_of_a_detector_that_is_asked_seldom() -> None:
    for pause_s, shown_after in ((0.0, 0), (3.0, 1)):
        service = Elsewhere()
        following = Following(service, Selection(score_threshold=0.5), longest_pause_s=pause_s)
        still = [scene(i, (9, 40.0, 60.0)) for i in range(33)]
        for frame_ in still[:2]:
            shown(following, frame_)
            service.begin()
            service.answer(found((40.0, 60.0, 0.9)))
        for frame_ in still[2:]:
            instances = shown(following, frame_)
        assert len(instances) == shown_after, "three seconds after the last look"


@pytest.mark.parametrize("max_mask_age_s", [None, 1.0, 5.0])
def test_masks_of_a_still_scene_live_until_the_motion_gate_lets_the_next_look_through(max_mask_age_s: float | None) -> None:
    service, gate = Elsewhere(), gate_for(None, motion=True, max_mask_age_s=max_mask_age_s)
    following = Following(
        GatedDetector(service, gate),
        Selection(score_threshold=0.5),
        max_mask_age_s=max_mask_age_s,
        longest_pause_s=gate.longest_pause_s,
    )
    counts = []
    for index in range(120):
        counts.append(len(shown(following, scene(index, (9, 40.0, 60.0)))))
        if service.newest not in service.begun:
            service.begin()
            service.answer(found((40.0, 60.0, 0.9)))
    assert set(counts[2:]) == {1}
    assert gate.held_back > 60, "the gate is closed for most of the time"


def test_a_frame_that_waits_for_its_turn_behind_the_gate_is_answered_for() -> None:
    service = Elsewhere()
    following = Following(
        GatedDetector(service, gate_for(2.0, motion=False, max_mask_age_s=None)), Selection(score_threshold=0.5)
    )
    for index in range(4):
        assert len(shown(following, walker(index))) == 0
    assert service.newest is not None
    assert service.newest.index == 0, "of ten frames a second every fifth is wanted"
    service.begin()  # other cameras had their turn first
    service.answer(found((20.0, 60.0, 0.9)))
    instances = shown(following, walker(4))
    assert instances.boxes_xyxy[0, 0] == pytest.approx(36.0, abs=3.0)


def test_what_is_answered_for_a_frame_that_is_not_kept_is_no_look_at_the_scene() -> None:
    service = Elsewhere()
    following = Following(service, Selection(score_threshold=0.5))
    shown(following, walker(0))
    service.begin()
    (late,) = service.begun
    service.begun = ()
    for index in range(1, 4):
        shown(following, walker(index))
    service.answers.append((late, found((20.0, 60.0, 0.9))))
    (annotated,) = following.push(walker(4))
    assert annotated.looked_s is None, "privacy covers the whole picture"


def seen_by(following: Following, service: Elsewhere, first: int) -> int:
    """The id that a walker gets who is detected twice."""
    for i in range(first, first + 2):
        shown(following, walker(i))
        service.begin()
        service.answer(found((20.0 + 4 * i, 60.0, 0.9)))
    return int(shown(following, walker(first + 2)).track_ids[0])


def test_ids_go_on_where_one_replaces_another_that_failed() -> None:
    service, identities = Elsewhere(), Identities()
    first = Following(service, Selection(score_threshold=0.5), identities=identities)
    assert seen_by(first, service, 0) == 1
    second = Following(service, Selection(score_threshold=0.5), identities=identities)
    assert seen_by(second, service, 10) == 2
    assert [track.track_id for track in second.tracks_summary()] == [1, 2]


def test_with_a_real_thread_frames_pass_while_the_detector_is_busy() -> None:
    gate = Gate()
    shared = SharedDetector(gate)
    client = shared.client("camera")
    following = Following(client, Selection(score_threshold=0.5))
    shown(following, walker(0))
    assert gate.called.wait(20)
    for i in range(1, 4):
        assert len(shown(following, walker(i))) == 0
    answered = threading.Event()
    client.answered = _and_then(client.answered, answered)  # type: ignore[method-assign]  # to wait without sleeping
    gate.open.set()
    assert answered.wait(20)
    instances = shown(following, walker(4))
    assert instances.boxes_xyxy[0, 0] == pytest.approx(36.0, abs=3.0)
    gate.open.set()
    following.close()
    shared.close()


def test_a_detector_that_fails_costs_no_frame() -> None:
    gate = Gate(fails=True)
    gate.open.set()
    shared = SharedDetector(gate)
    client = shared.client("camera")
    following = Following(client, Selection())
    failed = threading.Event()
    client.failed = _and_then(client.failed, failed)  # type: ignore[method-assign]  # to wait without sleeping
    shown(following, walker(0))
    assert failed.wait(20)
    assert len(shown(following, walker(1))) == 0
    assert client.error == "the detector failed: RuntimeError: the model broke"
    following.close()
    gate.open.set()
    shared.close()


@pytest.mark.slow
@settings(deadline=None)
@given(st.data(), strategies.sizes())
def test_nothing_that_a_detector_says_breaks_it(data: st.DataObject, size: tuple[int, int]) -> None:
    service = Elsewhere()
    following = Following(service, Selection(score_threshold=0.4))
    time = 0
    for i, kind in enumerate(data.draw(st.lists(st.sampled_from(strategies.PICTURES), min_size=2, max_size=9))):
        time += data.draw(st.sampled_from([1, 1, 0, -3, 10**6]))
        size = data.draw(strategies.sizes()) if i == 5 else size
        strategies.check(shown(following, strategies.frame(kind, i // 3, *size, index=i, pts=time)), *size)
        if not service.begun or data.draw(st.booleans()):
            for begun in service.begun:
                service.answer(data.draw(strategies.instances(begun.width, begun.height)))
            service.begin()
