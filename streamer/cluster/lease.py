"""Who may run a camera: a lease for two seconds, given by the head of the cluster, kept by the kernel of the machine.

Ray starts an actor elsewhere when it believes its machine to be gone. A machine that is only cut off goes on meanwhile, and
would record the camera a second time. So a camera runs only while the head has said within the last two seconds that it may.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

LEASE_S = 2.0
"""How long a camera runs without a word of the head."""
RENEW_S = 0.25
_MARGIN_S = 0.25
"""The process ends so long before its lease does: the end itself takes time."""
_GRACE_S = 0.5
"""The head gives a lease on so long after its end."""
_FLAPPING_S = 120.0
_FREE_STARTS = 3
_MOST_WAIT_S = 30.0


@dataclass(slots=True)
class _Camera:
    holder: str | None = None
    until: float = 0.0
    starts: deque[float] = field(default_factory=lambda: deque(maxlen=16))
    started: int = 0


class Leases:
    """Gives leases. One thread; ``clock`` counts monotonic seconds.

    After a restart it does not know who holds which. Those that renew hold theirs, or would not be alive; nobody else gets one
    until all that may have been given are over.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._cameras: dict[str, _Camera] = {}

    def enter(self, camera: str, holder: str) -> float:
        """0 where ``holder`` has the camera from now on, else seconds after which it may ask again.

        A camera that was begun often of late, since its process dies, waits ever longer.
        """
        now = self._clock()
        known = self._cameras.setdefault(camera, _Camera())
        if known.holder == holder:
            known.until = now + LEASE_S
            return 0.0
        free_at = (self._began + LEASE_S if known.holder is None and not known.starts else known.until) + _GRACE_S
        while known.starts and now - known.starts[0] > _FLAPPING_S:
            known.starts.popleft()
        if (often := len(known.starts) - _FREE_STARTS) >= 0:
            free_at = max(free_at, known.starts[-1] + min(2.0**often, _MOST_WAIT_S))
        if now < free_at:
            return free_at - now
        known.holder, known.until = holder, now + LEASE_S
        known.starts.append(now)
        known.started += 1
        return 0.0

    def renew(self, camera: str, holder: str) -> bool:
        """Whether ``holder`` still has the camera, from now on for another ``LEASE_S``."""
        known = self._cameras.setdefault(camera, _Camera())
        if known.holder not in (None, holder):
            return False
        if known.holder is None:
            if known.starts:
                return False  # it was left
            known.holder = holder
            known.starts.append(self._clock())
            known.started += 1
        known.until = self._clock() + LEASE_S
        return True

    def leave(self, camera: str, holder: str) -> None:
        """``holder`` has ended, and nobody else has begun."""
        known = self._cameras.get(camera)
        if known is not None and known.holder == holder:
            known.holder, known.until = None, self._clock() - _GRACE_S

    def started(self, camera: str) -> int:
        """How often it was begun."""
        known = self._cameras.get(camera)
        return 0 if known is None else known.started


def end_process_at(asked_at: float, now: float) -> None:
    """Let the kernel end this process when the lease is over that was asked for at ``asked_at`` (monotonic seconds).

    SIGALRM, which nothing handles, ends it whatever Python does: while a thread holds its lock, and before any other
    instruction where the process was stopped and goes on.
    """
    signal.setitimer(signal.ITIMER_REAL, max(1e-3, asked_at + LEASE_S - _MARGIN_S - now))


def let_process_live() -> None:
    """Nothing runs any more that needs a lease."""
    signal.setitimer(signal.ITIMER_REAL, 0.0)
