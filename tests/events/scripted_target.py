"""A target that does as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable

from streamer.errors import TargetUnavailable
from streamer.events.store import Message


class ScriptedTarget:
    """Takes messages, after raising each of ``failures`` once; those of ``refusals`` to connect come first."""

    def __init__(
        self,
        *failures: Exception,
        refusals: tuple[Exception, ...] = (),
        name: str = "webhook",
        on_send: Callable[[Message], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.failures = list(failures)
        self.refusals = list(refusals)
        self.taken: list[Message] = []
        self.cameras: dict[str, bool] = {}
        self.closed = 0
        self.connected = not refusals
        self.connections = 0
        self.holding = threading.Event()
        """Set while a call of :meth:`hold` waits."""
        self._wake: Callable[[], None] = lambda: None
        self._on_send = on_send
        self._interrupted = threading.Event()

    def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def tend(self) -> bool:
        if not self.connected:
            if self.refusals:
                raise self.refusals.pop(0)
            self.connections += 1
            self.connected = True
        return True

    def lose(self) -> None:
        self.connected = False
        self._wake()

    def send(self, message: Message) -> None:
        self._on_send(message)
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(message)

    def hold(self, _: Message) -> None:
        """As ``on_send``: wait until interrupted."""
        self.holding.set()
        self._interrupted.wait(60)
        raise TargetUnavailable("interrupted")

    def camera_state(self, camera: str, *, online: bool) -> None:
        self.cameras[camera] = online

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self.closed += 1

    @property
    def keys(self) -> list[str]:
        return [message.key for message in self.taken]
