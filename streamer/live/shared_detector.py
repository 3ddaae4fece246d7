"""One detector for many cameras: a thread that goes round fairly, always on the newest frame of each."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from streamer.detectors.absent import AbsentDetector
from streamer.detectors.usual_times import UsualTimes
from streamer.errors import DetectorTimeout, in_one_line
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.live.detector_pace import PATIENT_S, SILENT_S
from streamer.live.detector_worker import DetectorWorker, all_unfit_because, partly_unfit, workers_of
from streamer.live.fair_share import FairShare
from streamer.perception.selection import Selection, detect_in
from streamer.redact import redact
from streamer.runtime.backoff import Backoff
from streamer.runtime.circuit_breaker import CircuitBreaker
from streamer.runtime.own_thread import leave_behind
from streamer.stages import Detector

log = logging.getLogger(__name__)


class CurrentLabels(Mapping[int, str]):
    """Class names by id as they are when they are read."""

    def __init__(self, current: Callable[[], Mapping[int, str]]) -> None:
        self._current = current

    def __getitem__(self, class_id: int) -> str:
        return self._current()[class_id]

    def __iter__(self) -> Iterator[int]:
        return iter(self._current())

    def __len__(self) -> int:
        return len(self._current())


_CALL_BACKOFF = Backoff(initial_s=0.1, max_s=10.0)
_GLANCE_S = 0.1
"""How often a thread that waits for a moment of the clock looks at it."""


class SharedDetector:
    """Owns a detector, which is called by one thread of this object's own, for the cameras that have a client.

    A camera leaves its newest frame, at any time and without waiting; an older one that was not begun yet is replaced.
    Whose turn it is, :class:`~streamer.live.fair_share.FairShare` says.

    A detector that raises on a camera's frame is not asked for this camera until a backoff is over; the other cameras go on.
    After ``RELOAD_AFTER`` failures in a row, and when it is gone (``DetectorUnavailable``), it is closed and ``load`` makes it
    anew, with a backoff of its own.

    There may be several, one for each GPU, with a thread each: whichever is free takes the next frame. What the others work on
    goes on while one of them fails, is loaded again, or does not answer; a frame of one that is gone goes to another.
    """

    def __init__(
        self,
        *detectors: Detector,
        load: Callable[[int], Detector] | None = None,
        backoff: Backoff | None = None,
        cold: bool = False,
        times: UsualTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``load`` returns the detector of that place, from 0, anew, warmed up; without it none is ever loaded again, and with
        ``backoff`` between attempts. ``cold``: they have to be warmed up first, which begins with the first client. ``times``:
        what that took the last time, and where to keep it.
        """
        if not detectors:
            raise ValueError("detectors: expected at least one, got none")
        self.workers = workers_of(detectors, load, clock, backoff=backoff, cold=cold, times=times)
        self._cold = cold
        self._asked_at: float | None = None
        """When there was something to do for the first time."""
        self._clock = clock
        self._share = FairShare()
        self._clients: dict[str, DetectorClient] = {}
        self._waiting: dict[str, Frame] = {}
        self._closing = False
        self._changed = threading.Condition()
        self._newest = self.workers[0]
        self._known = dict(detectors[0].labels)
        """Class names of the detector that was loaded last, as they were then."""
        self.labels: Mapping[int, str] = CurrentLabels(lambda: self.detector.labels)
        """Class names by id, at any moment those of the detector: one that is loaded again may have others."""

    @property
    def detector(self) -> Detector:
        """The detector, for its name and labels; of several, the one that was loaded last."""
        return self._newest.detector

    def client(self, camera: str, weight: float = 1.0) -> DetectorClient:
        """A client for a camera; ``weight`` is its share relative to the others. Raises ``ValueError`` for a name twice."""
        with self._changed:
            self._share.add(camera, weight)
            client = self._clients[camera] = DetectorClient(self, camera, self._clock)
            if (unfit := all_unfit_because(self.workers)) is not None:
                client.failed(None, unfit)
            if self._cold:
                self._start()
        return client

    def busy(self) -> list[tuple[str, float]]:
        """The cameras that are worked for, and since when (monotonic seconds).

        While a detector is loaded or warmed up, the name is empty.
        """
        return [busy for worker in self.workers if (busy := worker.busy) is not None]

    @property
    def unfit(self) -> bool:
        """Whether it, or each of several, has to be loaded again, or is being loaded."""
        return all_unfit_because(self.workers) is not None

    @property
    def partly_unfit(self) -> str:
        """Which of several detectors are not working, and why, without credentials; empty while all are or none is."""
        return partly_unfit(self.workers)

    def silent_s(self, now: float, least_s: float = SILENT_S) -> float:
        """For how many seconds it has been silent; 0.0 while it, or one of several, is not.

        ``least_s`` is what it may take in any case.
        """
        fit = [worker for worker in self.workers if worker.unfit_because is None] or self.workers
        return min(worker.silent_s(now, least_s) for worker in fit)

    def limit_s(self) -> float:
        """Seconds that one call may take before it counts as stuck."""
        return max(worker.limit_s() for worker in self.workers)

    def awaiting(self, now: float) -> str:
        """When its first result will be there, in words; empty where that comes soon, or nothing was asked yet."""
        if self._asked_at is None:
            return ""
        turns = math.ceil(len(self._clients) / len(self.workers))
        return self.workers[0].pace.awaiting(now - self._asked_at, turns)

    def close(self, timeout_s: float = 2.0) -> None:
        """Let the calls under way end, then close the detectors. Raises ``DetectorTimeout`` when they do not. Twice is fine."""
        with self._changed:
            self._closing = True
            self._waiting.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + timeout_s
        left = []
        for worker in self.workers:
            if worker.thread is None:
                worker.detector.close()
                continue
            worker.thread.join(max(0.0, deadline - time.monotonic()))
            if worker.thread.is_alive():
                leave_behind(worker.thread)
                left.append(worker.name)
        if left:
            raise DetectorTimeout(
                f"the detector {', '.join(left)} did not return within {timeout_s:g} s",
                hint="the process has to end to get rid of it",
            )

    def _start(self) -> None:
        """Under the lock: there is something to do."""
        if self._asked_at is None:
            self._asked_at = self._clock()
        for worker in self.workers:
            if worker.thread is None:
                worker.thread = threading.Thread(target=self._work, args=(worker,), name="detector", daemon=True)
                worker.thread.start()

    def _submit(self, camera: str, frame: Frame) -> None:
        with self._changed:
            if self._closing or camera not in self._clients:
                return
            self._waiting[camera] = frame
            self._start()
            self._changed.notify_all()

    def _leave(self, camera: str) -> None:
        with self._changed:
            self._waiting.pop(camera, None)
            self._clients.pop(camera, None)
            self._share.remove(camera)

    def _work(self, worker: DetectorWorker) -> None:
        while (work := self._next(worker)) is not None:
            with worker.watch:
                work()
            worker.busy = None
        worker.detector.close()

    def _next(self, worker: DetectorWorker) -> Callable[[], None] | None:
        """Wait for something to do; None once closed."""
        with self._changed:
            while not self._closing:
                now = self._clock()
                if worker.pace.cold:
                    worker.busy = "", now
                    return lambda: self._warm_up(worker)
                due = {name: self._due(self._clients[name], worker) for name in self._waiting}
                if worker.unfit_because is not None:
                    if now >= worker.retry_at:
                        worker.busy = "", now
                        return lambda: self._load_again(worker)
                elif ready := [name for name, at in due.items() if at <= now]:
                    camera = self._share.next(ready)
                    client, frame = self._clients[camera], self._waiting.pop(camera)
                    turn = client.begin(frame, now)
                    worker.busy = camera, now
                    return lambda: self._detect(worker, client, frame, turn)
                # A moment of the clock wakes nobody: neither the end of a backoff, nor that it is a camera's turn again.
                soon_s = [at - now for at in due.values() if at > now]
                self._changed.wait(min([_GLANCE_S, *soon_s]) if due or worker.unfit_because is not None else None)
        return None

    def _due(self, client: DetectorClient, worker: DetectorWorker) -> float:
        """When a camera's next frame may be begun: by several detectors at even distances, not all of them at one moment."""
        several = len(self.workers) > 1
        return max(client.retry_at, client.begun_at + worker.pace.call_s / len(self.workers) if several else -math.inf)

    def _warm_up(self, worker: DetectorWorker) -> None:
        if (error := worker.warm_up()) is not None:
            if len(self.workers) > 1 and not isinstance(worker.detector, AbsentDetector):
                log.error("the detector %s cannot be warmed up: %s", worker.name, redact(in_one_line(error)))
            self._tell_unfit(error, {})

    def _detect(self, worker: DetectorWorker, client: DetectorClient, frame: Frame, turn: int) -> None:
        begun = self._clock()
        try:
            found = worker.call(lambda detector: detect_in(detector, frame, client.wanted))
        except BaseException as error:  # noqa: BLE001  # a plugin may raise anything; whatever it is, it is this camera's frame
            if worker.unfit_because is error and not self.unfit:
                self._give_back(client, frame)
            else:
                client.failed(frame, error)
        else:
            client.answered(frame, found, self._clock() - begun, turn)

    def _give_back(self, client: DetectorClient, frame: Frame) -> None:
        """A detector that is gone has not answered: another one is asked, unless a newer frame has come."""
        with self._changed:
            if client.camera in self._clients and not self._closing:
                client.begun_at = -math.inf
                self._waiting.setdefault(client.camera, frame)
                self._changed.notify_all()

    def _load_again(self, worker: DetectorWorker) -> None:
        if (error := worker.load_again()) is not None:
            with self._changed:
                waiting = dict(self._waiting)
            self._tell_unfit(error, waiting)
            return
        with self._changed:
            before, self._known, self._newest = self._known, dict(worker.detector.labels), worker
            others = before != self._known
            if before and others:
                log.warning("the detector %s knows other classes than before: cameras use those", worker.name)
            for client in self._clients.values():
                if others:
                    client.forget()
                client.retry_now()

    def _tell_unfit(self, error: BaseException, failed: Mapping[str, Frame]) -> None:
        """Where no detector works any more, the cameras are told, and get no answer for the frames ``failed``."""
        if len(self.workers) > 1 and not self.unfit:
            return  # see partly_unfit
        with self._changed:
            clients = list(self._clients.values())
        for client in clients:
            client.failed(failed.get(client.camera), error)


class DetectorClient:
    """One camera's client of a shared detector; implements ``stages.DetectorService``.

    :meth:`submit`, :meth:`poll` and :meth:`ask` are for the camera's inference thread. None of them raises: a frame that the
    detector fails on has no new instances, and :attr:`error` says why.
    """

    def __init__(self, shared: SharedDetector, camera: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.camera = camera
        self.detections = 0
        """Frames that the detector has worked on."""
        self.busy_s = 0.0
        """Seconds that it took."""
        self.wanted: Selection | None = None
        """What this camera wants; None for all that there is."""
        self.begun_at = -math.inf
        """When a frame was begun last, in monotonic seconds."""
        self._shared = shared
        self._clock = clock
        self._breaker = CircuitBreaker(_CALL_BACKOFF)
        self._answer: deque[tuple[Frame, Instances]] = deque(maxlen=1)
        self._begun: deque[Frame] = deque(maxlen=len(shared.workers))
        self._turn = self._answered_turn = 0
        """Which of its frames, by count, was begun last, and which is the newest that was answered."""
        self._asked: Frame | None = None
        self._failed: Frame | None = None
        """The frame that the detector failed on last."""
        self._changed = threading.Condition()
        self._closed = False

    @property
    def detector(self) -> Detector:
        """The detector, for its name and labels: not to be called."""
        return self._shared.detector

    @property
    def begun(self) -> tuple[Frame, ...]:
        """The frames that were begun last, answered or not: as many as may be under way at once."""
        return tuple(self._begun)

    @property
    def failures(self) -> int:
        """Frames that the detector failed on."""
        return self._breaker.failures

    @property
    def error(self) -> str:
        """Why the detector gives no answers for this camera, without credentials; empty while it does."""
        if reason := self._breaker.reason:
            return f"the detector failed: {reason}"
        silent_s = self.silent_s
        return f"the detector has not answered for {silent_s:.0f} s" if silent_s else self._shared.partly_unfit

    @property
    def silent_s(self) -> float:
        """For how many seconds the detector has been silent; 0.0 while it is not."""
        return self._shared.silent_s(self._clock())

    @property
    def awaiting(self) -> str:
        """When the detector's first result will be there, in words; empty once it is, where it comes soon, or not at all."""
        return "" if self.detections or self.error else self._shared.awaiting(self._clock())

    def limit_s(self) -> float:
        """Seconds that one call of the detector may take before it counts as stuck."""
        return self._shared.limit_s()

    @property
    def retry_at(self) -> float:
        """When the detector may be asked again, in monotonic seconds."""
        return self._breaker.retry_at

    def submit(self, frame: Frame) -> None:
        """Leave the newest frame. Never waits."""
        self._shared._submit(self.camera, frame)  # noqa: SLF001  # the two classes are one thing with two faces

    def poll(self) -> tuple[Frame, Instances] | None:
        """The newest answer, once, and the frame that it is of; None while there is none."""
        try:
            return self._answer.popleft()
        except IndexError:
            return None

    def ask(self, frame: Frame, timeout_s: float | None = None, *, patient: bool = False) -> Instances | None:
        """Leave ``frame``, unless it was, and wait for its answer; None when there is none within ``timeout_s`` seconds.

        No instances once closed, when the detector fails on ``frame`` or failed just before, and when it is silent.
        ``patient``, for recordings: backoffs are waited for, and silence counts from ``PATIENT_S`` on only.
        """
        if frame is not self._asked:
            self._asked = frame
            self.submit(frame)
        now = self._clock()
        give_up_at = None if timeout_s is None else now + timeout_s
        with self._changed:
            while True:
                if self._answer and self._answer[0][0] is frame:
                    return self._answer.popleft()[1]
                now = self._clock()
                if self._closed or self._failed is frame or self._is_hopeless(now, patient=patient):
                    return Instances.empty()
                if give_up_at is not None and now >= give_up_at:
                    return None
                self._changed.wait(_GLANCE_S if give_up_at is None else min(_GLANCE_S, give_up_at - now))

    def close(self) -> None:
        """Leave: the camera has gone. From any thread; may be called twice."""
        self._shared._leave(self.camera)  # noqa: SLF001  # as above
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def begin(self, frame: Frame, now: float) -> int:
        """Detector's thread: it begins with ``frame``. Returns which one that is, by count."""
        self._begun.append(frame)
        self.begun_at = now
        self._turn += 1
        return self._turn

    def answered(self, frame: Frame, found: Instances, seconds: float, turn: int) -> None:
        """Detector's thread: here is what was found in the frame of that ``turn``; what is older than the last is of no use."""
        self.detections += 1
        self.busy_s += seconds
        if self._breaker.worked(self._clock()):
            log.warning("%s: the detector works again", self.camera, extra={"source": self.camera})
        with self._changed:
            if turn > self._answered_turn:
                self._answered_turn = turn
                self._answer.append((frame, found))
            self._changed.notify_all()

    def failed(self, frame: Frame | None, error: BaseException) -> None:
        """Detector's thread: ``frame``, if there is one, could not be worked on."""
        if self._breaker.failed(error, self._clock()):
            text = "%s: the detector failed, frames go on without new masks: %s"
            log.error(text, self.camera, self._breaker.reason, extra={"source": self.camera})
        with self._changed:
            self._failed = frame
            self._changed.notify_all()

    def retry_now(self) -> None:
        """Detector's thread: it was loaded again."""
        self._breaker.retry_now()

    def forget(self) -> None:
        """Detector's thread: what was answered is of no use any more."""
        with self._changed:
            self._answer.clear()

    def _is_hopeless(self, now: float, *, patient: bool) -> bool:
        if patient:
            return self._shared.silent_s(now, PATIENT_S) > 0.0
        return self._shared.unfit or now < self.retry_at or self._shared.silent_s(now) > 0.0
