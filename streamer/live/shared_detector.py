"""One detector for many cameras: a thread that goes round fairly, always on the newest frame of each."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from streamer.detectors.usual_times import UsualTimes
from streamer.errors import DetectorTimeout, in_one_line
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.live.circuit_breaker import CircuitBreaker
from streamer.live.detector_pace import PATIENT_S, SILENT_S, DetectorPace
from streamer.live.fair_share import FairShare
from streamer.perception.selection import Selection, detect_in
from streamer.redact import redact
from streamer.runtime.backoff import Backoff
from streamer.runtime.own_thread import leave_behind
from streamer.stages import Detector

log = logging.getLogger(__name__)

RELOAD_AFTER = 10
"""So many failures in a row, of whichever cameras, and the detector is loaded again."""

_CALL_BACKOFF = Backoff(initial_s=0.1, max_s=10.0)
_LOAD_BACKOFF = Backoff(initial_s=1.0, max_s=60.0)
_GLANCE_S = 0.1
"""How often a thread that waits for a moment of the clock looks at it."""


class SharedDetector:
    """Owns a detector, which is called by one thread of this object's own, for the cameras that have a client.

    A camera leaves its newest frame, at any time and without waiting; an older one that was not begun yet is replaced.
    Whose turn it is, :class:`~streamer.live.fair_share.FairShare` says.

    A detector that raises on a camera's frame is not asked for this camera until a backoff is over; the other cameras go on.
    After ``RELOAD_AFTER`` failures in a row it is closed and ``load`` makes it anew, with a backoff of its own.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        load: Callable[[], Detector] | None = None,
        cold: bool = False,
        times: UsualTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``load`` returns the detector anew, warmed up; without it the detector is never loaded again. ``cold``: it has to be
        warmed up first, which begins with the first client. ``times``: what it took the last time, and where to keep that.
        """
        self.detector = detector
        self.watch: AbstractContextManager[object] = nullcontext()
        """Entered for each call, so that a watchdog knows of one that does not end."""
        self._load = load
        self._pace = DetectorPace(times, cold=cold, slow=getattr(detector, "slow", False))
        self._asked_at: float | None = None
        """When there was something to do for the first time."""
        self._unfit: BaseException | None = None
        """Why the detector has to be loaded again before it is asked anything; None while it is fit for use."""
        self._clock = clock
        self._share = FairShare()
        self._clients: dict[str, DetectorClient] = {}
        self._waiting: dict[str, Frame] = {}
        self._closing = False
        self._thread: threading.Thread | None = None
        self._busy: tuple[str, float] | None = None
        self._failures_in_a_row = 0
        self._loading = CircuitBreaker(_LOAD_BACKOFF)
        self._changed = threading.Condition()

    def client(self, camera: str, weight: float = 1.0) -> DetectorClient:
        """A client for a camera; ``weight`` is its share relative to the others. Raises ``ValueError`` for a name twice."""
        with self._changed:
            self._share.add(camera, weight)
            client = self._clients[camera] = DetectorClient(self, camera, self._clock)
            if self._unfit is not None:
                client.failed(None, self._unfit)
            if self._pace.cold:
                self._start()
        return client

    def busy(self) -> tuple[str, float] | None:
        """The camera that the detector works for, and since when (monotonic seconds); None while it is idle.

        While it is loaded again, the name is empty.
        """
        return self._busy

    @property
    def unfit(self) -> bool:
        """Whether it has to be loaded again, or is being loaded."""
        return self._unfit is not None and self._load is not None

    def silent_s(self, now: float, least_s: float = SILENT_S) -> float:
        """For how many seconds it has been silent; 0.0 when it is not. ``least_s`` is what it may take in any case."""
        busy = self._busy
        if busy is None:
            return 0.0
        waited_s = now - busy[1]
        return waited_s if waited_s > self._pace.allowed_s(least_s) else 0.0

    def limit_s(self) -> float:
        """Seconds that one call may take before it counts as stuck."""
        return self._pace.allowed_s(PATIENT_S)

    def awaiting(self, now: float) -> str:
        """When its first result will be there, in words; empty where that comes soon, or nothing was asked yet."""
        return "" if self._asked_at is None else self._pace.awaiting(now - self._asked_at, len(self._clients))

    def _start(self) -> None:
        """Under the lock: there is something to do."""
        if self._asked_at is None:
            self._asked_at = self._clock()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="detector", daemon=True)
            self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Let the call under way end, then close the detector. Raises ``DetectorTimeout`` when it does not. Twice is fine."""
        with self._changed:
            self._closing = True
            self._waiting.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            self.detector.close()
            return
        thread.join(timeout_s)
        if thread.is_alive():
            leave_behind(thread)
            raise DetectorTimeout(
                f"the detector {self.detector.name} did not return within {timeout_s:g} s",
                hint="the process has to end to get rid of it",
            )

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

    def _work(self) -> None:
        while (work := self._next()) is not None:
            with self.watch:
                work()
            self._busy = None
        self.detector.close()

    def _next(self) -> Callable[[], None] | None:
        """Wait for something to do; None once closed."""
        with self._changed:
            while not self._closing:
                now = self._clock()
                if self._pace.cold:
                    self._busy = "", now
                    return self._warm_up
                if self.unfit:
                    if now >= self._loading.retry_at:
                        self._busy = "", now
                        return self._load_again
                elif ready := [name for name in self._waiting if self._clients[name].retry_at <= now]:
                    camera = self._share.next(ready)
                    client, frame = self._clients[camera], self._waiting.pop(camera)
                    client.begun = frame
                    self._busy = camera, now
                    return lambda: self._detect(client, frame)
                # What waits for the end of a backoff waits for a moment of the clock, which wakes nobody.
                self._changed.wait(_GLANCE_S if self._waiting else None)
        return None

    def _warm_up(self) -> None:
        begun = self._clock()
        try:
            self.detector.warm_up()
        except BaseException as error:  # noqa: BLE001  # a user's detector may raise anything; each camera says what it was
            with self._changed:
                self._unfit = error
                clients = list(self._clients.values())
            for client in clients:
                client.failed(None, error)
        self._pace.warmed_up(self._clock() - begun, well=self._unfit is None)

    def _detect(self, client: DetectorClient, frame: Frame) -> None:
        begun = self._clock()
        try:
            found = detect_in(self.detector, frame, client.wanted)
        except BaseException as error:  # noqa: BLE001  # a plugin may raise anything; whatever it is, it is this camera's frame
            self._failures_in_a_row += 1
            if self._failures_in_a_row == RELOAD_AFTER and self._load is not None:
                log.warning("the detector %s failed %d times in a row: loading it again", self.detector.name, RELOAD_AFTER)
                self._unfit = error
            client.failed(frame, error)
        else:
            self._failures_in_a_row = 0
            seconds = self._clock() - begun
            self._pace.answered(seconds)
            client.answered(frame, found, seconds)

    def _load_again(self) -> None:
        assert self._load is not None
        try:
            self.detector.close()
        except BaseException as error:  # noqa: BLE001  # it is broken anyway, and replaced
            log.warning("the detector %s cannot be closed: %s", self.detector.name, redact(in_one_line(error)))
        try:
            self.detector = self._load()
        except BaseException as error:  # noqa: BLE001  # as above; what it is stands in the log and in the health
            if self._loading.failed(error, self._clock()):
                log.error("the detector cannot be loaded again, trying on: %s", self._loading.reason)  # noqa: TRY400  # one line
            with self._changed:
                clients, waiting = list(self._clients.values()), dict(self._waiting)
            for client in clients:
                client.failed(waiting.get(client.camera), error)
            return
        log.warning("the detector %s was loaded again", self.detector.name)
        self._loading.worked(self._clock())
        self._unfit = None
        self._failures_in_a_row = 0
        with self._changed:
            for client in self._clients.values():
                client.retry_now()


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
        self.begun: Frame | None = None
        """The frame that the detector began last, answered or not."""
        self._shared = shared
        self._clock = clock
        self._breaker = CircuitBreaker(_CALL_BACKOFF)
        self._answer: deque[tuple[Frame, Instances]] = deque(maxlen=1)
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
    def failures(self) -> int:
        """Frames that the detector failed on."""
        return self._breaker.failures

    @property
    def error(self) -> str:
        """Why the detector gives no answers for this camera, without credentials; empty while it does."""
        if reason := self._breaker.reason:
            return f"the detector failed: {reason}"
        silent_s = self.silent_s
        return f"the detector has not answered for {silent_s:.0f} s" if silent_s else ""

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

    def answered(self, frame: Frame, found: Instances, seconds: float) -> None:
        """Detector's thread: here is what was found."""
        self.detections += 1
        self.busy_s += seconds
        if self._breaker.worked(self._clock()):
            log.warning("%s: the detector works again", self.camera, extra={"source": self.camera})
        with self._changed:
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

    def _is_hopeless(self, now: float, *, patient: bool) -> bool:
        if patient:
            return self._shared.silent_s(now, PATIENT_S) > 0.0
        return self._shared.unfit or now < self.retry_at or self._shared.silent_s(now) > 0.0
