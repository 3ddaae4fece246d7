"""Says which stage is stuck. It only watches, and mends nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType

from streamer.live.status import CameraStatus
from streamer.stages import State

log = logging.getLogger(__name__)


class StageWatch:
    """A stage's sign of life: ``with watch: …`` around each piece of work."""

    __slots__ = ("_clock", "busy_since", "limit_s")

    def __init__(self, clock: Callable[[], float], limit_s: Callable[[], float]) -> None:
        self.limit_s = limit_s
        """Seconds that one piece of work may take, as things stand."""
        self._clock = clock
        self.busy_since: float | None = None
        """Monotonic seconds when the work that is being done began; None while there is none."""

    def __enter__(self) -> None:
        self.busy_since = self._clock()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.busy_since = None


class Watchdog:
    """Knows every stage of every camera; :meth:`check` it about once a second, from one thread.

    A stage is stuck when one piece of work takes longer than its limit (``limit_s``). There is one line in the log when it
    gets stuck, and one when it goes on; ``stuck`` holds what is stuck now.
    """

    def __init__(self, limit_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._stages: dict[tuple[str, str], StageWatch] = {}
        self._since: dict[tuple[str, str], float] = {}
        self.stuck: dict[str, str] = {}
        """By camera: the stage that does not return."""

    def watch(self, camera: str, stage: str, limit_s: Callable[[], float] | None = None) -> StageWatch:
        """The watch of one stage, with a limit of its own if need be; the same again for the same names."""
        watch = StageWatch(self._clock, limit_s or (lambda: self._limit_s))
        return self._stages.setdefault((camera, stage), watch)

    def forget(self, camera: str) -> None:
        """The camera has gone."""
        for key in [key for key in self._stages if key[0] == camera]:
            del self._stages[key]
            self._since.pop(key, None)
        self._publish()

    def check(self, now: float) -> None:
        """Look at all stages and report what has changed."""
        for (camera, stage), watch in list(self._stages.items()):
            since = watch.busy_since
            stuck = since is not None and now - since > watch.limit_s()
            known = self._since.get((camera, stage))
            extra = {"source": camera, "stage": stage}
            if stuck and since is not None and known is None:
                self._since[camera, stage] = since
                log.error("%s: %s has not returned for %.0f s", camera, stage, now - since, extra=extra)
            elif known is not None and not stuck:
                del self._since[camera, stage]
                log.warning("%s: %s returned after %.0f s", camera, stage, now - known, extra=extra)
        self._publish()

    def _publish(self) -> None:
        # A new dictionary each time: readers in other threads hold the old one or the new one.
        self.stuck = dict(self._since.keys())


def silent(camera: CameraStatus, limit_s: float) -> bool:
    """Whether a source calls itself running although no frame has come for longer than ``limit_s``."""
    return camera.state is State.RUNNING and camera.frame_age_s is not None and camera.frame_age_s > limit_s
