"""Recordings with key frames: nothing lost, carried from both sides, blended."""

from __future__ import annotations

import threading
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.interval import Interval
from streamer.perception.selection import Selection
from streamer.stages import Annotated, Detector
from tests import strategies
from tests.follow.frames import OTHER_GROUND, found, frame, scene
from tests.perception.test_following import Gate

WAIT_S = 30.0


class Script:
    """Answers for a frame by its index, and remembers which were asked for."""

    def __init__(self, speed: float = 5.0, blind: frozenset[int] = frozenset()) -> None:
        self.asked: list[int] = []
        self.speed, self.blind = speed, blind

    def __call__(self, _detector: Detector, frame: Frame, _wanted: Selection) -> Instances:
        self.asked.append(frame.index)
        return Instances.empty() if frame.index in self.blind else found((20.0 + self.speed * frame.index, 60.0, 0.9))


def run(interval: int | Literal["auto"], script: Script, frames: list[Frame]) -> tuple[Interval, list[Annotated]]:
    perception = Interval(Gate(), interval, Selection(score_threshold=0.5), detect=script)
    items = [item for frame in frames for item in perception.push(frame)]
    items += perception.finish()
    perception.close()
    assert [item.frame for item in items] == frames, "every frame once, in order"
    return perception, items


def walk(n: int, speed: float = 5.0) -> list[Frame]:
    return [scene(i, (9, 20.0 + speed * i, 60.0)) for i in range(n)]


@pytest.mark.parametrize("interval", [1, 2, 5, 7])
def test_every_frame_has_the_object_in_its_place(interval: int) -> None:
    script = Script()
    perception, items = run(interval, script, walk(18))
    assert script.asked == sorted({*range(0, 18, interval), 17})
    assert perception.inferred == len(script.asked)
    for i, item in enumerate(items):
        assert item.instances.track_ids.tolist() == [1]
        assert item.instances.boxes_xyxy[0] == pytest.approx((20 + 5 * i, 60, 60 + 5 * i, 124), abs=2.5)
        assert item.instances.followed.tolist() == item.instances.mask_carried.tolist() == [i not in script.asked]
        assert item.instances.mask_age_s[0] == pytest.approx(min(abs(i - k) for k in script.asked) / 10, abs=1e-6)


def test_a_miss_at_a_key_frame_is_mended() -> None:
    _, items = run(3, Script(blind=frozenset({9})), walk(18))
    assert all(item.instances.track_ids.tolist() == [1] for item in items)


def test_what_comes_between_key_frames_is_there_for_the_second_half() -> None:
    script = Script(speed=0.0, blind=frozenset({0}))
    _, items = run(6, script, walk(7, speed=0.0))
    assert [len(item.instances) for item in items] == [0, 0, 0, 1, 1, 1, 1]


def test_a_cut_ends_with_a_key_frame_and_starts_with_one() -> None:
    frames = [*walk(6), *(frame(i, OTHER_GROUND) for i in range(6, 12))]
    script = Script(blind=frozenset(range(6, 12)))
    _, items = run(4, script, frames)
    assert script.asked == [0, 4, 5, 6, 10, 11]
    assert [len(item.instances) for item in items] == [1] * 6 + [0] * 6
    assert [item.frame.index for item in items if item.cut] == [6]


def test_auto_looks_more_often_where_more_moves() -> None:
    still, quick = Script(speed=0.0), Script(speed=9.0)
    run("auto", still, walk(24, speed=0.0))
    run("auto", quick, walk(24, speed=9.0))
    assert len(still.asked) < len(quick.asked) < 24


def test_one_frame_and_none() -> None:
    _, items = run(5, Script(), walk(1))
    assert len(items[0].instances) == 1
    assert run(5, Script(), [])[1] == []


def test_the_summary_covers_the_whole_stay() -> None:
    perception, _ = run(5, Script(), walk(18))
    (summary,) = perception.tracks_summary()
    assert (summary.first_frame, summary.last_frame) == (0, 17)


def test_masks_are_blended() -> None:
    def detect(_detector: Detector, frame: Frame, _wanted: Selection) -> Instances:
        answer = found((20.0, 60.0, 0.9))
        answer.masks[:] = 1.0 if frame.index == 0 else 0.0  # type: ignore[index]  # it has masks
        return answer

    perception = Interval(Gate(), 4, Selection(score_threshold=0.5), detect=detect)
    items = [item for frame in walk(5, speed=0.0) for item in perception.push(frame)]
    perception.close()
    means = [float(np.mean(item.instances.masks)) for item in items]  # type: ignore[arg-type]  # they have masks
    assert means == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0], abs=0.05)


def test_without_the_detector_objects_are_followed_where_something_is_known() -> None:
    asked, release, closed = threading.Event(), threading.Event(), threading.Event()
    frames = walk(9)

    class Closing(Gate):
        def close(self) -> None:
            assert release.is_set(), "not while it is called"
            closed.set()

    def detect(_detector: Detector, frame: Frame, _wanted: Selection) -> Instances:
        if frame.index == 4:
            asked.set()
            release.wait(WAIT_S)
        return found((20.0 + 5.0 * frame.index, 60.0, 0.9))

    def leave() -> None:
        asked.wait(WAIT_S)
        perception.leave()

    perception = Interval(Closing(), 4, Selection(score_threshold=0.5), detect=detect)
    leaving = threading.Thread(target=leave)
    leaving.start()
    items = [item for frame in frames for item in perception.push(frame)]
    items += perception.finish()
    perception.close()
    leaving.join()
    assert [item.frame for item in items] == frames
    assert (perception.inferred, perception.followed_at_end) == (1, 8)
    assert [len(item.instances) for item in items] == [1] * 9
    release.set()
    assert closed.wait(WAIT_S)


def test_without_the_detector_nothing_is_handed_out_where_nothing_is_known() -> None:
    perception = Interval(Gate(), 4, Selection(score_threshold=0.5), detect=Script())
    perception.leave()
    assert [item for frame in walk(5) for item in perception.push(frame)] == []
    assert list(perception.finish()) == []
    perception.close()


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="interval"):
        Interval(Gate(), 0, Selection())


@pytest.mark.slow
@settings(deadline=None)
@given(st.data(), strategies.sizes(), st.sampled_from([1, 2, 3, "auto"]))
def test_nothing_that_a_detector_says_breaks_it(
    data: st.DataObject, size: tuple[int, int], interval: int | Literal["auto"]
) -> None:
    kinds = data.draw(st.lists(st.sampled_from(strategies.PICTURES), min_size=1, max_size=8))
    times = np.cumsum(data.draw(st.lists(st.sampled_from([1, 1, 0, -3, 10**6]), min_size=len(kinds), max_size=len(kinds))))
    frames = [strategies.frame(kind, i // 3, *size, index=i, pts=int(times[i])) for i, kind in enumerate(kinds)]

    # Drawn here: Hypothesis has no examples for other threads.
    answers = [data.draw(strategies.instances(*size)) for _ in frames]

    def detect(_detector: Detector, frame: Frame, _wanted: Selection) -> Instances:
        return answers[frame.index]

    perception = Interval(Gate(), interval, Selection(score_threshold=0.4), detect=detect)
    try:
        items = [item for frame in frames for item in perception.push(frame)]
        items += perception.finish()
    finally:
        perception.close()
    assert [item.frame for item in items] == frames
    for item in items:
        strategies.check(item.instances, *size)
