"""Who works on an archive: what each works on, and what becomes of it when one dies."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from streamer.archive.messages import Came, Failed, Finished, Gone, Message, NotHere, Ready, Unusable
from streamer.archive.task import Work
from streamer.errors import DetectorUnavailable, OutputWriteFailed, StreamerError

_GLANCE_S = 0.25
_TRIES = 2
"""So many workers may die at a recording before it is given up: the first may have died of another's memory."""
_MOVES = 5
"""So many may be lost with their machines."""
_MOST_WAIT_S = 120.0
"""So long a recording that some machines cannot do waits for others, which may never have room."""


class Worker(Protocol):
    """A process, here or on another machine, that does one recording at a time."""

    def send(self, work: Work[Any]) -> None:
        """Hand over a recording; nothing happens when the worker is no more, which ``Workforce.hear`` says."""


W = TypeVar("W", bound=Worker)


class Workforce(Protocol[W]):
    """Where workers come from. All is called in one thread."""

    def most(self, unused: int) -> int:
        """How many can work side by side, at present, where so many more are there and not used."""

    def start(self) -> W:
        """One more, which says that it is ready, or why it cannot be."""

    def hear(self, workers: Sequence[W], timeout_s: float) -> Sequence[tuple[W, Message]]:
        """What some of them say, within so many seconds; of one that has died, ``Gone`` as its last word."""

    def end(self, workers: Sequence[W]) -> Sequence[W]:
        """Kill them, and return those that have ended for certain."""


@dataclass(slots=True, eq=False)
class Job:
    """One recording to be done."""

    name: str
    work: Work[Any]
    deaths: int = 0
    """Workers that have died at it."""
    moves: int = 0
    """Workers that were lost with their machines."""
    frames: int = 0
    """Frames done by now."""
    of: int | None = None
    """Frames that it has, as far as that is known."""
    refused_at: float = 0.0
    """When it could not be done on a machine for the first time, in monotonic seconds."""
    refusals: dict[str, str] = field(default_factory=dict)
    """Why, by machine."""


@dataclass(slots=True, eq=False)
class _Place(Generic[W]):
    worker: W
    ready: bool = False
    unusable: StreamerError | None = None
    job: Job | None = None
    refused: set[int] = field(default_factory=set)
    """Jobs that cannot be done there, by their identity."""


@dataclass(slots=True)
class Pool(Generic[W]):
    """Hands ``jobs`` to workers, one at a time each, in their order.

    All is called in the thread that calls :meth:`run`.
    """

    workforce: Workforce[W]
    jobs: deque[Job]
    on_begin: Callable[[Job], object]
    """Is called before a recording is handed to a worker. Raises ``OutputWriteFailed`` where that must not be."""
    on_end: Callable[[Job, Finished | Failed], object]
    on_change: Callable[[], object]
    """Is called several times a second."""
    clean_up: Callable[[Job, bool], object]
    """Is called when a worker was lost at a recording, with whether it has ended for certain."""
    on_unusable: Callable[[StreamerError], object] = lambda _: None
    """Is called when a worker cannot be used while others work."""
    clock: Callable[[], float] = time.monotonic
    stopped: bool = False
    """Whether :meth:`stop` was called before all had ended."""
    _places: list[_Place[W]] = field(default_factory=list)
    _unusable: list[StreamerError] = field(default_factory=list)
    """Why workers are not used, one each: nothing is started in their place, which would come to the same end."""
    _died_loading: int = 0

    def run(self) -> None:
        """Return when all jobs have ended. Raises the ``StreamerError`` of a detector, or of machines, that cannot be used.

        However it ends, no worker is left, and recordings that were not finished are cleaned up after.
        """
        try:
            while not self.stopped and (self.jobs or self.under_way()):
                self._employ()
                for place in list(self._places):
                    self._hand_over(place)
                self._give_up()
                by_worker = {id(place.worker): place for place in self._places}
                for worker, message in self.workforce.hear([place.worker for place in self._places], _GLANCE_S):
                    self._hear(by_worker[id(worker)], message)
                self.on_change()
        finally:
            self._end()

    def stop(self) -> None:
        """From any thread: make :meth:`run` return soon, with recordings unfinished."""
        self.stopped = True

    def under_way(self) -> list[Job]:
        """What is being worked on."""
        return [place.job for place in self._places if place.job is not None]

    def _employ(self) -> None:
        """Start as many as there is room and work for."""
        used = sum(place.unusable is None for place in self._places)
        room = self.workforce.most(len(self._unusable))
        if self._unusable and not used and room <= 0:
            raise self._unusable[-1]
        # Those that can do nothing of what is left.
        idle = sum(bool(place.refused) and place.job is None and self._next_for(place) is None for place in self._places)
        for _ in range(min(room, len(self.jobs) + len(self.under_way()) + idle) - used):
            self._places.append(_Place(self.workforce.start()))

    def _hand_over(self, place: _Place[W]) -> None:
        if not place.ready or place.job is not None:
            return
        place.job = self._next_for(place)
        if place.job is not None:
            self.jobs.remove(place.job)
            place.job.frames = 0
            try:
                self.on_begin(place.job)
            except OutputWriteFailed as error:
                job, place.job = place.job, None
                self.on_end(job, Failed(str(error)))
                return
            # One that is no more says so when it is heard.
            place.worker.send(place.job.work)

    def _next_for(self, place: _Place[W]) -> Job | None:
        return next((job for job in self.jobs if id(job) not in place.refused), None)

    def _give_up(self) -> None:
        """What nobody who is there can do, and nobody who is on the way within two minutes."""
        if not any(place.refused for place in self._places):
            return
        used = [place for place in self._places if place.unusable is None]
        ready = [place for place in used if place.ready]
        for job in [job for job in self.jobs if job.refusals]:
            late = self.clock() - job.refused_at > _MOST_WAIT_S
            if ready and (late or len(ready) == len(used)) and all(id(job) in place.refused for place in ready):
                self.jobs.remove(job)
                self.on_end(job, Failed("; ".join(job.refusals.values())))

    def _refuse(self, place: _Place[W], job: Job, answer: NotHere) -> None:
        """It is tried elsewhere, after all that is left."""
        place.refused.add(id(job))
        if not job.refusals:
            job.refused_at = self.clock()
        job.refusals[answer.machine] = answer.reason
        self.jobs.append(job)

    def _hear(self, place: _Place[W], message: Message) -> None:
        if isinstance(message, Gone):
            self._bury(place, message)
        elif isinstance(message, Ready):
            place.ready = True
            self._died_loading = 0
        elif isinstance(message, Unusable):
            place.ready, place.unusable = False, message.error
            if place.job is not None:
                job, place.job = place.job, None
                self.clean_up(job, True)
                self.jobs.appendleft(job)
            self._leave_out(message.error, others_may_do=message.of_machine)
        elif place.job is not None and isinstance(message, Came):
            place.job.frames, place.job.of = message.frames, message.of
        elif place.job is not None and isinstance(message, Finished | Failed | NotHere):
            job, place.job = place.job, None
            if isinstance(message, NotHere):
                self._refuse(place, job, message)
            else:
                self.on_end(job, message)

    def _bury(self, place: _Place[W], gone: Gone) -> None:
        """A worker has died: its recording is tried again, then given up."""
        self._places.remove(place)
        if place.unusable is not None:
            if not gone.by_work:  # there is no room on its machine that would have to be left alone
                self._unusable.remove(place.unusable)
            return
        job = place.job
        if job is None:
            self._died_loading += gone.by_work and not place.ready
            if self._died_loading >= _TRIES:
                self._died_loading = 0
                error = DetectorUnavailable(f"the process that loads the detector {gone.how}", hint="see above, or free memory")
                self._leave_out(error)
            return
        self.clean_up(job, gone.by_work)
        job.deaths += gone.by_work
        job.moves += not gone.by_work
        if job.deaths < _TRIES and job.moves < _MOVES:
            self.jobs.appendleft(job)
        else:
            times = "twice" if job.deaths >= _TRIES else f"the last of {job.deaths + job.moves} times"
            self.on_end(job, Failed(f"the process that worked on it {gone.how}, {times}"))

    def _leave_out(self, error: StreamerError, *, others_may_do: bool = False) -> None:
        """Do with a worker less. Raises ``error`` where no other works, unless it says nothing of others."""
        if not others_may_do and not any(place.ready for place in self._places):
            raise error
        self._unusable.append(error)
        self.on_unusable(error)

    def _end(self) -> None:
        # Killed, not asked: a detector may be in a call that takes half a minute. What is finished is on the disk.
        ended = self.workforce.end([place.worker for place in self._places])
        for place in self._places:
            if place.job is not None:
                self.clean_up(place.job, place.worker in ended)
