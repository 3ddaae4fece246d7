"""The shared detector: fair, on the newest frames, and one camera's failure is its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import pytest

from streamer.detectors.usual_times import UsualTimes
from streamer.errors import DetectorTimeout, DetectorUnavailable
from streamer.live.detector_worker import RELOAD_AFTER
from streamer.live.shared_detector import DetectorClient, SharedDetector
from tests.fakes import FakeDetector, frame, raise_at
from tests.waiting import wait_until


class Steps:
    """Lets the detector do one call at a time: a call reports itself, then waits to be let go."""

    def __init__(self) -> None:
        self.begun: SimpleQueue[int] = SimpleQueue()
        self.let_go: SimpleQueue[BaseException | None] = SimpleQueue()

    def __call__(self, call: int) -> None:
        self.begun.put(call)
        failure = self.let_go.get(timeout=10)
        if failure is not None:
            raise failure


def answer_of(client: DetectorClient) -> tuple[int, float]:
    """Frame index and left edge of the newest answer."""
    answers = []

    def came() -> bool:
        answer = client.poll()
        if answer is not None:
            answers.append(answer)
        return bool(answers)

    wait_until(came)
    of, found = answers[-1]
    return of.index, float(found.boxes_xyxy[0, 0])


def test_the_newest_frame_is_worked_on_and_its_answer_is_in_its_own_pixels() -> None:
    steps = Steps()
    shared = SharedDetector(FakeDetector(steps))
    gate = shared.client("gate")
    gate.submit(frame(0))
    steps.begun.get(timeout=10)
    assert [camera for camera, _since in shared.busy()] == ["gate"]
    assert [frame.index for frame in gate.begun] == [0]
    for index in range(1, 6):
        gate.submit(frame(index))
    assert gate.poll() is None
    steps.let_go.put(None)
    # A quarter of the frame's 64 pixels, although the detector saw 32.
    assert answer_of(gate) == (0, 16.0)
    steps.begun.get(timeout=10)
    steps.let_go.put(None)
    assert answer_of(gate) == (5, 16.0)
    assert gate.poll() is None
    shared.close()
    assert gate.detections == 2


def test_eight_cameras_that_always_have_a_frame_get_the_same_share() -> None:
    steps = Steps()
    shared = SharedDetector(FakeDetector(steps))
    clients = {f"camera {n}": shared.client(f"camera {n}") for n in range(8)}
    served: Counter[str] = Counter()
    for client in clients.values():
        client.submit(frame(0))
    for call in range(400):
        steps.begun.get(timeout=10)
        ((camera, _since),) = shared.busy()
        served[camera] += 1
        for client in clients.values():
            client.submit(frame(call + 1))
        steps.let_go.put(None)
    steps.begun.get(timeout=10)
    steps.let_go.put(None)
    shared.close()
    assert set(served.values()) == {50}


def test_a_camera_that_dies_does_not_disturb_the_others() -> None:
    steps = Steps()
    shared = SharedDetector(FakeDetector(steps))
    gate, door = shared.client("gate"), shared.client("door")
    gate.submit(frame(0))
    steps.begun.get(timeout=10)
    # It leaves while the detector works for it, and with another frame waiting.
    gate.submit(frame(1))
    gate.close()
    gate.close()
    gate.submit(frame(2))
    door.submit(frame(7))
    steps.let_go.put(None)
    steps.begun.get(timeout=10)
    steps.let_go.put(None)
    assert answer_of(door)[0] == 7
    shared.close()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_frame_that_the_detector_fails_on_has_no_masks_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    clock, steps = Clock(), Steps()
    shared = SharedDetector(FakeDetector(steps), clock=clock)
    gate, door = shared.client("gate"), shared.client("door")
    gate.submit(frame(0))
    steps.begun.get(timeout=10)
    door.submit(frame(1))
    steps.let_go.put(RuntimeError("out of\nmemory at rtsp://u:hunter2@h/"))
    steps.begun.get(timeout=10)
    assert gate.error == "the detector failed: RuntimeError: out of memory at rtsp://u:***@h/"
    assert (gate.failures, gate.detections, door.error) == (1, 0, "")
    assert gate.poll() is None
    steps.let_go.put(None)
    assert answer_of(door)[0] == 1
    # Asked again only after a while, on the newest frame then; without a word in between.
    gate.submit(frame(1))
    door.submit(frame(2))
    steps.begun.get(timeout=10)
    gate.submit(frame(2))
    clock.now += 0.2
    steps.let_go.put(None)
    steps.begun.get(timeout=10)
    steps.let_go.put(RuntimeError("again"))
    wait_until(lambda: gate.failures == 2)
    gate.submit(frame(3))
    clock.now += 3.0
    steps.begun.get(timeout=10)
    steps.let_go.put(None)
    assert answer_of(gate)[0] == 3
    assert gate.error == ""
    shared.close()
    assert [record.getMessage() for record in caplog.records] == [
        "gate: the detector failed, frames go on without new masks: RuntimeError: out of memory at rtsp://u:***@h/",
        "gate: the detector works again",
    ]


@pytest.mark.parametrize("error", [SystemExit(3), MemoryError(), KeyboardInterrupt()])
def test_whatever_a_detector_raises_its_thread_goes_on(error: BaseException) -> None:
    steps = Steps()
    shared = SharedDetector(FakeDetector(steps))
    gate, door = shared.client("gate"), shared.client("door")
    gate.submit(frame(0))
    steps.begun.get(timeout=10)
    steps.let_go.put(error)
    door.submit(frame(1))
    steps.begun.get(timeout=10)
    steps.let_go.put(None)
    assert answer_of(door)[0] == 1
    assert type(error).__name__ in gate.error
    shared.close()


def test_asking_waits_for_the_answer_and_for_nothing_else() -> None:
    clock, steps = Clock(), Steps()
    shared = SharedDetector(FakeDetector(steps), clock=clock)
    gate = shared.client("gate")
    steps.let_go.put(None)
    first = frame(0)
    found = gate.ask(first, timeout_s=1e9)
    assert found is not None
    assert len(found) == 1
    # Nothing within the time: the same frame may be asked about again.
    second = frame(1)
    assert gate.ask(second, timeout_s=0.0) is None
    steps.let_go.put(RuntimeError("broken"))
    found = gate.ask(second, timeout_s=1e9)
    assert found is not None
    assert len(found) == 0
    # During the backoff a live frame goes on at once; a recording waits for its answer.
    found = gate.ask(frame(2), timeout_s=1e9)
    assert found is not None
    assert len(found) == 0
    assert steps.begun.qsize() == 2
    for _ in range(2):  # frame 2, if the detector is quick, and frame 3
        steps.let_go.put(None)
    clock.now += 1.0
    found = gate.ask(frame(3))
    assert found is not None
    assert len(found) == 1
    shared.close()


def test_a_detector_that_does_not_answer_is_silent_and_is_not_waited_for() -> None:
    clock, steps = Clock(), Steps()
    shared = SharedDetector(FakeDetector(steps), clock=clock)
    gate, door = shared.client("gate"), shared.client("door")
    gate.submit(frame(0))
    steps.begun.get(timeout=10)
    clock.now += 4.0
    assert (gate.error, gate.silent_s) == ("", 0.0)
    clock.now += 2.0
    assert gate.error == door.error == "the detector has not answered for 6 s"
    for client in (gate, door):
        found = client.ask(frame(1), timeout_s=1e9)
        assert found is not None
        assert len(found) == 0
    clock.now += 60.0
    found = door.ask(frame(2))
    assert found is not None
    assert len(found) == 0
    for _ in range(3):
        steps.let_go.put(None)
    wait_until(lambda: gate.detections + door.detections == 3)
    assert gate.error == door.error == ""
    # It took 66 s, so that it may take as long again.
    gate.submit(frame(3))
    wait_until(lambda: steps.begun.qsize() == 3)
    shared.workers[0].pace.answered(66.0)
    clock.now += 100.0
    assert gate.error == ""
    steps.let_go.put(None)
    shared.close()


class Models:
    """Detectors one after the other: each fails as many times as it is told to; loading one may fail."""

    def __init__(self, *failures: int, loads: Sequence[bool] = (True, True, True)) -> None:
        self.made: list[FakeDetector] = []
        self.threads: list[str] = []
        self._failures = iter(failures)
        self._loads = iter(loads)

    def __call__(self, _place: int = 0) -> FakeDetector:
        self.threads.append(threading.current_thread().name)
        if not next(self._loads):
            raise DetectorUnavailable("no memory for it")
        failures = next(self._failures)

        def fail(call: int) -> None:
            if call <= failures:
                raise RuntimeError(f"call {call}")

        self.made.append(FakeDetector(fail))
        return self.made[-1]


def asked_until(client: DetectorClient, clock: Clock, happened: Callable[[], object]) -> None:
    """Leave frames, and let the time go on, until it ``happened``."""
    index = 0

    def step() -> object:
        nonlocal index
        clock.now += 1.0
        client.submit(frame(index))
        index += 1
        return happened()

    wait_until(step)


def test_after_ten_failures_in_a_row_the_detector_is_loaded_again(caplog: pytest.LogCaptureFixture) -> None:
    clock, models = Clock(), Models(1000, 0, loads=(True, False, False, True))
    first = models()
    shared = SharedDetector(first, load=models, clock=clock)
    gate = shared.client("gate")
    asked_until(gate, clock, lambda: gate.detections and not gate.error)
    shared.close()
    assert first.calls == RELOAD_AFTER
    assert first.closed >= 1
    assert (models.made[1].calls >= 1, models.made[1].closed) == (True, 1)
    assert models.threads == [threading.current_thread().name, "detector", "detector", "detector"]
    assert [record.getMessage() for record in caplog.records] == [
        "gate: the detector failed, frames go on without new masks: RuntimeError: call 1",
        "the detector fake failed 10 times in a row: loading it again",
        "the detector cannot be loaded again, trying on: no memory for it",
        "the detector fake was loaded again",
        "gate: the detector works again",
    ]


def test_failures_between_successes_load_nothing_again() -> None:
    clock = Clock()

    def fail_often(call: int) -> None:
        if call % 5:
            raise RuntimeError("now and then")

    detector = FakeDetector(fail_often)
    shared = SharedDetector(detector, load=lambda _place: FakeDetector(), clock=clock)
    gate = shared.client("gate")
    asked_until(gate, clock, lambda: gate.detections >= 6)
    assert shared.detector is detector
    assert gate.failures >= 20
    shared.close()


def test_a_detector_that_was_not_fit_at_the_start_is_loaded_again_before_it_is_asked() -> None:
    clock, models = Clock(), Models(0)
    cold = FakeDetector(raise_at(0, DetectorUnavailable("cannot be warmed up")))
    shared = SharedDetector(cold, load=models, cold=True, clock=clock)
    gate = shared.client("gate")
    wait_until(lambda: gate.error == "the detector failed: cannot be warmed up", what=lambda: gate.error)
    asked_until(gate, clock, lambda: gate.detections and not gate.error)
    shared.close()
    assert (cold.calls, cold.closed) == (0, 1)
    assert gate.error == ""


def test_it_is_warmed_up_in_its_own_thread_and_says_when_its_first_result_comes(tmp_path: Path) -> None:
    times = UsualTimes("big", tmp_path / "times.json")
    times.keep("warm_up", 40.0)
    times.keep("call", 20.0)
    clock, warming, warm, steps = Clock(), threading.Event(), threading.Event(), Steps()

    def at(call: int) -> None:
        if call:
            steps(call)
        else:
            warming.set()
            warm.wait(10)

    detector = FakeDetector(at)
    shared = SharedDetector(detector, cold=True, times=times, clock=clock)
    gate = shared.client("gate")
    gate.submit(frame(0))
    assert warming.wait(10)
    clock.now += 15.0
    assert (gate.awaiting, gate.error, shared.limit_s()) == ("first result in about 45 s", "", 200.0)
    warm.set()
    steps.begun.get(timeout=10)
    assert (gate.awaiting, shared.limit_s()) == ("first result in about 20 s", 100.0)
    clock.now += 21.0
    steps.let_go.put(None)
    wait_until(lambda: gate.detections)
    assert (gate.awaiting, times.seconds("call"), times.seconds("warm_up")) == ("", 21.0, 15.0)
    shared.close()


def test_closing_waits_for_the_call_and_closes_the_detector_in_its_own_thread() -> None:
    steps = Steps()
    detector = FakeDetector(steps)
    shared = SharedDetector(detector)
    gate = shared.client("gate")
    gate.submit(frame(0))
    steps.begun.get(timeout=10)
    with pytest.raises(DetectorTimeout, match="fake did not return"):
        shared.close(timeout_s=0.01)
    before = detector.closed
    steps.let_go.put(None)
    shared.close()
    shared.close()
    assert (before, detector.closed) == (0, 1)
    gate.submit(frame(1))
    assert detector.calls == 1


def test_a_detector_that_was_never_asked_is_closed_as_well() -> None:
    detector = FakeDetector()
    SharedDetector(detector).close()
    assert detector.closed == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "detector"]


def test_weights_and_names_are_checked() -> None:
    shared = SharedDetector(FakeDetector())
    shared.client("gate")
    with pytest.raises(ValueError, match="already"):
        shared.client("gate")
    with pytest.raises(ValueError, match="more than 0"):
        shared.client("door", weight=-1.0)


class Places:
    """Several detectors; each reports its calls by its place, and waits to be let go. Those loaded again do neither."""

    def __init__(self, count: int) -> None:
        self.begun: SimpleQueue[int] = SimpleQueue()
        self.let_go: list[SimpleQueue[BaseException | None]] = [SimpleQueue() for _ in range(count)]
        self.detectors = [FakeDetector(partial(self._at, place)) for place in range(count)]
        self.loaded: list[int] = []

    def load(self, place: int) -> FakeDetector:
        self.loaded.append(place)
        return FakeDetector()

    def _at(self, place: int, _call: int) -> None:
        self.begun.put(place)
        failure = self.let_go[place].get(timeout=10)
        if failure is not None:
            raise failure

    def next_two(self) -> list[int]:
        return sorted(self.begun.get(timeout=10) for _ in range(2))


def test_several_detectors_work_at_the_same_time_for_cameras_in_turn() -> None:
    places = Places(2)
    shared = SharedDetector(*places.detectors)
    clients = {name: shared.client(name) for name in ("gate", "door", "yard")}
    for index, client in enumerate(clients.values()):
        client.submit(frame(index))
    assert places.next_two() == [0, 1]
    working = {camera for camera, _since in shared.busy()}
    assert len(working) == 2
    (third,) = set(clients) - working
    for queue in places.let_go:
        queue.put(None)
    wait_until(lambda: all(clients[name].detections for name in working))
    places.let_go[places.begun.get(timeout=10)].put(None)
    wait_until(lambda: clients[third].detections)
    shared.close()
    assert [detector.closed for detector in places.detectors] == [1, 1]


def test_one_camera_has_several_detectors_at_even_distances_and_only_newer_answers() -> None:
    clock, places = Clock(), Places(2)
    shared = SharedDetector(*places.detectors, clock=clock)
    gate = shared.client("gate")
    gate.submit(frame(0))
    first = places.begun.get(timeout=10)
    clock.now += 1.0
    places.let_go[first].put(None)
    assert answer_of(gate)[0] == 0
    # It took a second: the next frame but one may be begun half a second after the next.
    for worker in shared.workers:
        worker.pace.answered(1.0)
    gate.submit(frame(1))
    second = places.begun.get(timeout=10)
    gate.submit(frame(2))
    clock.now += 0.4
    assert [frame.index for frame in gate.begun] == [0, 1]
    assert places.begun.empty()
    clock.now += 0.2
    third = places.begun.get(timeout=10)
    assert {second, third} == {0, 1}
    assert [frame.index for frame in gate.begun] == [1, 2]
    # The newer frame is answered first: the older answer is of no use any more.
    places.let_go[third].put(None)
    assert answer_of(gate)[0] == 2
    places.let_go[second].put(None)
    wait_until(lambda: gate.detections == 3)
    assert gate.poll() is None
    shared.close()


def test_what_a_detector_that_is_gone_had_begun_another_one_does(caplog: pytest.LogCaptureFixture) -> None:
    places = Places(2)
    shared = SharedDetector(*places.detectors, load=places.load)
    gate, door = shared.client("gate"), shared.client("door")
    gate.submit(frame(0))
    door.submit(frame(1))
    places.next_two()
    for queue in places.let_go:
        queue.put(DetectorUnavailable("its process has ended with -9") if queue is places.let_go[0] else None)
    # The other one is busy first with its own, then with what was given back; or the first is loaded again meanwhile.
    places.let_go[1].put(None)
    wait_until(lambda: gate.detections == door.detections == 1)
    assert gate.failures == door.failures == 0
    wait_until(lambda: not shared.partly_unfit)
    assert places.loaded == [0]
    assert gate.error == ""
    shared.close()
    assert [record.getMessage() for record in caplog.records] == [
        "the detector fake on device 1 is gone (its process has ended with -9): loading it again",
        "the detector fake on device 1 was loaded again",
    ]


def test_while_one_of_several_is_not_fit_the_others_go_on_and_it_is_said() -> None:
    clock, places = Clock(), Places(2)

    def load(_place: int) -> FakeDetector:
        raise DetectorUnavailable("no such device")

    shared = SharedDetector(*places.detectors, load=load, cold=True, clock=clock)
    gate = shared.client("gate")
    assert places.next_two() == [0, 1]
    places.let_go[0].put(RuntimeError("out of memory"))
    places.let_go[1].put(None)
    wait_until(lambda: gate.error)
    assert gate.error.startswith("1 of 2 detectors failed, the others go on: fake on device 1: ")
    for index in range(3):
        gate.submit(frame(index))
        assert places.begun.get(timeout=10) == 1
        places.let_go[1].put(None)
        assert answer_of(gate)[0] == index
        clock.now += 10.0
    assert gate.failures == 0
    assert not shared.unfit
    shared.close()


def test_one_of_several_that_does_not_answer_leaves_the_cameras_to_the_others() -> None:
    clock, places = Clock(), Places(2)
    shared = SharedDetector(*places.detectors, clock=clock)
    gate = shared.client("gate")
    gate.submit(frame(0))
    stuck = places.begun.get(timeout=10)
    clock.now += 100.0
    for index in (1, 2):
        gate.submit(frame(index))
        assert places.begun.get(timeout=10) == 1 - stuck
        assert (gate.silent_s, shared.workers[stuck].silent_s(clock.now, 5.0)) == (0.0, clock.now - 1000.0)
        places.let_go[1 - stuck].put(None)
        assert answer_of(gate)[0] == index
    with pytest.raises(DetectorTimeout, match=f"fake on device {stuck + 1} did not return"):
        shared.close(timeout_s=0.5)
    places.let_go[stuck].put(None)
    shared.close()
