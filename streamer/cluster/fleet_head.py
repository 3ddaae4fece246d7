"""What is known of a fleet on the head of the cluster: who has which camera, and how each is. A Ray actor of one thread."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from streamer.cluster.lease import Leases
from streamer.live.status import CameraStatus

NAME = "fleet"
"""Of the actor, in the namespace ``connection.NAMESPACE``: a cluster has one fleet."""


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
    """None until it runs: its detector is being loaded."""

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "name": self.name,
            **asdict(self.place),
            "starts": self.starts,
            "heard_s": round(self.heard_s, 3),
            "status": None if self.status is None else self.status.as_dict(),
        }


class FleetHead:
    """Gives leases, and keeps what cameras tell of themselves."""

    def __init__(self) -> None:
        self._leases = Leases()
        self._heard: dict[str, tuple[float, Place, CameraStatus | None]] = {}

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
