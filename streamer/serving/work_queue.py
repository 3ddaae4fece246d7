"""Requests of many clients for detectors that each do one at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from streamer.errors import in_one_line
from streamer.live.detector_pace import PATIENT_S, SILENT_FACTOR
from streamer.live.detector_worker import RELOAD_AFTER
from streamer.live.fair_share import FairShare
from streamer.redact import redact
from streamer.runtime.own_thread import leave_behind
from streamer.serving.failures import Busy
from streamer.stages import Detector
from streamer.stats import Latency

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_MOST_KNOWN = 256
"""Clients whose share is remembered while they ask nothing."""


class WorkQueue(Generic[Answer]):
    """Bounded, and fair: of the clients that wait, the one that had the least is next (:class:`FairShare`). For any thread.

    A request that nobody waits for any longer is left out when its turn comes. Each detector is called, and closed, by a thread
    of its own. After ``RELOAD_AFTER`` failures in a row it is closed, and ``load`` makes that of its
    place, from 0, anew.
    """

    def __init__(
        self,
        detectors: Sequence[Detector],
        *,
        most_waiting: int,
        most_of_a_client: int,
        load: Callable[[int], Detector] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.waited, self.worked = Latency(), Latency()
        """What requests waited for their turn, and what the detector took for them."""
        self.failures = 0
        """Requests on which the detector failed."""
        self.left_out = 0
        """Requests that nobody waited for any longer when their turn came."""
        self.refused = 0
        """Requests for which there was no room."""
        self._most_waiting, self._most_of_a_client = most_waiting, most_of_a_client
        self._load = load
        self._clock = clock
        self._since: dict[int, float] = {}
        """By thread: since when it has been at work."""
        self._share = FairShare()
        self._waiting: OrderedDict[str, deque[tuple[Future[Answer], Callable[[Detector], Answer], float]]] = OrderedDict()
        """By client; those that ask nothing have an empty queue. The one that asked last is at the end."""
        self._count = 0
        self._closing = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, args=(number, detector), name=f"detector-{number}", daemon=True)
            for number, detector in enumerate(detectors)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, client: str, work: Callable[[Detector], Answer]) -> Future[Answer]:
        """Have ``work`` done for ``client``, with a detector. Cancelling the future takes it back. Raises ``Busy``."""
        with self._changed:
            queue = self._waiting.get(client)
            # What was taken back makes room at once.
            if self._count >= self._most_waiting:
                for of_any in self._waiting.values():
                    self._drop_cancelled(of_any)
            elif queue is not None and len(queue) >= self._most_of_a_client:
                self._drop_cancelled(queue)
            if self._closing or self._count >= self._most_waiting or (queue and len(queue) >= self._most_of_a_client):
                self.refused += 1
                of = "this client" if queue and len(queue) >= self._most_of_a_client else "all clients"
                raise Busy("the server is ending" if self._closing else f"too many requests of {of} wait already")
            if queue is None:
                queue = self._waiting[client] = deque()
                self._share.add(client)
                self._forget_idle()
            self._waiting.move_to_end(client)
            future: Future[Answer] = Future()
            queue.append((future, work, self._clock()))
            self._count += 1
            self._changed.notify()
        return future

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return self._count

    @property
    def clients(self) -> int:
        """Clients that wait."""
        with self._changed:
            return sum(1 for queue in self._waiting.values() if queue)

    def stuck_s(self) -> float:
        """For how many seconds a detector has been at a picture, or at being loaded, for which that is too long; else 0.0."""
        begun = min(self._since.copy().values(), default=None)
        if begun is None:
            return 0.0
        seconds = self._clock() - begun
        return seconds if seconds > max(PATIENT_S, SILENT_FACTOR * self.worked.max_s) else 0.0

    def close(self, timeout_s: float = 2.0) -> None:
        """Take no more, answer ``Busy`` to what waits, and let the calls under way end, for ``timeout_s`` seconds."""
        with self._changed:
            self._closing = True
            for queue in self._waiting.values():
                for future, _, _ in queue:
                    if future.set_running_or_notify_cancel():
                        future.set_exception(Busy("the server is ending"))
                queue.clear()
            self._count = 0
            self._changed.notify_all()
        give_up_at = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, give_up_at - time.monotonic()))
            if thread.is_alive():
                leave_behind(thread)

    def _work(self, number: int, detector: Detector) -> None:
        in_a_row = 0
        while (taken := self._next()) is not None:
            future, work, since = taken
            begun = self._since[number] = self._clock()
            failure: BaseException | None = None
            try:
                answer = work(detector)
            except BaseException as error:  # noqa: BLE001  # a user's detector may raise anything; whoever waits is told
                failure = error
            with self._changed:
                self.waited.add(begun - since)
                self.worked.add(self._clock() - begun)
                self.failures += failure is not None
            if failure is None:
                in_a_row = 0
                future.set_result(answer)
            else:
                in_a_row += 1
                future.set_exception(failure)
            if in_a_row >= RELOAD_AFTER and self._load is not None:
                detector, in_a_row = self._anew(number, detector, self._load), 0
            del self._since[number]
        detector.close()

    def _anew(self, number: int, detector: Detector, load: Callable[[int], Detector]) -> Detector:
        """The detector, loaded again; itself where that fails, which is tried again after as many failures."""
        log.warning("the detector %s failed %d times in a row: loading it again", detector.name, RELOAD_AFTER)
        try:
            detector.close()  # first: a GPU may not hold two
        except Exception as error:  # noqa: BLE001  # it is broken anyway, and replaced
            log.warning("the detector %s cannot be closed: %s", detector.name, redact(in_one_line(error)))
        try:
            fresh = load(number)
        except Exception as error:  # noqa: BLE001  # a user's detector may raise anything
            log.error("the detector cannot be loaded again: %s", redact(in_one_line(error)))  # noqa: TRY400  # one line
            return detector
        log.warning("the detector %s was loaded again", fresh.name)
        return fresh

    def _next(self) -> tuple[Future[Answer], Callable[[Detector], Answer], float] | None:
        """Wait for something to do; None once closed."""
        with self._changed:
            while not self._closing:
                if ready := [client for client, queue in self._waiting.items() if queue]:
                    taken = self._waiting[self._share.next(ready)].popleft()
                    self._count -= 1
                    if taken[0].set_running_or_notify_cancel():
                        return taken
                    self.left_out += 1
                else:
                    self._changed.wait()
        return None

    def _drop_cancelled(self, queue: deque[tuple[Future[Answer], Callable[[Detector], Answer], float]]) -> None:
        kept = [item for item in queue if not item[0].cancelled()]
        self.left_out += len(queue) - len(kept)
        self._count -= len(queue) - len(kept)
        queue.clear()
        queue.extend(kept)

    def _forget_idle(self) -> None:
        if len(self._waiting) > _MOST_KNOWN:
            for client in [client for client, queue in self._waiting.items() if not queue]:
                if len(self._waiting) <= _MOST_KNOWN:
                    return
                del self._waiting[client]
                self._share.remove(client)
