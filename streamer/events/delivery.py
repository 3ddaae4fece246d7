"""Delivery of events: one thread for each target empties that target's outbox, in order, and loses nothing."""

from __future__ import annotations

import logging
import random as random_module
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from streamer.errors import MessageRefused, OutputWriteFailed, StreamerError, TargetUnavailable, in_one_line
from streamer.events.store import EventStore, Message
from streamer.events.target import Target
from streamer.redact import redact
from streamer.runtime.backoff import Backoff
from streamer.stats import Latency

log = logging.getLogger(__name__)

_BATCH = 50
"""Messages that are read from the outbox at once."""
_CLOSE_S = 2.0
"""Longest that :meth:`Delivery.close` takes."""
_SEND_REST_S = 1.0
"""How much of it is for messages that still wait."""
_LEAST_ATTEMPTS = 3
"""Failures before a message is given up, however old it is: it may be from before a long pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """How delivery to one target goes. Counts are since the start, but for ``waiting`` and ``dead_letters``."""

    target: str
    waiting: int = 0
    """Messages in the outbox."""
    behind_s: float = 0.0
    """Seconds for which the oldest of them has waited; 0.0 where none waits."""
    sent: int = 0
    failures: int = 0
    """Attempts that failed: each message is sent once more than that until it is taken."""
    given_up: int = 0
    """Messages that became dead letters."""
    dead_letters: int = 0
    """Dead letters in the file, also those of earlier runs."""
    dropped: int = 0
    """Messages that a full outbox had no room for."""
    problem: str = ""
    """Why nothing is taken at present, without credentials; empty while all is well."""
    latency: Latency = field(default_factory=Latency)
    """From the record of a change to the target's word that it has the message."""

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON; the latency as milliseconds."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "latency"}
        plain["behind_s"] = round(self.behind_s, 3)
        if self.latency.count:
            plain["latency_ms"] = {
                "median": round(1e3 * self.latency.median_s, 2),
                "p95": round(1e3 * self.latency.p95_s, 2),
            }
        return plain


class Delivery:
    """Sends what stands in the outboxes of ``store`` to ``targets``, each in a thread of its own, until closed.

    Each message is sent until its target has taken it, and only then is the next one sent. A target that was cut off between
    taking a message and saying so gets it again, with the same key. What could not be sent for ``give_up_after_s`` becomes a
    dead letter. What waits when the process ends, in whatever way, is sent by the next one.
    """

    def __init__(
        self,
        store: EventStore,
        targets: Sequence[Target],
        *,
        give_up_after_s: float = 86_400.0,
        backoff: Backoff | None = None,
        random: Callable[[], float] = random_module.random,
        utc: Callable[[], float] = time.time,
    ) -> None:
        """``utc`` gives seconds since 1970, by the clock that the store has."""
        backoff = backoff or Backoff()
        self._workers = [_Worker(store, target, give_up_after_s, backoff, random, utc) for target in targets]
        store.subscribe(self._wake)

    def start(self) -> None:
        """Begin to send; returns at once."""
        for worker in self._workers:
            worker.start()

    def camera_state(self, camera: str, *, online: bool) -> None:
        """A camera delivers pictures, or does not: for targets that show it. Any thread; never blocks."""
        for worker in self._workers:
            worker.target.camera_state(camera, online=online)

    def status(self) -> list[DeliveryStatus]:
        """How it goes, a status for each target. Any thread."""
        return [worker.status() for worker in self._workers]

    def close(self) -> None:
        """Send what still waits where the target takes it, for a second; end all within two. What is left stays in the file."""
        deadline = time.monotonic() + _CLOSE_S
        for worker in self._workers:
            worker.finish()
        for worker in self._workers:
            worker.join(deadline - (_CLOSE_S - _SEND_REST_S))
        for worker in self._workers:
            worker.interrupt()
        for worker in self._workers:
            if not worker.join(deadline):
                log.warning("%s does not come back from a call, which is left to itself", worker.target.name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wake(self) -> None:
        for worker in self._workers:
            worker.wake()


class _Worker:
    """The thread of one target."""

    def __init__(
        self,
        store: EventStore,
        target: Target,
        give_up_after_s: float,
        backoff: Backoff,
        random: Callable[[], float],
        utc: Callable[[], float],
    ) -> None:
        self.target = target
        self._store = store
        self._give_up_after_s = give_up_after_s
        self._backoff = backoff
        self._random = random
        self._utc = utc
        self._lock = threading.Lock()
        self._status = DeliveryStatus(target=target.name)
        self._failing_since: float | None = None
        self._woken = threading.Event()
        self._finishing = threading.Event()
        self._interrupted = threading.Event()
        # A daemon: a call that does not come back must not keep the process.
        self._thread = threading.Thread(target=self._run, name=f"deliver-{target.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._woken.set()

    def finish(self) -> None:
        self._finishing.set()
        self._woken.set()

    def interrupt(self) -> None:
        self._interrupted.set()
        self.target.interrupt()

    def join(self, deadline: float) -> bool:
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def status(self) -> DeliveryStatus:
        with self._lock:
            status = self._status
        store, name = self._store, status.target
        try:
            return replace(
                status,
                waiting=store.waiting(name),
                behind_s=store.waiting_for_s(name),
                dead_letters=store.dead(name),
                dropped=store.dropped(name),
            )
        except OutputWriteFailed as error:  # who asks must be answered also while the file cannot be read
            return replace(status, dropped=store.dropped(name), problem=redact(str(error)))

    def _run(self) -> None:
        try:
            self.target.start(self._woken.set)
            while not self._interrupted.is_set():
                self._woken.clear()
                wait_s = self._step()
                if self._finishing.is_set() and wait_s != 0:
                    return
                if wait_s is None:
                    self._woken.wait()
                elif wait_s > 0 and self._finishing.wait(wait_s):  # new events do not make a target come back
                    return
        finally:
            self.target.close()

    def _step(self) -> float | None:
        """Send some of what waits. Returns how long to wait then: 0 for not at all, None for until there is more."""
        message = None
        try:
            there = self.target.tend()
            messages = self._store.outbox(self.target.name, _BATCH)
            for message in messages:
                if self._interrupted.is_set():
                    return None
                self._send(message)
            if there and not messages:
                self._succeeded()
        except Exception as error:  # noqa: BLE001  # a fault in one target must end neither its messages nor the others'
            return self._failed(error, message)
        return 0.0 if messages else None

    def _send(self, message: Message) -> None:
        try:
            self.target.send(message)
        except MessageRefused as error:
            self._refused(message, error)
        else:
            self._status.latency.add(self._utc() - message.recorded_utc)
            self._store.sent(self.target.name, [message.seq])
            self._count(sent=1)
        self._succeeded()

    def _refused(self, message: Message, error: MessageRefused) -> None:
        reason = redact(in_one_line(error))
        self._store.failed(self.target.name, message.seq, reason, give_up=True)
        self._count(failures=1, given_up=1)
        self._say(logging.WARNING, "%s refused %s, which is a dead letter now: %s", message.key, reason)

    def _failed(self, error: Exception, message: Message | None) -> float:
        """Note a failure. Returns how long to wait before the next attempt, in seconds."""
        now = time.monotonic()
        reason = redact(in_one_line(error))
        if self._failing_since is None:
            self._failing_since = now
            if not self._interrupted.is_set():
                log.warning(
                    "%s: %s; its messages wait and are sent again",
                    self.target.name,
                    reason,
                    extra={"output": self.target.name},
                    exc_info=None if isinstance(error, StreamerError) else error,
                )
        self._count(failures=1)
        self._set_problem(reason)
        if not isinstance(error, OutputWriteFailed) and not self._interrupted.is_set():
            self._note_failure(message, reason)
        wait_s = self._backoff.delay_s(now - self._failing_since, self._random)
        return max(wait_s, error.retry_after_s) if isinstance(error, TargetUnavailable) else wait_s

    def _note_failure(self, message: Message | None, reason: str) -> None:
        name = self.target.name
        try:
            if message is None:
                # It could not even connect: that, too, is an attempt to send what is next.
                message = next(iter(self._store.outbox(name, 1)), None)
            if message is None:
                return
            self._store.failed(name, message.seq, reason)
            if message.attempts + 1 < _LEAST_ATTEMPTS:
                return
            given_up = self._store.give_up(name, self._give_up_after_s, reason)
        except OutputWriteFailed as error:
            log.warning("%s", error, extra={"output": name})
            return
        if given_up:
            self._count(given_up=given_up)
            hours = self._give_up_after_s / 3600
            self._say(
                logging.ERROR,
                "%s: given up %d messages that are older than %g hours, which are dead letters now",
                given_up,
                hours,
            )

    def _succeeded(self) -> None:
        if self._failing_since is None:
            return
        away_s = time.monotonic() - self._failing_since
        self._failing_since = None
        self._set_problem("")
        self._say(logging.INFO, "%s takes messages again, after %.0f s", away_s)

    def _count(self, *, sent: int = 0, failures: int = 0, given_up: int = 0) -> None:
        with self._lock:
            status = self._status
            self._status = replace(
                status,
                sent=status.sent + sent,
                failures=status.failures + failures,
                given_up=status.given_up + given_up,
            )

    def _set_problem(self, problem: str) -> None:
        with self._lock:
            self._status = replace(self._status, problem=problem)

    def _say(self, level: int, text: str, *values: object) -> None:
        log.log(level, text, self.target.name, *values, extra={"output": self.target.name})
