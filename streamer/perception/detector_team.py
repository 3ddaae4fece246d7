"""Detectors that work at the same time on one recording, and go on when one of them fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from random import random
from typing import Any, TypeVar

from streamer.errors import DetectorError, in_one_line
from streamer.redact import redact
from streamer.runtime.backoff import Backoff
from streamer.runtime.own_thread import CallLeft, OwnThread
from streamer.stages import CanReload, Detector

log = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES = 2
"""So many detectors may fail at a frame before it is the frame's fault: the first may have failed of its own."""
_LOAD_BACKOFF = Backoff(initial_s=1.0, max_s=60.0)


@dataclass(slots=True, eq=False)
class _Task:
    work: Callable[[Detector], Any]
    future: Future[Any] = field(default_factory=Future)
    failures: int = 0


class DetectorTeam:
    """Hands work to detectors in turn; each works in a thread of its own.

    In turn, and not to whichever is free: a detector may remember what it saw, and a run has to be repeatable.

    One that can be loaded anew (:class:`~streamer.stages.CanReload`) is, after it has failed, and what it was given goes to
    the others meanwhile. An error of one that cannot be is that of its work.
    """

    def __init__(self, detectors: Sequence[Detector], *, keep: bool = False) -> None:
        """``keep``: leave the detectors open at the end, for another recording."""
        if not detectors:
            raise ValueError("detectors: expected at least one, got none")
        self.left = False
        """Whether answers were not waited for any longer."""
        self._detectors = list(detectors)
        self._keep = keep
        self._threads = [OwnThread(f"detector-{place}") for place in range(len(detectors))]
        self._turn = 0
        self._lock = threading.Lock()
        self._unfit: set[int] = set()
        """Places of those that have failed and are not loaded again yet."""
        self._unloadable: dict[int, DetectorError] = {}
        """Of these, the ones that could not be loaded again so far, and why."""
        self._open: set[_Task] = set()
        self._waiting: list[_Task] = []
        """What was handed in while all were unfit."""
        self._ending = threading.Event()

    def __len__(self) -> int:
        return len(self._detectors)

    def begin(self, work: Callable[[Detector], T]) -> Future[T]:
        """Have ``work`` done with the detector whose turn it is; perhaps again, with another, where that one fails.

        The future may be cancelled. It fails with ``CallLeft`` once the team was left.
        """
        task = _Task(work)
        with self._lock:
            self._open.add(task)
        self._hand_out(task)
        return task.future

    def leave(self) -> None:
        """From any thread: do not wait for answers any longer. Each detector is closed when its call returns."""
        with self._lock:
            self.left = True
            unfinished = list(self._open)
        self._ending.set()
        for thread, detector in zip(self._threads, self._detectors, strict=True):
            thread.leave(last=detector.close)
        for task in unfinished:
            self._fail(task, CallLeft())

    def close(self) -> None:
        """Close the detectors and end their threads; one that was left closes its detector when its call returns."""
        self._ending.set()
        for place, (thread, detector) in enumerate(zip(self._threads, self._detectors, strict=True)):
            if not self.left and not self._keep:
                if place in self._unfit:
                    detector.close()  # now: its thread waits for it to be loaded
                thread.call(detector.close)
            thread.close()

    def _hand_out(self, task: _Task) -> None:
        with self._lock:
            fit = [place for place in range(len(self)) if place not in self._unfit]
            if self.left:
                error: BaseException = CallLeft()
            elif fit:
                place = min(fit, key=lambda place: (place - self._turn) % len(self))
                self._turn = (place + 1) % len(self)
                self._threads[place].begin(lambda: self._do(place, task))
                return
            elif len(self._unloadable) < len(self):
                self._waiting.append(task)
                return
            else:
                error = next(iter(self._unloadable.values()))
        self._fail(task, error)

    # The detectors' threads.

    def _do(self, place: int, task: _Task) -> None:
        if task.future.done():
            self._settle(task)
            return
        if place in self._unfit:
            self._hand_out(task)
            return
        detector = self._detectors[place]
        try:
            result = task.work(detector)
        except DetectorError as error:
            if isinstance(detector, CanReload) and not self._ending.is_set():
                self._failed(place, detector, task, error)
            else:
                self._fail(task, error)
        except BaseException as error:  # noqa: BLE001  # it belongs to the one who waits
            self._fail(task, error)
        else:
            with suppress(InvalidStateError):  # nobody waits any more
                task.future.set_result(result)
            self._settle(task)

    def _failed(self, place: int, detector: CanReload, task: _Task, error: DetectorError) -> None:
        task.failures += 1
        with self._lock:
            self._unfit.add(place)
        if task.failures == _TRIES:
            self._fail(task, error)
        else:
            log.warning("%s failed (%s): loading it again, its frames go to the others", self._name(place), _line(error))
            self._hand_out(task)
        # Behind what was handed to it already, which goes to the others.
        self._threads[place].begin(lambda: self._load_again(place, detector))

    def _load_again(self, place: int, detector: CanReload) -> None:
        waited_s = 0.0
        while not self._ending.is_set():
            try:
                detector.reload()
            except DetectorError as error:
                if self._ending.is_set():
                    return
                self._not_loaded(place, error)
                delay_s = _LOAD_BACKOFF.delay_s(waited_s, random)
                waited_s += delay_s
                self._ending.wait(delay_s)
            else:
                self._loaded(place)
                return

    def _not_loaded(self, place: int, error: DetectorError) -> None:
        with self._lock:
            if place not in self._unloadable:
                log.error("%s cannot be loaded again, trying on: %s", self._name(place), _line(error))
            self._unloadable[place] = error
            hopeless = self._take_waiting() if len(self._unloadable) == len(self) else []
        for task in hopeless:
            self._fail(task, error)

    def _loaded(self, place: int) -> None:
        with self._lock:
            self._unfit.discard(place)
            self._unloadable.pop(place, None)
            waiting = self._take_waiting()
        log.warning("%s was loaded again", self._name(place))
        for task in waiting:
            self._hand_out(task)

    def _take_waiting(self) -> list[_Task]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def _fail(self, task: _Task, error: BaseException) -> None:
        with suppress(InvalidStateError):  # nobody waits any more
            task.future.set_exception(error)
        self._settle(task)

    def _settle(self, task: _Task) -> None:
        with self._lock:
            self._open.discard(task)

    def _name(self, place: int) -> str:
        detector = self._detectors[place]
        return f"the detector {detector.name} on {getattr(detector, 'device', '') or f'place {place + 1}'}"


def _line(error: BaseException) -> str:
    return redact(in_one_line(error))
