"""Cameras on the machines of a Ray cluster: the function behind ``run --ray``."""

from __future__ import annotations

import logging
import os
import pickle
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streamer._version import __version__
from streamer.cluster.connection import connected
from streamer.cluster.fleet_head import NAME, SILENT_S, FleetHead, Seen
from streamer.cluster.fleet_messages import Ended, Task
from streamer.cluster.head_watch import HeadWatch
from streamer.cluster.on_machine import SAME_VERSION, OnMachine, Refusal, refusal, sent
from streamer.cluster.placing import absolute, gpu_share, not_on
from streamer.config.live import CameraConfig, RunOptions
from streamer.detectors.device import gpu_index
from streamer.errors import ClusterUnavailable, ConfigError
from streamer.live.check import check_cameras
from streamer.live.run import CLEAN, FAILED, served, starting
from streamer.live.status import CameraStatus
from streamer.live.supervisor import Observer
from streamer.redact import redact, remembered
from streamer.runtime.signals import Interrupts, SighupHandler, exit_code
from streamer.sources.address import Kind, parse_address
from streamer.stages import State

log = logging.getLogger(__name__)

_TICK_S = 0.25
_REPORT_S = 1.0
_ANSWER_S = 1.0
_END_S = 3.5
_AGAIN_S = 5.0
_COPIED_CORES = 0.05
_ON_HEAD = {"num_cpus": 0, "resources": {"node:__internal_head__": 0.001}}
_HEAD_GONE = "without it no camera runs; start the cluster again, and then this command"


def run_fleet(cameras: Mapping[str, CameraConfig], process: RunOptions, *, observe: Observer | None = None) -> int:
    """Run cameras by name, each on a machine of the cluster that the settings name, until all have ended; the exit code.

    For the main thread, which signals need. Cameras whose machine or process is gone run elsewhere; all end with this process.
    ``observe`` is shown their statuses. Raises ``ConfigError`` for what cannot be, and ``ClusterUnavailable``.
    """
    assert process.ray is not None
    check_cameras(cameras, process)
    check_fleet(cameras, process)
    with connected(process.ray) as ray, HeadWatch(ray, _HEAD_GONE) as head:
        fleet = _Fleet(ray, head, cameras, process, observe)
        with served(process.metrics, fleet.statuses, dict):
            fleet.start()
            with Interrupts(fleet.stop, fleet.abandon), SighupHandler(fleet.stop):
                return fleet.run()


def check_fleet(cameras: Mapping[str, CameraConfig], process: RunOptions) -> None:
    """Raise ``ConfigError`` for what only the cameras of one process can do."""
    if process.web is not None:
        raise ConfigError(
            f"{process.where('web')}web shows the cameras of one process, not those of a cluster",
            hint="leave web out; metrics serves the figures of all, streamer status --ray shows who runs where",
        )
    shared = Counter(os.path.realpath(camera.events) for camera in cameras.values() if camera.events is not None)
    for name, camera in cameras.items():
        if camera.show:
            raise ConfigError(f"{process.where('show', name)}a camera of a cluster has no window", hint="leave show out")
        if parse_address(camera.source).kind in (Kind.CAMERA, Kind.DEVICE):
            raise ConfigError(
                f"{process.where('source', name)}{parse_address(camera.source).name} is a device of one machine",
                hint="give it an address in the network, or run it there without --ray",
            )
        if camera.events is not None and shared[os.path.realpath(camera.events)] > 1:
            raise ConfigError(
                f"{process.where('events', name)}several cameras have their events in {camera.events}, which only one process "
                "can write to",
                hint="put {name} into the path",
            )


@dataclass(slots=True)
class _Run:
    """One camera: its actor, and what it will return."""

    actor: Any
    result: Any


class _Fleet:
    """The fleet of this process. :meth:`stop`, :meth:`abandon` and :meth:`statuses` are for any thread."""

    def __init__(
        self,
        ray: Any,
        watch: HeadWatch,
        cameras: Mapping[str, CameraConfig],
        process: RunOptions,
        observe: Observer | None,
    ) -> None:
        self._ray = ray
        self._watch = watch
        self._cameras = {name: absolute(camera) for name, camera in cameras.items()}
        wanted = {"metrics": None, "ray": None, **({} if gpu_index(process.device) is None else {"device": "cuda"})}
        self._process = absolute(process.model_copy(update=wanted))
        self._observe = observe
        self._since_s, self._since_utc_s = time.monotonic(), time.time()
        self._head: Any = None
        self._runs: dict[str, _Run] = {}
        self._again_at: dict[str, float] = {}
        self._ended: dict[str, Ended] = {}
        self._seen: dict[str, Seen] = {}
        self._asked_at = time.monotonic()
        self._stopping_at: float | None = None
        self._abandoned = False
        self._avoided: set[str] = set()
        """Machines, by Ray's identifiers, that have no streamer of this version."""
        watched = sum(not camera.only_copied for camera in cameras.values())
        self._gpus = gpu_share(ray, process.device, watched) if watched and gpu_index(process.device) is not None else 0.0

    def start(self) -> None:
        """Begin. Raises ``ConfigError`` where the cluster has a fleet already, and ``ClusterUnavailable``."""
        refused = self._ray.get(sent(self._ray, refusal).options(**_ON_HEAD).remote(__version__, FleetHead.__module__))
        if refused is not None:
            raise ClusterUnavailable(f"the head of the cluster keeps no fleet: {refused[1]}", hint=SAME_VERSION)
        try:
            self._head = self._ray.remote(FleetHead).options(**_ON_HEAD, max_restarts=-1, name=NAME).remote()
        except ValueError as error:
            raise ConfigError(
                "a fleet runs on this cluster already", hint="streamer status --ray shows it; end its command first"
            ) from error
        for name in self._cameras:
            self._begin(name)
        log.info("%d cameras on a cluster of %d machines", len(self._cameras), len(self._watch.machines()))

    def stop(self) -> None:
        """Complete the outputs, and end."""
        self._stopping_at = time.monotonic()

    def abandon(self) -> None:
        """End at once."""
        self._abandoned = True

    def statuses(self) -> list[CameraStatus]:
        """How all cameras are, in their order, as far as that is known."""
        return [self._status(name) for name in self._cameras]

    def run(self) -> int:
        """Until all have ended. Raises ``ClusterUnavailable`` when the head is gone."""
        report_at = 0.0
        asked = False
        try:
            while len(self._ended) < len(self._cameras) and not self._abandoned:
                now = time.monotonic()
                self._watch.machines()
                if self._stopping_at is not None and not asked:
                    asked = True
                    self._ask_to_end()
                if self._stopping_at is not None and now - self._stopping_at > _END_S:
                    log.warning("not everything ended in time: giving up what is left")
                    break
                self._hear(now)
                if now >= report_at:
                    report_at = now + _REPORT_S
                    self._report(now)
        finally:
            for each in self._runs.values():
                self._ray.kill(each.actor)
        failed = any(ended.code == FAILED for ended in self._ended.values())
        if self._stopping_at is not None or self._abandoned:
            complete = len(self._ended) == len(self._cameras)
            return FAILED if failed or not complete else exit_code()
        return FAILED if failed else CLEAN

    def _ask_to_end(self) -> None:
        for name in self._cameras:
            run = self._runs.get(name)
            if name in self._ended:
                continue
            if run is not None and name in self._seen and self._silent_s(self._seen[name]) < SILENT_S:
                run.actor.do.remote("stop")
            else:
                # It runs nowhere: it waits for a machine.
                self._ended[name] = Ended()
                if run is not None:
                    self._ray.kill(self._runs.pop(name).actor)

    def _begin(self, name: str) -> None:
        camera = self._cameras[name]
        cores = camera.cores or (_COPIED_CORES if camera.only_copied else 1.0)
        kind = sent(self._ray, OnMachine).options(
            num_cpus=cores,
            num_gpus=0.0 if camera.only_copied else self._gpus,
            max_restarts=-1,
            max_task_retries=-1,
            max_concurrency=2,  # run, and stop beside it
            scheduling_strategy="SPREAD",
            label_selector=not_on(self._avoided),
        )
        actor = kind.remote(__version__, "streamer.cluster.fleet_camera", "FleetCamera")
        task = pickle.dumps(Task(name, camera, self._process, remembered()))
        self._runs[name] = _Run(actor, actor.do.remote("run", task, self._head))

    def _hear(self, now: float) -> None:
        """What has ended; what could not even begin is begun anew after a while."""
        for name in [name for name, at in self._again_at.items() if now >= at and self._stopping_at is None]:
            del self._again_at[name]
            self._begin(name)
        waiting = {each.result: name for name, each in self._runs.items()}
        if not waiting:
            time.sleep(_TICK_S)
            return
        ready, _ = self._ray.wait(list(waiting), num_returns=1, timeout=_TICK_S)
        for result in ready:
            name = waiting[result]
            try:
                ended: Ended | Refusal = self._ray.get(result)
            except self._ray.exceptions.RayError as error:
                # Ray restarts a camera by itself; this is one that cannot be made where it was placed.
                ended = Ended(FAILED, redact(" ".join(str(error).split()))[:300], begun=False)
            self._ray.kill(self._runs.pop(name).actor)
            if isinstance(ended, tuple):
                self._avoid(*ended)
                self._again_at[name] = now
                continue
            if not ended.begun and self._stopping_at is None:
                self._again_at[name] = now + _AGAIN_S
                log.error("%s: cannot begin, again in %.0f s: %s", name, _AGAIN_S, ended.reason, extra={"source": name})
                continue
            self._ended[name] = ended
            if ended.reason:
                log.error("%s: %s", name, ended.reason, extra={"source": name})

    def _avoid(self, machine: str, reason: str) -> None:
        """Begin no more cameras there. Raises ``ClusterUnavailable`` where there is no other machine, and no camera has run."""
        if machine in self._avoided:
            return
        self._avoided.add(machine)
        log.warning("%s: no camera runs there; %s", reason, SAME_VERSION)
        others = [each for each in self._watch.machines() if each["NodeID"] not in self._avoided]
        if not self._seen and not any(each["Resources"].get("CPU") for each in others):
            raise ClusterUnavailable(f"no machine is left for a camera: {reason}", hint=SAME_VERSION)

    def _report(self, now: float) -> None:
        try:
            seen: list[Seen] = self._ray.get(self._head.cameras.remote(), timeout=_ANSWER_S)
        except self._ray.exceptions.RayError:
            seen = []
        else:
            self._asked_at = time.monotonic()
        for each in seen:
            before = self._seen.get(each.name)
            if before is None or before.place != each.place:
                where = each.place
                log.info(
                    "%s: start %d, on %s (%s)",
                    each.name,
                    each.starts,
                    where.machine,
                    where.address,
                    extra={"source": each.name},
                )
            self._seen[each.name] = each
        if self._observe is not None:
            self._observe(self.statuses(), now)

    def _status(self, name: str) -> CameraStatus:
        ended, seen = self._ended.get(name), self._seen.get(name)
        if ended is not None:
            state = State.FAILED if ended.code == FAILED else State.ENDED
            return replace(ended.status or self._waiting(name, ""), state=state, reason=ended.reason)
        if seen is None:
            return self._waiting(name, "waits for a machine")
        status = seen.status or self._waiting(name, "the detector is being loaded")
        return replace(seen, heard_s=self._silent_s(seen), status=status).present or status

    def _silent_s(self, seen: Seen) -> float:
        return seen.heard_s + time.monotonic() - self._asked_at

    def _waiting(self, name: str, reason: str) -> CameraStatus:
        return starting(name, self._cameras[name], self._since_s, self._since_utc_s, reason)


def seen_in_fleet(address: str) -> Sequence[Seen]:
    """What the fleet of the cluster at ``address`` knows of its cameras. Raises ``ConfigError`` and ``ClusterUnavailable``."""
    with connected(address) as ray:
        try:
            head = ray.get_actor(NAME)
            if (there := ray.get(head.version.remote(), timeout=_END_S)) != __version__:
                raise ClusterUnavailable(f"the fleet has streamer {there}, this is {__version__}", hint=SAME_VERSION)
            seen: list[Seen] = ray.get(head.cameras.remote(), timeout=_END_S)
        except ValueError as error:
            raise ClusterUnavailable(
                "no fleet runs on this cluster", hint="start one: streamer run cameras.yaml --ray auto"
            ) from error
        except ray.exceptions.RayError as error:
            raise ClusterUnavailable("the fleet does not answer", hint="look whether the head is there: ray status") from error
    return seen
