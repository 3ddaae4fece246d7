"""What delivery needs of a target: a broker, a receiver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from streamer.events.store import Message


class Target(Protocol):
    """Takes messages about events. One thread calls all but :meth:`interrupt` and :meth:`camera_state`."""

    name: str
    """``mqtt``, ``webhook`` or ``kafka``: its outbox has this name."""

    def start(self, wake: Callable[[], None]) -> None:
        """Called once, first. ``wake`` may be called in any thread: :meth:`tend` is called soon after it."""

    def tend(self) -> bool:
        """Connect where that is needed, and say what is to be said besides messages. Returns whether the target is there.

        Called before messages are sent, and when woken. False where only sending shows it. Raises ``TargetUnavailable``.
        """

    def send(self, message: Message) -> None:
        """Return once the target has taken ``message``. Raises ``TargetUnavailable`` or ``MessageRefused``."""

    def camera_state(self, camera: str, *, online: bool) -> None:
        """From any thread: a camera delivers pictures, or does not. Never blocks, and never raises."""

    def interrupt(self) -> None:
        """From another thread: a call that waits now, and each later one, raises ``TargetUnavailable`` soon."""

    def close(self) -> None:
        """Say good-bye and let go of everything; within half a second."""
