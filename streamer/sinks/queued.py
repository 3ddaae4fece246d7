"""An output with a queue and a thread of its own, so that it delays nobody."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from streamer.channel import Channel, Closed, Overflow
from streamer.errors import OutputWriteFailed
from streamer.redact import redact
from streamer.stages import Annotated, OutputStatus, Sink
from streamer.stats import Latency

log = logging.getLogger(__name__)

WALK_AWAY_S = 0.5
"""How long a sink that was told to hurry may take before its thread is left behind."""


@runtime_checkable
class Viewer(Protocol):
    """A sink for eyes: it wants something to show while no frame comes."""

    def idle(self, text: str) -> None:
        """Show the last picture, dimmed, with ``text`` on it."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """A sink whose ``write`` may have to wait for somebody else."""

    def interrupt(self) -> None:
        """From any thread: let a waiting ``write``, and all later ones, return at once."""
        ...


@runtime_checkable
class Reporting(Protocol):
    """A sink that knows more about itself than how often it was called."""

    def status(self) -> OutputStatus:
        """From any thread: how it is doing."""
        ...


class Queued:
    """Implements ``stages.Sink`` around another sink: :meth:`write` never blocks, and the newest pictures win.

    ``sink`` is used by one thread of this object's own, started by the first call. When it raises, it is abandoned and
    ``on_failure`` is called once with the error, in that thread; the line goes on without it. With ``on_failure=None`` the
    error comes out of the next :meth:`write`, or of :meth:`finish`, instead, and so ends the line.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        capacity: int = 2,
        finish_timeout_s: float = 2.0,
        on_failure: Callable[[BaseException], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = sink.name
        self.latency = Latency()
        """From the capture of a frame to the end of its ``write`` in the sink."""
        self._sink = sink
        self._finish_timeout_s = finish_timeout_s
        self._on_failure = on_failure
        self._clock = clock
        self._channel: Channel[Annotated | str] = Channel(capacity, Overflow.DROP_OLDEST, self._dropped_when_full)
        self._thread: threading.Thread | None = None
        self._state = "starting"
        self._failure: BaseException | None = None
        self._frames = 0
        self._dropped = 0
        self._lock = threading.Lock()
        self._abandoned = False

    @property
    def sink(self) -> Sink:
        """The sink within."""
        return self._sink

    def status(self) -> OutputStatus:
        """From any thread: how the output is doing."""
        inner = self._sink.status() if isinstance(self._sink, Reporting) else None
        own = self._state if inner is None or self._state in ("ended", "failed") else inner.state
        failure = "" if self._failure is None else redact(" ".join(str(self._failure).split()))
        return OutputStatus(
            name=self.name if inner is None else inner.name,
            state=own,
            frames=self._frames if inner is None else inner.frames,
            bytes=0 if inner is None else inner.bytes,
            dropped=self._dropped + (0 if inner is None else inner.dropped),
            queued=len(self._channel),
            capacity=self._channel.capacity,
            error=failure or ("" if inner is None else inner.error),
        )

    def write(self, item: Annotated) -> None:
        """Leave ``item`` for the sink; never blocks. Raises what the sink raised, unless somebody is told of it."""
        self._put(item)

    def idle(self, text: str) -> None:
        """No frame comes at present: let a sink for eyes say so; others get nothing."""
        if isinstance(self._sink, Viewer):
            self._put(text)

    def finish(self) -> None:
        """Write what is queued, complete the output; give up after ``finish_timeout_s``."""
        self._channel.finish()
        if self._thread is None:
            self._start()
        if not self._join(self._finish_timeout_s):
            self._hurry()
            if not self._join(WALK_AWAY_S):
                self._abandoned = True
                self._drop(self._channel.abandon())
                self._fail(
                    OutputWriteFailed(
                        f"{self.name} did not finish within {self._finish_timeout_s:g} s",
                        hint="what was written before is there; the disk or the other side does not answer",
                    )
                )
        if self._failure is not None and self._on_failure is None:
            raise self._failure

    def abandon(self) -> None:
        """Give up what is queued, and the output; returns soon even when the sink hangs."""
        self._abandoned = True
        self._drop(self._channel.abandon())
        if self._thread is None:
            self._sink.abandon()
            self._state = "ended"
            return
        self._hurry()
        if not self._join(WALK_AWAY_S):
            log.warning("%s does not end; it is left behind", self.name, extra={"output": self.name})

    def _put(self, message: Annotated | str) -> None:
        if self._failure is not None and self._on_failure is None:
            raise self._failure
        if self._thread is None:
            self._start()
        try:
            self._channel.send(message)
        except Closed:
            self._drop([message])

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._work, name=f"sink-{self.name}", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            for message in self._channel:
                if isinstance(message, str):
                    if isinstance(self._sink, Viewer):
                        self._sink.idle(message)
                    continue
                try:
                    self._sink.write(message)
                except BaseException:
                    self._drop([message])
                    raise
                self._frames += 1
                self.latency.add(self._clock() - message.frame.captured_at)
                self._state = "running"
            if not self._abandoned:
                self._sink.finish()
        except BaseException as error:  # noqa: BLE001  # kept for write() and finish(), or handed to on_failure
            self._drop(self._channel.abandon())
            self._sink.abandon()
            self._fail(error)
        else:
            if self._abandoned:
                self._sink.abandon()
            if self._failure is None:
                self._state = "ended"

    def _fail(self, error: BaseException) -> None:
        if self._failure is not None:
            return
        self._failure = error
        self._state = "failed"
        if self._on_failure is not None:
            self._on_failure(error)

    def _hurry(self) -> None:
        if isinstance(self._sink, Interruptible):
            self._sink.interrupt()

    def _join(self, timeout_s: float) -> bool:
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def _dropped_when_full(self, message: Annotated | str) -> None:
        self._drop([message])

    def _drop(self, messages: list[Annotated | str]) -> None:
        with self._lock:
            self._dropped += sum(not isinstance(message, str) for message in messages)
