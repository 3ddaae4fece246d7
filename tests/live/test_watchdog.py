"""The watchdog names the stage that does not return, once, and says when it does."""

from __future__ import annotations

import pytest

from streamer.live.status import CameraStatus
from streamer.live.watchdog import Watchdog, silent
from streamer.stages import State


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_stuck_stage_is_reported_once_and_again_when_it_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    clock = Clock()
    dog = Watchdog(10.0, clock)
    inference, render = dog.watch("gate", "inference"), dog.watch("door", "render")
    assert dog.watch("gate", "inference") is inference
    with render:
        pass
    with inference:
        for clock.now in (5.0, 10.0):
            dog.check(clock.now)
            assert not dog.stuck
        for clock.now in (10.5, 20.0, 30.0):
            dog.check(clock.now)
            assert dog.stuck == {"gate": "inference"}
    dog.check(31.0)
    assert not dog.stuck
    assert [record.getMessage() for record in caplog.records] == [
        "gate: inference has not returned for 10 s",
        "gate: inference returned after 31 s",
    ]


def test_a_stage_that_is_busy_all_the_time_is_not_stuck() -> None:
    clock = Clock()
    dog = Watchdog(10.0, clock)
    watch = dog.watch("gate", "inference")
    for second in range(0, 100, 9):
        clock.now = second
        with watch:
            dog.check(second + 8.9)
            assert not dog.stuck


def test_a_failure_within_the_stage_ends_the_watch() -> None:
    clock = Clock()
    dog = Watchdog(10.0, clock)
    watch = dog.watch("gate", "render")
    with pytest.raises(OSError, match="disk"), watch:
        raise OSError("disk")
    dog.check(1000.0)
    assert not dog.stuck


def test_a_camera_that_has_gone_is_not_watched_any_more() -> None:
    clock = Clock()
    dog = Watchdog(10.0, clock)
    with dog.watch("gate", "inference"):
        dog.check(20.0)
        assert dog.stuck
        dog.forget("gate")
        assert not dog.stuck
        dog.check(30.0)
        assert not dog.stuck


@pytest.mark.parametrize(
    ("state", "age", "expected"),
    [
        (State.RUNNING, 20.0, True),
        (State.RUNNING, 1.0, False),
        (State.RUNNING, None, False),
        (State.RECONNECTING, 20.0, False),
    ],
)
def test_a_source_that_runs_without_frames_is_silent(state: State, age: float | None, expected: bool) -> None:
    camera = CameraStatus(name="a", source="a", state=state, state_s=1.0, since_utc_s=0.0, frame_age_s=age)
    assert silent(camera, 10.0) is expected
