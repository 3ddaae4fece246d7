"""The shared detector: fair, on the newest frames, and one camera's failure is its own."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from queue import SimpleQueue

import pytest

from streamer.errors import DetectorError, DetectorTimeout
from streamer.live.shared_detector import DetectorClient, SharedDetector
from tests.fakes import FakeDetector, frame
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
    assert shared.busy() is not None
    assert gate.begun is not None
    assert gate.begun.index == 0
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
        busy = shared.busy()
        assert busy is not None
        served[busy[0]] += 1
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


def test_what_the_detector_raises_comes_out_at_the_camera_whose_frame_it_was(caplog: pytest.LogCaptureFixture) -> None:
    steps = Steps()
    shared = SharedDetector(FakeDetector(steps))
    gate, door = shared.client("gate"), shared.client("door")
    gate.submit(frame(0))
    steps.begun.get(timeout=10)
    door.submit(frame(1))
    with caplog.at_level(logging.ERROR):
        steps.let_go.put(RuntimeError("out of memory"))
        steps.begun.get(timeout=10)
    with pytest.raises(DetectorError, match="out of memory") as caught:
        gate.submit(frame(1))
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(DetectorError, match="out of memory"):
        gate.poll()
    assert len(caplog.records) == 1
    steps.let_go.put(None)
    assert answer_of(door)[0] == 1
    shared.close()


def test_closing_waits_for_the_call_and_closes_the_detector_in_its_own_thread() -> None:
    steps = Steps()
    detector = FakeDetector(steps)
    shared = SharedDetector(detector)
    gate = shared.client("gate")
    gate.submit(frame(0))
    steps.begun.get(timeout=10)
    with pytest.raises(DetectorTimeout, match="fake did not come back"):
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
