"""Workers of an archive that are Ray actors: Ray places them, and says when they or their machines are gone."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from streamer._version import __version__
from streamer.archive.messages import Came, Gone, Message, Unusable
from streamer.archive.run import ArchiveStatus, work_on_archive
from streamer.archive.task import Task, Work
from streamer.cluster.connection import connected
from streamer.cluster.head_watch import HeadWatch
from streamer.cluster.on_machine import SAME_VERSION, OnMachine, Refusal, sent
from streamer.cluster.placing import absolute, gpu_share, not_on
from streamer.cluster.shared_folders import marked
from streamer.errors import ClusterUnavailable, ConfigError
from streamer.perception.journal import is_held

_END_S = 2.0
_GLANCE_S = 0.02
_NODE_DIED = "node has died"
_HEAD_GONE = "start the cluster again; the same command with --resume goes on with what is left"


def work_on_cluster(task: Task[Any], on_change: Callable[[ArchiveStatus], object] = lambda _: None) -> ArchiveStatus:
    """As :func:`work_on_archive`, on the machines of the Ray cluster that the task's settings name.

    Raises ``ClusterUnavailable`` besides.
    """
    return work_on_archive(task, on_change, employ=_on_cluster)


@contextmanager
def _on_cluster(task: Task[Any], shared: Sequence[Path]) -> Iterator[RayWorkforce]:
    config = task.settings
    asked = config.workers if "workers" in config.model_fields_set else None
    with (
        connected(config.ray, cpus=None if asked is None else asked * task.cores) as ray,
        HeadWatch(ray, _HEAD_GONE) as head,
        marked(shared) as marks,
    ):
        yield RayWorkforce(ray, head.machines, task, marks, asked)


@dataclass(slots=True, eq=False)
class RayWorker:
    """Implements ``pool.Worker`` by an actor."""

    actor: Any
    stream: Any
    """What it is about to say."""
    journal: Path | None = None
    """Of the recording that it works on."""

    def send(self, work: Work[Any]) -> None:
        """Hand over a recording."""
        self.journal = None if work.journal is None else work.journal.absolute()
        work = replace(work, task=work.task.with_settings(absolute(work.task.settings)), journal=self.journal)
        self.stream = _stream(self.actor, "work", work)


@dataclass(slots=True)
class RayWorkforce:
    """Implements ``pool.Workforce``. A worker reserves the cores and the GPU that the task needs.

    ``asked``: how many workers there shall be; None: as many as the cluster has room for. Where more are asked for than there
    are GPUs, they share them.
    """

    ray: Any
    machines: Callable[[], Sequence[Mapping[str, Any]]]
    """Those of the cluster. Raises ``ClusterUnavailable`` when its head is gone."""
    task: Task[Any]
    marks: Sequence[Path]
    """Of the folders that all machines must share."""
    asked: int | None
    _gpus: float = 0.0
    """Of a worker."""
    _avoided: set[str] = field(default_factory=set)
    """Machines, by Ray's identifiers, that have no streamer of this version."""
    _refused: int = 0
    """Workers that have come to be on such a machine."""

    def __post_init__(self) -> None:
        if self.task.gpu is not None:
            self._gpus = gpu_share(self.ray, self.task.gpu, self.asked)
        if not self._room():
            raise ConfigError(
                f"no machine of the cluster has {self.task.cores} core{'s' * (self.task.cores > 1)} for a worker",
                hint="ray start --num-cpus N on the machines that shall work, or fewer --threads",
            )

    def most(self, unused: int) -> int:
        """As many as there is room for now, and no more than were asked for: machines may come and go."""
        room = self._room() - (unused - self._refused)
        return room if self.asked is None else min(self.asked, room)

    def start(self) -> RayWorker:
        """One more; it comes to be where and when there is room."""
        task = self.task.for_cluster()
        task = task.with_settings(absolute(task.settings))
        # It is not restarted: its recording goes to the next worker that is free, on a machine that is there.
        kind = sent(self.ray, OnMachine).options(
            num_cpus=self.task.cores,
            num_gpus=self._gpus,
            max_restarts=0,
            scheduling_strategy="SPREAD",
            label_selector=not_on(self._avoided),
        )
        actor = kind.remote(__version__, "streamer.cluster.worker", "ClusterWorker", list(self.marks))
        return RayWorker(actor, _stream(actor, "load", task))

    def hear(self, workers: Sequence[RayWorker], timeout_s: float) -> list[tuple[RayWorker, Message]]:
        """What they say."""
        talking = {id(worker.stream): worker for worker in workers if worker.stream is not None}
        streams = [worker.stream for worker in talking.values()]
        if not streams:
            time.sleep(timeout_s)  # all machines are gone, say
            return []
        if not self.ray.wait(streams, num_returns=1, timeout=timeout_s)[0]:
            return []
        ready, _ = self.ray.wait(streams, num_returns=len(streams), timeout=0)
        return [(talking[id(stream)], self._next(talking[id(stream)])) for stream in ready]

    def end(self, workers: Sequence[RayWorker]) -> list[RayWorker]:
        """Kill them."""
        deadline = time.monotonic() + _END_S
        last_calls = {}
        for worker in workers:
            self.ray.kill(worker.actor)
            last_calls[worker.actor.__ray_ready__.remote()] = worker
        dead, _ = self.ray.wait(list(last_calls), num_returns=len(workers), timeout=_END_S) if workers else ([], [])
        # Ray says so when it has told the process to end, which the process may take a while to do.
        return [last_calls[call] for call in dead if _let_go(last_calls[call].journal, deadline)]

    def _next(self, worker: RayWorker) -> Message:
        errors = self.ray.exceptions
        try:
            message: Message | Refusal = self.ray.get(next(worker.stream))
        except errors.RayActorError as error:
            worker.stream = None
            told = str(error)
            # Of a machine that was drained Ray says so by a mark, of one that has died by words only.
            lost = isinstance(error, errors.ActorUnavailableError) or error.preempted or _NODE_DIED in told
            with suppress(Exception):  # it may be there still, cut off
                self.ray.kill(worker.actor)
            return Gone("was lost with its machine" if lost else "was killed or crashed", by_work=not lost)
        except errors.OutOfMemoryError:
            worker.stream = None
            return Gone("was killed for want of memory")
        if not isinstance(message, Came):
            worker.stream = None
        return self._refuse(worker, *message) if isinstance(message, tuple) else message

    def _refuse(self, worker: RayWorker, machine: str, reason: str) -> Unusable:
        """Start no more on that machine."""
        self.ray.kill(worker.actor)
        self._avoided.add(machine)
        self._refused += 1
        return Unusable(ClusterUnavailable(reason, hint=SAME_VERSION), of_machine=True)

    def _room(self) -> int:
        """For how many workers there is room on all machines, taken or not."""
        resources = [machine["Resources"] for machine in self.machines() if machine["NodeID"] not in self._avoided]
        return sum(self._fit(each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in resources)

    def _fit(self, cores: float, gpus: float) -> int:
        by_gpu = math.floor(gpus / self._gpus + 1e-6) if self._gpus else math.inf
        return int(min(cores // self.task.cores, by_gpu))


def _stream(actor: Any, method: str, given: object) -> Any:
    """What the worker behind ``actor`` tells of ``given``."""
    return actor.tell.options(num_returns="streaming").remote(method, pickle.dumps(given))


def _let_go(journal: Path | None, deadline: float) -> bool:
    """Whether nobody writes to it any more, at ``deadline`` (monotonic seconds) at the latest."""
    while journal is not None and is_held(journal):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_GLANCE_S)
    return True
