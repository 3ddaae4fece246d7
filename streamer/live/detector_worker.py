"""One of the detectors that cameras share, and how it is doing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar

from streamer.detectors.usual_times import UsualTimes
from streamer.errors import DetectorUnavailable, in_one_line
from streamer.live.detector_pace import PATIENT_S, DetectorPace
from streamer.redact import redact
from streamer.runtime.backoff import Backoff
from streamer.runtime.circuit_breaker import CircuitBreaker
from streamer.stages import Detector

log = logging.getLogger(__name__)

T = TypeVar("T")

RELOAD_AFTER = 10
"""So many failures in a row, of whichever cameras, and the detector is loaded again."""

_LOAD_BACKOFF = Backoff(initial_s=1.0, max_s=60.0)


class DetectorWorker:
    """A detector, called by one thread, ``thread``; others may read how it is doing. Who calls it is told where it fails."""

    def __init__(
        self,
        detector: Detector,
        *,
        load: Callable[[], Detector] | None,
        cold: bool,
        times: UsualTimes | None,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
        number: int | None = None,
    ) -> None:
        """``load`` and ``backoff``: see ``SharedDetector``; ``number``: which of several it is, from 1."""
        self.detector = detector
        self.watch: AbstractContextManager[object] = nullcontext()
        """Entered for each call, so that a watchdog knows of one that does not end."""
        self.thread: threading.Thread | None = None
        self.busy: tuple[str, float] | None = None
        """The camera that it works for, empty while it is loaded, and since when (monotonic seconds); None: it is idle."""
        self.pace = DetectorPace(times, cold=cold, slow=getattr(detector, "slow", False))
        self._number = number
        self._load = load
        self._clock = clock
        self._failures_in_a_row = 0
        self._loading = CircuitBreaker(backoff or _LOAD_BACKOFF)
        self._unfit_because: BaseException | None = None

    @property
    def name(self) -> str:
        """Of the detector; where there are several, also which one it is."""
        if self._number is None:
            return self.detector.name
        return f"{self.detector.name} on {getattr(self.detector, 'device', '') or f'device {self._number}'}"

    @property
    def unfit_because(self) -> BaseException | None:
        """Why it has to be loaded again before it is asked anything; None where it need not, or cannot be."""
        return self._unfit_because if self._load is not None else None

    @property
    def retry_at(self) -> float:
        """When it may be loaded again, in monotonic seconds."""
        return self._loading.retry_at

    def limit_s(self) -> float:
        """Seconds that one call may take before it counts as stuck."""
        return self.pace.allowed_s(PATIENT_S)

    def silent_s(self, now: float, least_s: float) -> float:
        """For how many seconds it has been silent; 0.0 when it is not. ``least_s`` is what it may take in any case."""
        busy = self.busy
        if busy is None:
            return 0.0
        waited_s = now - busy[1]
        return waited_s if waited_s > self.pace.allowed_s(least_s) else 0.0

    # Its thread.

    def warm_up(self) -> BaseException | None:
        """Warm it up. Returns what it raises: it is unfit then."""
        begun = self._clock()
        error = None
        try:
            self.detector.warm_up()
        except BaseException as raised:  # noqa: BLE001  # a user's detector may raise anything; each camera says what it was
            error = self._unfit_because = raised
        self.pace.warmed_up(self._clock() - begun, well=error is None)
        return error

    def call(self, work: Callable[[Detector], T]) -> T:
        """What ``work`` returns, with the detector. Raises what that raises; after too many failures, and where the detector
        is gone, it is unfit.
        """
        begun = self._clock()
        try:
            answer = work(self.detector)
        except BaseException as error:
            self._failures_in_a_row += 1
            gone = isinstance(error, DetectorUnavailable)
            if self._load is not None and (gone or self._failures_in_a_row == RELOAD_AFTER):
                how = redact(in_one_line(error)) if gone else f"failed {RELOAD_AFTER} times in a row"
                log.warning("the detector %s %s: loading it again", self.name, f"is gone ({how})" if gone else how)
                self._unfit_because = error
            raise
        self._failures_in_a_row = 0
        self.pace.answered(self._clock() - begun)
        return answer

    def load_again(self) -> BaseException | None:
        """Load it anew. Returns what that raises: it is still unfit then, until ``retry_at``."""
        assert self._load is not None
        name = self.name
        try:
            self.detector.close()
        except BaseException as error:  # noqa: BLE001  # it is broken anyway, and replaced
            log.warning("the detector %s cannot be closed: %s", name, redact(in_one_line(error)))
        try:
            self.detector = self._load()
        except BaseException as error:  # noqa: BLE001  # as above; what it is stands in the log and in the health
            self._unfit_because = error
            if self._loading.failed(error, self._clock()):
                which = "the detector" if self._number is None else f"the detector {name}"
                log.error("%s cannot be loaded again, trying on: %s", which, self._loading.reason)  # noqa: TRY400  # one line
            return error
        log.warning("the detector %s was loaded again", self.name)
        self._loading.worked(self._clock())
        self._unfit_because = None
        self._failures_in_a_row = 0
        return None


def workers_of(
    detectors: Sequence[Detector],
    load: Callable[[int], Detector] | None,
    clock: Callable[[], float],
    *,
    backoff: Backoff | None = None,
    cold: bool = False,
    times: UsualTimes | None = None,
) -> list[DetectorWorker]:
    """One for each detector; ``load`` makes that of a place, from 0, anew."""
    several = len(detectors) > 1
    return [
        DetectorWorker(
            detector,
            load=None if load is None else partial(load, place),
            cold=cold,
            times=times,
            clock=clock,
            backoff=backoff,
            number=place + 1 if several else None,
        )
        for place, detector in enumerate(detectors)
    ]


def partly_unfit(workers: Sequence[DetectorWorker]) -> str:
    """Which of several are not working, and why, without credentials; empty while all are or none is."""
    unfit = {worker.name: error for worker in workers if (error := worker.unfit_because) is not None}
    if not unfit or len(unfit) == len(workers):
        return ""
    told = "; ".join(f"{name}: {redact(in_one_line(error))}" for name, error in unfit.items())
    return f"{len(unfit)} of {len(workers)} detectors failed, the others go on: {told}"


def all_unfit_because(workers: Sequence[DetectorWorker]) -> BaseException | None:
    """Why all of them are unfit, the first one's reason; None where one is not."""
    reasons = [worker.unfit_because for worker in workers]
    return None if None in reasons else reasons[0]
