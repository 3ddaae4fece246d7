"""An output with a queue and a thread of its own: a slow one does not delay the pipeline or other outputs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol, cast, runtime_checkable

from streamer.channel import Channel, Closed, Overflow, Room
from streamer.errors import OutputWriteFailed
from streamer.redact import redact
from streamer.stages import Annotated, OutputStatus, Reporting, Sink, State
from streamer.stats import Latency

log = logging.getLogger(__name__)

WALK_AWAY_S = 0.5
"""How long a sink that was told to hurry may take before its thread is left behind."""

TOO_SLOW = "too slow, frames are lost"
"""What is said of a recording whose queue is full."""

_MOST_FRAMES = 10_000
_CAUGHT_UP = 0.5
"""A queue that lost frames has caught up when it is filled no further than this."""


@runtime_checkable
class Viewer(Protocol):
    """A sink that people watch: it shows a notice while no frame arrives."""

    def idle(self, text: str) -> None:
        """Show the last picture, dimmed, with ``text`` on it."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """A sink whose ``write`` may have to wait for a peer."""

    def interrupt(self) -> None:
        """From any thread: let a waiting ``write``, and all later ones, return at once."""
        ...


class Queued:
    """Implements ``stages.Sink`` around another sink: :meth:`write` never blocks; when the queue is full, the oldest go.

    With ``room`` (a recording) the queue is measured in seconds and bytes, and frames that it loses are told in the log.
    Without it the newest ``capacity`` frames wait, and leaving others out is what is meant.

    ``sink`` is used by one thread of this object's own, started by the first call. When it raises, it is abandoned and
    ``on_failure`` is called once with the error, in that thread; the pipeline goes on without it. With ``on_failure=None`` the
    error comes out of the next :meth:`write`, or of :meth:`finish`, instead, and so ends the pipeline.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        capacity: int = 2,
        room: Room[Annotated] | None = None,
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
        self._every = room is not None
        self._channel: Channel[Annotated | str]
        if room is None:
            self._channel = Channel(capacity, Overflow.DROP_OLDEST, self._dropped_when_full)
        else:
            # Notices go to viewers only, so that all that waits here are frames.
            frames = cast("Room[Annotated | str]", room)
            self._channel = Channel(_MOST_FRAMES, Overflow.DROP_OLDEST, self._dropped_when_full, room=frames)
        self._losing = False
        self._lost_before = 0
        self._thread: threading.Thread | None = None
        self._state = State.STARTING
        self._failure: BaseException | None = None
        self._frames = 0
        self._dropped = 0
        self._lock = threading.Lock()
        self._abandoned = False

    def status(self) -> OutputStatus:
        """From any thread: how the output is doing."""
        inner = self._sink.status() if isinstance(self._sink, Reporting) else None
        own = self._state if inner is None or self._state in (State.ENDED, State.FAILED) else inner.state
        failure = "" if self._failure is None else redact(" ".join(str(self._failure).split()))
        return OutputStatus(
            name=self.name if inner is None else inner.name,
            state=own,
            frames=self._frames if inner is None else inner.frames,
            bytes=0 if inner is None else inner.bytes,
            dropped=self._dropped + (0 if inner is None else inner.dropped),
            queued=len(self._channel),
            fill=self._channel.fill,
            error=failure or ("" if inner is None else inner.error) or (TOO_SLOW if self._losing else ""),
        )

    def write(self, item: Annotated) -> None:
        """Leave ``item`` for the sink; never blocks. Raises what the sink raised, unless ``on_failure`` is told."""
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
            # What still waits cannot be written in time; what was written before becomes a whole output all the same.
            self._lose(self._channel.abandon())
            self._hurry()
            if not self._join(WALK_AWAY_S):
                self._abandoned = True
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
            self._state = State.ENDED
            return
        self._hurry()
        if not self._join(WALK_AWAY_S):
            log.warning("%s does not end; it is left behind", self.name, extra={"output": self.name})

    def _lose(self, messages: list[Annotated | str]) -> None:
        """Drop what a recording had no time for, and say so."""
        self._drop(messages)
        if self._every and messages:
            log.warning(
                "%s: %d frames were still waiting at the end, and are lost",
                self.name,
                len(messages),
                extra={"output": self.name},
            )

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
                self._notice_catching_up()
                self.latency.add(self._clock() - message.frame.captured_at)
                self._state = State.RUNNING
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
                self._state = State.ENDED

    def _fail(self, error: BaseException) -> None:
        if self._failure is not None:
            return
        self._failure = error
        self._state = State.FAILED
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
        if self._every and not self._losing:
            self._losing, self._lost_before = True, self._dropped
            log.warning("%s: %s", self.name, TOO_SLOW, extra={"output": self.name, "cause": "queue_full"})
        self._drop([message])

    def _notice_catching_up(self) -> None:
        if self._losing and self._channel.fill <= _CAUGHT_UP:
            self._losing = False
            lost = self._dropped - self._lost_before
            log.warning("%s: has caught up, %d frames are lost", self.name, lost, extra={"output": self.name})

    def _drop(self, messages: list[Annotated | str]) -> None:
        with self._lock:
            self._dropped += sum(not isinstance(message, str) for message in messages)
