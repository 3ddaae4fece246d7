"""Requests of many clients: bounded, fair, and nothing done that nobody waits for."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import SimpleQueue

import pytest

from streamer.errors import DetectorUnavailable
from streamer.live.detector_worker import RELOAD_AFTER
from streamer.serving.failures import Busy
from streamer.serving.work_queue import WorkQueue
from streamer.stages import Detector
from tests.fakes import FakeDetector
from tests.waiting import wait_until


class Gate:
    """One detector, whose calls a test lets go one by one; who was served is in ``served``."""

    def __init__(self, most_waiting: int = 20, most_of_a_client: int = 4) -> None:
        self.detector = FakeDetector()
        self.queue: WorkQueue[str] = WorkQueue([self.detector], most_waiting=most_waiting, most_of_a_client=most_of_a_client)
        self.served: list[str] = []
        self.begun: SimpleQueue[str] = SimpleQueue()
        self.let_go: SimpleQueue[None] = SimpleQueue()

    def ask(self, client: str) -> Future[str]:
        def work(_: Detector) -> str:
            self.begun.put(client)
            self.let_go.get(timeout=30)
            self.served.append(client)
            return client

        return self.queue.submit(client, work)

    def one(self) -> str:
        """Let the call under way end; the client of it."""
        client = self.begun.get(timeout=30)
        self.let_go.put(None)
        return client


def test_a_greedy_client_waits_for_its_share() -> None:
    gate = Gate()
    greedy = [gate.ask("greedy") for _ in range(4)]
    gate.begun.get(timeout=30)  # its first one is being worked on
    greedy.append(gate.ask("greedy"))
    modest = gate.ask("modest"), gate.ask("other")
    gate.let_go.put(None)
    order = [gate.one() for _ in range(6)]
    for future in (*greedy, *modest):
        future.result(30)
    assert set(order[:2]) == {"modest", "other"}
    assert order[2:] == ["greedy"] * 4
    gate.queue.close()
    assert gate.detector.closed == 1


def test_one_that_asks_again_after_each_answer_starves_nobody() -> None:
    gate = Gate()
    backlog = [gate.ask("backlog") for _ in range(4)]
    single = gate.ask("single")
    order = []
    for _ in range(8):
        order.append(gate.one())
        if order[-1] == "single":
            single.result(30)
            single = gate.ask("single")
    assert order.count("backlog") >= 3
    for _ in range(5 - order.count("backlog") + 1):
        if not gate.queue.waiting and gate.begun.empty():
            break
        gate.one()
    for future in backlog:
        future.result(30)
    gate.queue.close()


def test_what_there_is_no_room_for_is_refused_and_said() -> None:
    gate = Gate(most_waiting=3, most_of_a_client=2)
    futures = [gate.ask("a")]
    gate.begun.get(timeout=30)
    futures += [gate.ask("a"), gate.ask("a")]
    with pytest.raises(Busy, match="of this client"):
        gate.ask("a")
    futures.append(gate.ask("b"))
    with pytest.raises(Busy, match="of all clients"):
        gate.ask("c")
    assert (gate.queue.refused, gate.queue.waiting, gate.queue.clients) == (2, 3, 2)
    # What is taken back makes room.
    futures.pop(1).cancel()
    futures.append(gate.ask("a"))
    gate.let_go.put(None)
    for _ in range(3):
        gate.one()
    for future in futures:
        future.result(30)
    assert gate.queue.left_out == 1
    gate.queue.close()


def test_what_others_took_back_makes_room_too() -> None:
    gate = Gate(most_waiting=2, most_of_a_client=2)
    first = gate.ask("a")
    gate.begun.get(timeout=30)
    for taken_back in (gate.ask("a"), gate.ask("b")):
        taken_back.cancel()
    last = gate.ask("c")
    for _ in range(2):
        gate.let_go.put(None)
    assert (first.result(30), last.result(30), gate.queue.left_out) == ("a", "c", 2)
    gate.queue.close()


def test_what_nobody_waits_for_is_not_done() -> None:
    gate = Gate()
    first = gate.ask("a")
    gate.begun.get(timeout=30)
    left = gate.ask("b")
    assert left.cancel()
    gate.let_go.put(None)
    first.result(30)
    wait_until(lambda: gate.queue.left_out == 1)
    assert gate.served == ["a"]
    gate.queue.close()


def test_a_failure_is_the_client_s_own_and_the_queue_goes_on() -> None:
    gate = Gate()

    def fail(_: Detector) -> str:
        raise MemoryError("no more")

    with pytest.raises(MemoryError):
        gate.queue.submit("a", fail).result(30)
    after = gate.ask("a")
    gate.one()
    assert after.result(30) == "a"
    assert gate.queue.failures == 1
    gate.queue.close()


def test_at_the_end_nobody_is_left_waiting() -> None:
    gate = Gate()
    first, second = gate.ask("a"), gate.ask("a")
    gate.begun.get(timeout=30)
    closing = threading.Thread(target=gate.queue.close, args=(30.0,))
    closing.start()
    with pytest.raises(Busy, match="ending"):
        second.result(30)
    gate.let_go.put(None)
    assert first.result(30) == "a"
    closing.join(30)
    assert gate.detector.closed == 1
    with pytest.raises(Busy, match="ending"):
        gate.ask("b")


def test_clients_that_came_and_went_are_forgotten() -> None:
    gate = Gate()
    for number in range(1000):
        gate.let_go.put(None)
        gate.ask(f"client {number}").result(30)
    assert len(gate.queue._waiting) <= 257
    gate.queue.close()


class Fallible:
    """Detectors that are gone when a test says so, and loaded when it lets them."""

    def __init__(self, count: int) -> None:
        self.gone: set[int] = set()
        self.unloadable: set[int] = set()
        self.now = 0.0
        self.detectors = [FakeDetector() for _ in range(count)]
        self.places = {id(detector): place for place, detector in enumerate(self.detectors)}
        self.queue: WorkQueue[int] = WorkQueue(
            self.detectors, most_waiting=20, most_of_a_client=20, load=self._load, clock=lambda: self.now
        )

    def ask(self) -> Future[int]:
        """Which of them answers."""
        return self.queue.submit("client", self._work)

    def _work(self, detector: Detector) -> int:
        place = self.places[id(detector)]
        if place in self.gone:
            raise DetectorUnavailable(f"the process of {place} has ended")
        return place

    def _load(self, place: int) -> Detector:
        if place in self.unloadable:
            raise DetectorUnavailable(f"there is no GPU {place}")
        fresh = FakeDetector()
        self.detectors.append(fresh)
        self.places[id(fresh)] = place
        self.gone.discard(place)
        return fresh


def test_a_detector_that_keeps_failing_is_loaded_again() -> None:
    broken, fresh = FakeDetector(), FakeDetector()
    queue: WorkQueue[bool] = WorkQueue([broken], most_waiting=4, most_of_a_client=4, load=lambda _place: fresh)

    def work(detector: Detector) -> bool:
        if detector is broken:
            raise RuntimeError("it fell over")
        return True

    for _ in range(RELOAD_AFTER):
        with pytest.raises(RuntimeError):
            queue.submit("a", work).result(30)
    assert queue.submit("a", work).result(30)
    assert broken.closed == 1
    queue.close()
    assert fresh.closed == 1


def test_what_one_that_is_gone_was_asked_another_one_answers() -> None:
    fallible = Fallible(2)
    fallible.gone, fallible.unloadable = {0}, {0}
    told = "1 of 2 detectors failed, the others go on: fake on device 1: there is no GPU 0"

    def is_told() -> bool:
        assert fallible.ask().result(30) == 1
        return fallible.queue.partly_unfit == told

    wait_until(is_told)  # whichever is free takes a request: the other one may take many before
    assert (fallible.queue.unfit, fallible.queue.unfit_because) == (1, None)
    fallible.unloadable = set()
    fallible.now = 100.0
    wait_until(lambda: fallible.queue.unfit == 0)
    wait_until(lambda: fallible.ask().result(30) == 0)
    fallible.queue.close()
    assert all(detector.closed for detector in fallible.detectors)


def test_requests_fail_at_once_while_none_can_be_loaded() -> None:
    fallible = Fallible(2)
    fallible.gone, fallible.unloadable = {0, 1}, {0, 1}
    with pytest.raises(DetectorUnavailable, match=r"the process of \d has ended"):
        fallible.ask().result(30)
    wait_until(lambda: fallible.queue.unfit == 2)

    def fails_at_once() -> bool:
        with pytest.raises(DetectorUnavailable, match="there is no GPU"):
            fallible.ask().result(30)
        return fallible.queue._hopeless is not None

    wait_until(fails_at_once)
    assert str(fallible.queue.unfit_because) == "there is no GPU 0"
    fallible.unloadable = {0}
    fallible.now = 100.0
    wait_until(lambda: fallible.queue.unfit == 1)
    assert [fallible.ask().result(30) for _ in range(5)] == [1] * 5
    fallible.queue.close()


def test_a_request_that_two_are_gone_at_fails() -> None:
    fallible = Fallible(3)
    fallible.gone, fallible.unloadable = {0, 1, 2}, {0, 1, 2}
    with pytest.raises(DetectorUnavailable, match=r"the process of \d has ended"):
        fallible.ask().result(30)
    assert fallible.queue.unfit == 2
    fallible.queue.close()


def test_a_call_that_does_not_end_is_told() -> None:
    now = [0.0]
    begun, let_go = threading.Event(), threading.Event()
    queue: WorkQueue[bool] = WorkQueue([FakeDetector()], most_waiting=4, most_of_a_client=4, clock=lambda: now[0])

    def work(_: Detector) -> bool:
        begun.set()
        return let_go.wait(30)

    future = queue.submit("a", work)
    begun.wait(30)
    assert queue.stuck_s() == 0.0
    now[0] = 61.0
    assert queue.stuck_s() == 61.0
    let_go.set()
    future.result(30)
    wait_until(lambda: queue.stuck_s() == 0.0)
    queue.close()
