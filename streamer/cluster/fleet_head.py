"""What is known of a fleet on the head of the cluster: who has which camera, and how each is. A Ray actor of one thread."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from streamer._version import __version__
from streamer.cluster.lease import LEASE_S, Leases
from streamer.live.status import CameraStatus
from streamer.stages import State

NAME = "fleet"
"""Of the actor, in the namespace ``connection.NAMESPACE``: a cluster has one fleet."""
SILENT_S = LEASE_S + 1.0
"""A camera of which nothing was heard for so long does not run there any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a camera runs."""

    machine: str
    address: str
    pid: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What was heard of a camera last."""

    name: str
    place: Place
    starts: int
    """How often it was begun, on any machine."""
    heard_s: float
    """Seconds since then."""
    status: CameraStatus | None = None
    """What it told last; None until it runs: its detector is being loaded."""

    @property
    def present(self) -> CameraStatus | None:
        """How it is now: what it told last, or reconnecting, where nothing was heard of it for too long."""
        if self.status is None or self.heard_s < SILENT_S:
            return self.status
        reason = f"nothing is heard of it for {self.heard_s:.0f} s; it was on {self.place.machine}"
        since_utc_s = time.time() - self.heard_s
        return replace(self.status, state=State.RECONNECTING, state_s=self.heard_s, since_utc_s=since_utc_s, reason=reason)

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        status = self.present
        return {
            "name": self.name,
            **asdict(self.place),
            "starts": self.starts,
            "heard_s": round(self.heard_s, 3),
            "status": None if status is None else status.as_dict(),
        }


class FleetHead:
    """Gives leases, and keeps what cameras tell of themselves."""

    def __init__(self) -> None:
        self._leases = Leases()
        self._heard: dict[str, tuple[float, Place, CameraStatus | None]] = {}

    def version(self) -> str:
        """That of the fleet's streamer: what :meth:`cameras` tells is read by the same one only."""
        return __version__

    def enter(self, camera: str, holder: str, place: Place) -> float:
        """As ``Leases.enter``."""
        wait_s = self._leases.enter(camera, holder)
        if not wait_s:
            self._heard[camera] = time.monotonic(), place, None
        return wait_s

    def report(self, camera: str, holder: str, place: Place, status: CameraStatus | None) -> bool:
        """As ``Leases.renew``; what it tells counts only where it holds the camera."""
        if not self._leases.renew(camera, holder):
            return False
        if status is None and camera in self._heard:
            status = self._heard[camera][2]
        self._heard[camera] = time.monotonic(), place, status
        return True

    def leave(self, camera: str, holder: str) -> None:
        """As ``Leases.leave``."""
        self._leases.leave(camera, holder)

    def cameras(self) -> list[Seen]:
        """All that have been heard of, by name."""
        now = time.monotonic()
        return [
            Seen(name, place, self._leases.started(name), now - at, status)
            for name, (at, place, status) in sorted(self._heard.items())
        ]
