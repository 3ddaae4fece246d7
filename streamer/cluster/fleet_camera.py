"""One camera of a fleet, on the machine that Ray has chosen: a Ray actor, which holds the lease of a process beside it.

The actor's process does nothing else, so that nothing delays it: where the camera ran, a library that loads, or a call into a
model, could hold Python's lock for longer than the lease.
"""

from __future__ import annotations

import os
import pickle
import secrets
import threading
import time
from contextlib import suppress
from typing import Any

from streamer.cluster.fleet_head import Place
from streamer.cluster.fleet_messages import READY, STOP, Ended, Task
from streamer.cluster.lease import LEASE_S, RENEW_S, end_process_at, let_process_live
from streamer.live.status import CameraStatus
from streamer.runtime.child import Child, start

_ANSWER_S = 1.0
_ASK_S = 0.25


class FleetCamera:
    """Runs one camera, while the head lets it. Ray starts it anew, there or elsewhere, when its process or machine is gone."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    def run(self, pickled: bytes, head: Any) -> Ended:
        """Run the camera of a ``Task`` until the source ends or :meth:`stop` is called; ``head`` is the fleet's.

        Does not return when the camera crashes.
        """
        import ray

        task: Task = pickle.loads(pickled)  # of the driver
        child = start("streamer.cluster.camera_process")
        lease = _Lease(ray, head, task.name)
        try:
            while not child.connection.poll(_ASK_S):
                if self._stopping.is_set():
                    return Ended()
            if _heard(child) != READY:
                os._exit(1)
            while wait_s := lease.enter():
                if self._stopping.wait(min(wait_s, _ASK_S)):
                    return Ended()
            child.connection.send(task)
            return self._watch(child, lease)
        finally:
            child.process.kill()
            child.process.wait()
            child.connection.close()
            lease.leave()

    def stop(self) -> None:
        """Read no further, complete the outputs; :meth:`run` returns soon."""
        self._stopping.set()

    def _watch(self, child: Child, lease: _Lease) -> Ended:
        """Renew the lease until the camera has ended."""
        status: CameraStatus | None = None
        renewed_at = time.monotonic()
        asked = False
        while True:
            if self._stopping.is_set() and not asked:
                asked = True
                with suppress(OSError):  # it has just ended
                    child.connection.send(STOP)
            if child.connection.poll(RENEW_S):
                told = _heard(child)
                if told is None:
                    # It has crashed. Ray starts this actor anew, and the head sees to it that that is not too often.
                    os._exit(1)
                if isinstance(told, Ended):
                    return told
                status = told
            if time.monotonic() - renewed_at >= RENEW_S:
                renewed_at = time.monotonic()
                lease.renew(status)
                status = None


def _heard(child: Child) -> Any:
    """What the process says; None where it is no more."""
    try:
        return child.connection.recv()
    except (EOFError, OSError):
        return None


class _Lease:
    """The holder's side of the lease of one camera."""

    def __init__(self, ray: Any, head: Any, camera: str) -> None:
        self._ray = ray
        self._head = head
        self._camera = camera
        self._place = Place(os.uname().nodename, ray.util.get_node_ip_address(), os.getpid())
        self._asked: dict[Any, float] = {}
        """When each question was asked that has no answer yet, in monotonic seconds."""
        self._newest = 0.0
        self._holder = f"{self._place.address}:{self._place.pid}:{secrets.token_hex(4)}"

    def enter(self) -> float:
        """0 where the camera may run now, else seconds after which to ask again."""
        asked_at = time.monotonic()
        wait_s = self._answer(self._head.enter.remote(self._camera, self._holder, self._place))
        if wait_s is None:
            return _ASK_S
        if not wait_s:
            end_process_at(asked_at, time.monotonic())
        return float(wait_s)

    def renew(self, status: CameraStatus | None) -> None:
        """Ask for two more seconds, and heed the answers that are there: none lets the time go on, a no ends it.

        An answer that is late is worth what is left of its time: a busy head must not end a camera.
        """
        asked_at = time.monotonic()  # the lease counts from the question, not from the answer
        self._asked[self._head.report.remote(self._camera, self._holder, self._place, status)] = asked_at
        ready, _ = self._ray.wait(list(self._asked), num_returns=len(self._asked), timeout=0)
        for answer in ready:
            asked_at = self._asked.pop(answer)
            held = self._answer(answer)
            if held is not None and asked_at > self._newest:
                self._newest = asked_at
                end_process_at(asked_at if held else asked_at - LEASE_S, time.monotonic())
        oldest = time.monotonic() - LEASE_S
        self._asked = {answer: asked_at for answer, asked_at in self._asked.items() if asked_at > oldest}

    def leave(self) -> None:
        """Nothing runs any more."""
        let_process_live()
        self._answer(self._head.leave.remote(self._camera, self._holder))

    def _answer(self, call: Any) -> Any:
        try:
            return self._ray.get(call, timeout=_ANSWER_S)
        except (self._ray.exceptions.RayError, ConnectionError):
            return None
