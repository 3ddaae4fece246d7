"""Detectors that share a recording: what becomes of the work of one that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError

import pytest

from streamer.errors import DetectorError, DetectorUnavailable
from streamer.perception.detector_team import DetectorTeam
from streamer.runtime.own_thread import CallLeft
from streamer.stages import Detector
from tests.fakes import FakeDetector

WAIT_S = 30.0


class Fallible(FakeDetector):
    """Can be loaded again, once ``may_load`` is set; fails to be where ``unloadable`` says why."""

    def __init__(self, name: str, unloadable: str = "") -> None:
        super().__init__()
        self.name = name
        self.loaded = 0
        self.may_load = threading.Event()
        self._unloadable = unloadable
        self.closing = threading.Event()

    def reload(self) -> None:
        self.may_load.wait(WAIT_S)
        if self.closing.is_set():
            raise DetectorUnavailable("it is closed")
        if self._unloadable:
            raise DetectorUnavailable(self._unloadable)
        self.loaded += 1

    def close(self) -> None:
        self.closing.set()
        self.may_load.set()
        super().close()


def name_of(detector: Detector) -> str:
    return detector.name


def failing_on(*names: str) -> Callable[[Detector], str]:
    """Work that fails with the detectors of these names."""

    def work(detector: Detector) -> str:
        if detector.name in names:
            raise DetectorError(f"{detector.name} fell off the bus")
        return detector.name

    return work


@pytest.fixture
def detectors() -> Iterator[list[Fallible]]:
    made = [Fallible("a"), Fallible("b")]
    yield made
    for detector in made:
        detector.may_load.set()


def test_work_goes_to_the_detectors_in_turn(detectors: list[Fallible]) -> None:
    team = DetectorTeam(detectors)
    assert [team.begin(name_of).result(WAIT_S) for _ in range(4)] == ["a", "b", "a", "b"]
    team.close()
    assert all(detector.closing.is_set() for detector in detectors)


def test_the_others_do_the_work_of_one_that_failed_until_it_is_loaded_again(detectors: list[Fallible]) -> None:
    team = DetectorTeam(detectors)
    assert team.begin(failing_on("a")).result(WAIT_S) == "b"
    assert [team.begin(name_of).result(WAIT_S) for _ in range(3)] == ["b", "b", "b"]
    detectors[0].may_load.set()
    found = {team.begin(name_of).result(WAIT_S)}
    while "a" not in found:
        found.add(team.begin(name_of).result(WAIT_S))
    assert detectors[0].loaded == 1
    team.close()


def test_what_was_handed_to_it_before_goes_to_the_others_too(detectors: list[Fallible]) -> None:
    team = DetectorTeam(detectors)
    begun, go_on = threading.Event(), threading.Event()

    def held(detector: Detector) -> str:
        begun.set()
        go_on.wait(WAIT_S)
        return failing_on("a")(detector)

    futures = [team.begin(held)]
    begun.wait(WAIT_S)
    futures += [team.begin(name_of) for _ in range(4)]
    go_on.set()
    assert [future.result(WAIT_S) for future in futures] == ["b"] * 5
    team.close()


def test_work_waits_while_all_are_loaded_again(detectors: list[Fallible]) -> None:
    team = DetectorTeam(detectors)
    both = threading.Barrier(2, timeout=WAIT_S)
    failed: set[str] = set()

    def once(detector: Detector) -> str:
        if detector.name not in failed:
            failed.add(detector.name)
            both.wait()
            raise DetectorError("all fell off the bus")
        return detector.name

    futures = [team.begin(once), team.begin(once)]
    detectors[1].may_load.set()
    assert [future.result(WAIT_S) for future in futures] == ["b", "b"]
    team.close()


def test_work_fails_once_none_of_them_can_be_loaded_again() -> None:
    detectors = [Fallible("a", "there is no GPU 0"), Fallible("b", "there is no GPU 1")]
    for detector in detectors:
        detector.may_load.set()
    team = DetectorTeam(detectors)
    with pytest.raises(DetectorError, match="fell off the bus"):
        team.begin(failing_on("a", "b")).result(WAIT_S)
    with pytest.raises(DetectorUnavailable, match="there is no GPU"):
        team.begin(name_of).result(WAIT_S)
    team.close()


def test_it_is_the_frames_fault_where_two_fail_at_it(detectors: list[Fallible]) -> None:
    team = DetectorTeam([*detectors, Fallible("c")])
    with pytest.raises(DetectorError, match="b fell off the bus"):
        team.begin(failing_on("a", "b", "c")).result(WAIT_S)
    assert team.begin(name_of).result(WAIT_S) == "c"
    team.close()


def test_an_error_of_a_detector_that_cannot_be_loaded_again_is_that_of_the_work() -> None:
    team = DetectorTeam([FakeDetector(), FakeDetector()])
    with pytest.raises(DetectorError, match="fell off the bus"):
        team.begin(failing_on("fake")).result(WAIT_S)
    assert team.begin(name_of).result(WAIT_S) == "fake"
    team.close()


def test_other_errors_are_not_the_detectors(detectors: list[Fallible]) -> None:
    team = DetectorTeam(detectors)

    def work(_: Detector) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        team.begin(work).result(WAIT_S)
    assert [team.begin(name_of).result(WAIT_S) for _ in range(2)] == ["b", "a"]
    team.close()


def test_what_was_cancelled_is_not_begun(detectors: list[Fallible]) -> None:
    team = DetectorTeam(detectors[:1])
    begun, go_on = threading.Event(), threading.Event()
    done = []

    def held(_: Detector) -> None:
        begun.set()
        go_on.wait(WAIT_S)

    first = team.begin(held)
    begun.wait(WAIT_S)
    second = team.begin(lambda _: done.append(2))
    third = team.begin(lambda _: done.append(3))
    assert first.cancel()
    assert second.cancel()
    go_on.set()
    third.result(WAIT_S)
    assert done == [3]
    with pytest.raises(CancelledError):
        first.result(WAIT_S)
    team.close()


def test_nobody_waits_for_a_team_that_was_left(detectors: list[Fallible]) -> None:
    team = DetectorTeam(detectors)
    assert team.begin(failing_on("a")).result(WAIT_S) == "b"
    begun, go_on = threading.Event(), threading.Event()

    def held(_: Detector) -> None:
        begun.set()
        go_on.wait(WAIT_S)

    future = team.begin(held)
    begun.wait(WAIT_S)
    team.leave()
    for left in (future, team.begin(name_of)):
        with pytest.raises(CallLeft):
            left.result(WAIT_S)
    go_on.set()
    detectors[0].may_load.set()
    team.close()
    for detector in detectors:
        assert detector.closing.wait(WAIT_S)


def test_one_that_is_being_loaded_is_closed_at_once(detectors: list[Fallible]) -> None:
    team = DetectorTeam(detectors)
    assert team.begin(failing_on("a")).result(WAIT_S) == "b"
    team.close()  # nothing else lets it be loaded
    assert detectors[0].loaded == 0
