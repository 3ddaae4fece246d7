"""Requests of many clients for detectors that each do one at a time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from streamer.live.detector_pace import PATIENT_S, SILENT_FACTOR
from streamer.live.detector_worker import DetectorWorker, all_unfit_because, partly_unfit, workers_of
from streamer.live.fair_share import FairShare
from streamer.runtime.own_thread import leave_behind
from streamer.serving.failures import Busy
from streamer.stages import Detector
from streamer.stats import Latency

Answer = TypeVar("Answer")

_MOST_KNOWN = 256
"""Clients whose share is remembered while they ask nothing."""
_GLANCE_S = 0.1
"""How often a thread that waits for a moment of the clock looks at it."""


@dataclass(slots=True, eq=False)
class _Request(Generic[Answer]):
    client: str
    work: Callable[[Detector], Answer]
    since: float
    future: Future[Answer] = field(default_factory=Future)
    given_back: bool = False
    """Whether a detector was gone when it was asked."""


class WorkQueue(Generic[Answer]):
    """Bounded, and fair: of the clients that wait, the one that had the least is next (:class:`FairShare`). For any thread.

    A request that nobody waits for any longer is left out when its turn comes. Each detector is called, and closed, by a thread
    of its own. When it is gone (``DetectorUnavailable``), and after ``RELOAD_AFTER`` failures in a row, it is closed, and
    ``load`` makes that of its place, from 0, anew, with a backoff. Meanwhile the others go on, and one of them is asked what it
    was asked last; where there is no other, requests fail once it cannot be loaded.
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
        self._clock = clock
        self._workers = workers_of(detectors, load, clock)
        self._hopeless: BaseException | None = None
        """Why no detector could be loaded again so far."""
        self._share = FairShare()
        self._waiting: OrderedDict[str, deque[_Request[Answer]]] = OrderedDict()
        """By client; those that ask nothing have an empty queue. The one that asked last is at the end."""
        self._count = 0
        self._closing = False
        self._changed = threading.Condition()
        for place, worker in enumerate(self._workers):
            worker.thread = threading.Thread(target=self._work, args=(worker,), name=f"detector-{place}", daemon=True)
            worker.thread.start()

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
            request = _Request(client, work, self._clock())
            if self._hopeless is not None:
                request.future.set_exception(self._hopeless)
                return request.future
            self._queue_of(client).append(request)
            self._waiting.move_to_end(client)
            self._count += 1
            self._changed.notify_all()
        return request.future

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return self._count

    @property
    def clients(self) -> int:
        """Clients that wait."""
        with self._changed:
            return sum(1 for queue in self._waiting.values() if queue)

    @property
    def unfit_because(self) -> BaseException | None:
        """Why no detector works; None while one does."""
        return all_unfit_because(self._workers)

    @property
    def partly_unfit(self) -> str:
        """Which of several detectors are not working, and why, without credentials; empty while all are or none is."""
        return partly_unfit(self._workers)

    @property
    def unfit(self) -> int:
        """Detectors that are not working."""
        return sum(worker.unfit_because is not None for worker in self._workers)

    def stuck_s(self) -> float:
        """For how many seconds the detector, or each of several, has been at a picture, or at being loaded, for which that is
        too long; else 0.0.
        """
        fit = [worker for worker in self._workers if worker.unfit_because is None] or self._workers
        busy = [worker.busy for worker in fit]
        if None in busy:
            return 0.0
        seconds = self._clock() - max(since for _client, since in filter(None, busy))
        return seconds if seconds > max(PATIENT_S, SILENT_FACTOR * self.worked.max_s) else 0.0

    def close(self, timeout_s: float = 2.0) -> None:
        """Take no more, answer ``Busy`` to what waits, and let the calls under way end, for ``timeout_s`` seconds."""
        with self._changed:
            self._closing = True
            waiting = self._take_all()
            self._changed.notify_all()
        for request in waiting:
            request.future.set_exception(Busy("the server is ending"))
        give_up_at = time.monotonic() + timeout_s
        for worker in self._workers:
            assert worker.thread is not None
            worker.thread.join(max(0.0, give_up_at - time.monotonic()))
            if worker.thread.is_alive():
                leave_behind(worker.thread)

    def _work(self, worker: DetectorWorker) -> None:
        while (work := self._next(worker)) is not None:
            work()
            worker.busy = None
        worker.detector.close()

    def _next(self, worker: DetectorWorker) -> Callable[[], None] | None:
        """Wait for something to do; None once closed."""
        with self._changed:
            while not self._closing:
                now = self._clock()
                if worker.unfit_because is not None:
                    if now >= worker.retry_at:
                        worker.busy = "", now
                        return lambda: self._load_again(worker)
                    self._changed.wait(min(_GLANCE_S, worker.retry_at - now))
                elif (request := self._taken()) is not None:
                    worker.busy = request.client, now
                    return partial(self._do, worker, request)
                else:
                    self._changed.wait()
        return None

    def _do(self, worker: DetectorWorker, request: _Request[Answer]) -> None:
        begun = self._clock()
        failure: BaseException | None = None
        try:
            answer = worker.call(request.work)
        except BaseException as error:  # noqa: BLE001  # a user's detector may raise anything; whoever waits is told
            failure = error
        with self._changed:
            self.waited.add(begun - request.since)
            self.worked.add(self._clock() - begun)
            self.failures += failure is not None
        if failure is None:
            request.future.set_result(answer)
        elif worker.unfit_because is not failure or not self._give_back(request):
            request.future.set_exception(failure)

    def _give_back(self, request: _Request[Answer]) -> bool:
        """A detector that is gone has not answered: another one is asked, once. Returns whether there is one."""
        with self._changed:
            if self._closing or request.given_back or self.unfit_because is not None:
                return False
            request.given_back = True
            self._queue_of(request.client).appendleft(request)
            self._count += 1
            self._changed.notify_all()
        return True

    def _load_again(self, worker: DetectorWorker) -> None:
        error = worker.load_again()
        with self._changed:
            self._hopeless = None if error is None or self.unfit_because is None else error
            failed = [] if self._hopeless is None else self._take_all()
            self._changed.notify_all()
        for request in failed:
            request.future.set_exception(error)

    def _taken(self) -> _Request[Answer] | None:
        """Under the lock: the request whose turn it is; None where none waits."""
        while ready := [client for client, queue in self._waiting.items() if queue]:
            request = self._waiting[self._share.next(ready)].popleft()
            self._count -= 1
            if request.given_back or request.future.set_running_or_notify_cancel():
                return request
            self.left_out += 1
        return None

    def _take_all(self) -> list[_Request[Answer]]:
        """Under the lock: all requests that wait, and that somebody waits for."""
        queues = self._waiting.values()
        taken = [
            request
            for queue in queues
            for request in queue
            if request.given_back or request.future.set_running_or_notify_cancel()
        ]
        for queue in queues:
            queue.clear()
        self._count = 0
        return taken

    def _queue_of(self, client: str) -> deque[_Request[Answer]]:
        queue = self._waiting.get(client)
        if queue is None:
            queue = self._waiting[client] = deque()
            self._share.add(client)
            self._forget_idle()
        return queue

    def _drop_cancelled(self, queue: deque[_Request[Answer]]) -> None:
        kept = [request for request in queue if not request.future.cancelled()]
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
