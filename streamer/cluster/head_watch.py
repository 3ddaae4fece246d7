"""Whether the head of the cluster is there, and which machines it knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from streamer.errors import ClusterUnavailable
from streamer.runtime.own_thread import leave_behind

_LOOK_S = 1.0
_END_S = 0.5
GONE_S = 30.0
"""A head that is silent for so long is given up. After 60 s Ray would end this process, and not say what is left to do."""


class HeadWatch:
    """Asks the head once a second, in a thread of its own: a question to one that is away does not return.

    A context manager.
    """

    def __init__(self, ray: Any, hint: str, clock: Callable[[], float] = time.monotonic) -> None:
        """``hint`` is what to do when the head is gone; ``clock`` counts monotonic seconds."""
        self._ray = ray
        self._hint = hint
        self._clock = clock
        self._nodes: Sequence[Mapping[str, Any]] = ray.nodes()
        self._heard_at = clock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="head", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(_END_S)
        if self._thread.is_alive():
            leave_behind(self._thread)

    def machines(self) -> list[Mapping[str, Any]]:
        """Those that are alive, as Ray describes them. Raises ``ClusterUnavailable`` where the head is silent for 30 s."""
        silent_s = self._clock() - self._heard_at
        if silent_s > GONE_S:
            text = f"the head of the Ray cluster has not answered for {silent_s:.0f} s"
            raise ClusterUnavailable(text, hint=self._hint)
        return [node for node in self._nodes if node["Alive"]]

    def _look(self) -> None:
        while not self._over.wait(_LOOK_S):
            try:
                self._nodes = self._ray.nodes()
            except Exception:  # noqa: BLE001  # Ray raises all kinds; silence is what counts
                continue
            self._heard_at = self._clock()
