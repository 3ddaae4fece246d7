"""The file of events: one SQLite database for a process, with an outbox for each target of delivery."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import ConfigError
from streamer.events.event import Event
from streamer.events.reader import BUSY_S, EventReader
from streamer.events.schema import prepare

log = logging.getLogger(__name__)

_WAL_BYTES = 4_000_000
"""Size that the log of changes beside the file is cut to after it grew."""


_Run = Callable[[str, Sequence[object]], sqlite3.Cursor]


@dataclass(frozen=True, slots=True)
class Message:
    """One row of the outbox: what one target is to be told."""

    seq: int
    key: str
    """Idempotency key: the same each time that this message is sent."""
    kind: str
    body: str
    """JSON, as it is sent."""
    recorded_utc: float
    attempts: int = 0
    """How often sending it has failed."""
    reason: str | None = None
    """Why it failed last."""

    def event(self) -> Event:
        """The event as this message tells it."""
        return Event.from_json(json.loads(self.body))


EVENTS_FILE = "events.db"
"""Name of the file in its folder."""


def open_existing(folder: Path) -> EventStore:
    """The events in ``folder``, of a run that may go on. Raises ``ConfigError`` where there are none."""
    path = folder / EVENTS_FILE
    if not path.is_file():
        raise ConfigError(f"there are no events in {folder}", hint="name the folder that events: or --events named")
    return EventStore(path)


def make_folder(folder: Path) -> None:
    """Make a folder of events where there is none. Raises ``ConfigError``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error.strerror}", hint="check the path and its rights") from error


class EventStore(EventReader):
    """Keeps events, and what is still to be told of them. Any thread may call it; writing waits for the disk.

    A change of an event and the messages about it are written in one transaction, and are on the disk when :meth:`record`
    returns: neither a killed process nor a power cut loses one of them or tells of what is not in the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        targets: Sequence[str] = (),
        most_waiting: int = 50_000,
        utc: Callable[[], float] = time.time,
    ) -> None:
        """Open ``path``, or make it. ``targets``: who is told of each change; ``most_waiting``: messages kept for each.

        Raises ``ConfigError`` for a file that is none of events, or of a newer streamer.
        """
        path = Path(path)
        self.targets = tuple(targets)
        self._most_waiting = most_waiting
        self._utc = utc
        self._lock = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        self._dropped = dict.fromkeys(self.targets, 0)
        self._connection = _open(path)
        try:
            super().__init__(path)  # a connection of its own: reading does not wait for writing
        except BaseException:
            self._connection.close()
            raise
        self._waiting = {target: self.waiting(target) for target in self.targets}

    def record(self, event: Event) -> int:
        """Write a change of ``event``, and a message about it for each target; its number, from 1, among those of the event.

        Raises ``OutputWriteFailed`` when it cannot be written, such as on a full disk: then nothing was.
        """
        with self._transaction() as run:
            ((number,),) = run(
                "INSERT INTO events (id, camera, kind, changes, start_utc, end_utc, body) VALUES (?, ?, ?, 1, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, changes = changes + 1, start_utc = excluded.start_utc,"
                " end_utc = excluded.end_utc, body = excluded.body RETURNING changes",
                (event.id, event.camera, event.kind, event.start_utc, event.end_utc, json.dumps(event.as_json())),
            ).fetchall()
            key = f"{event.id}-{number}"
            body = json.dumps({"key": key, **event.as_json()}, ensure_ascii=False)
            dropped = {}
            for target in self.targets:
                run(
                    "INSERT INTO outbox (target, key, kind, body, recorded_utc) VALUES (?, ?, ?, ?, ?)",
                    (target, key, event.kind, body, self._utc()),
                )
                dropped[target] = self._make_room(run, target)
        for target, count in dropped.items():
            self._note_recorded(target, count)
        for listener in tuple(self._listeners):
            listener()
        return int(number)

    def amend(self, event: Event) -> None:
        """Write what nobody is told of: when an event was last seen, where its clip is. Raises as :meth:`record`."""
        with self._transaction() as run:
            run("UPDATE events SET body = ? WHERE id = ?", (json.dumps(event.as_json()), event.id))

    def forget(self, camera: str, before_utc: float, *, open_too: bool = False, limit: int = 500) -> list[Event]:
        """Delete the oldest events of a camera that ended before ``before_utc`` and of which nobody is still to be told; which
        they were. ``open_too``: also those that have not ended and began before it. Raises as :meth:`record`."""
        ended = "coalesce(end_utc, start_utc)" if open_too else "end_utc"
        with self._transaction() as run:
            rows = run(
                f"DELETE FROM events WHERE id IN (SELECT id FROM events WHERE camera = ? AND {ended} < ? AND id NOT IN"
                " (SELECT substr(key, 1, 26) FROM outbox WHERE given_up_utc IS NULL) ORDER BY id LIMIT ?) RETURNING body",
                (camera, before_utc, limit),
            ).fetchall()
        return sorted(self._events(rows), key=lambda event: event.id)

    def _make_room(self, run: _Run, target: str) -> int:
        """Drop the oldest updates, then the oldest of all, until the outbox is a hundredth below its limit; how many."""
        if self._waiting[target] < self._most_waiting:
            return 0
        goal = self._most_waiting // 100 + 1
        dropped = 0
        for among in ("kind = 'update' AND", ""):
            dropped += run(
                f"DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE {among} target = ?"
                " AND given_up_utc IS NULL ORDER BY seq LIMIT ?)",
                (target, goal - dropped),
            ).rowcount
        return dropped

    def _note_recorded(self, target: str, dropped: int) -> None:
        with self._lock:
            self._waiting[target] += 1 - dropped
            self._dropped[target] += dropped
            since_start = self._dropped[target]
        if dropped:
            log.warning(
                "the outbox of %s is full: the %d oldest messages (updates first) were dropped, %d since the start",
                target,
                dropped,
                since_start,
                extra={"output": target},
            )

    def outbox(self, target: str, limit: int = 100) -> list[Message]:
        """The oldest messages that ``target`` has not taken yet, in the order in which they were recorded."""
        return self._messages("target = ? AND given_up_utc IS NULL", target, limit)

    def dead_letters(self, target: str, limit: int = 100) -> list[Message]:
        """The oldest messages for ``target`` that were given up."""
        return self._messages("target = ? AND given_up_utc IS NOT NULL", target, limit)

    def waiting(self, target: str) -> int:
        """How many messages ``target`` has not taken yet."""
        return int(self._rows("SELECT count(*) FROM outbox WHERE target = ? AND given_up_utc IS NULL", (target,))[0][0])

    def waiting_for_s(self, target: str) -> float:
        """For how many seconds the oldest message that ``target`` has not taken has waited; 0.0 where none waits."""
        found = self._rows(
            "SELECT recorded_utc FROM outbox WHERE target = ? AND given_up_utc IS NULL ORDER BY seq LIMIT 1", (target,)
        )
        return max(0.0, self._utc() - found[0][0]) if found else 0.0

    def dead(self, target: str) -> int:
        """How many messages for ``target`` were given up and are kept."""
        return int(self._rows("SELECT count(*) FROM outbox WHERE target = ? AND given_up_utc IS NOT NULL", (target,))[0][0])

    def dropped(self, target: str) -> int:
        """How many messages for ``target`` were dropped since the start because its outbox was full."""
        with self._lock:
            return self._dropped.get(target, 0)

    def sent(self, target: str, seqs: Sequence[int]) -> None:
        """Forget messages that ``target`` has taken. Raises ``OutputWriteFailed``: then they are sent again."""
        places = ", ".join("?" * len(seqs))
        with self._lock, self._failures("written"):  # one statement is a transaction, and each one more waits for its turn
            gone = self._connection.execute(
                f"DELETE FROM outbox WHERE target = ? AND seq IN ({places})", (target, *seqs)
            ).rowcount
            if target in self._waiting:
                self._waiting[target] -= gone

    def failed(self, target: str, seq: int, reason: str, *, give_up: bool = False) -> None:
        """Note that sending a message failed; with ``give_up`` it becomes a dead letter, which is not sent again."""
        with self._transaction() as run:
            run("UPDATE outbox SET attempts = attempts + 1, reason = ? WHERE seq = ? AND target = ?", (reason, seq, target))
            given_up = self._give_up(run, target, "seq = ?", seq) if give_up else (0, 0)
        self._note_given_up(target, *given_up)

    def give_up(self, target: str, older_than_s: float, reason: str) -> int:
        """Make dead letters of all messages that have waited for longer than ``older_than_s`` seconds; how many they are."""
        with self._transaction() as run:
            before_utc = self._utc() - older_than_s
            run(
                "UPDATE outbox SET reason = ? WHERE target = ? AND given_up_utc IS NULL AND recorded_utc < ?",
                (reason, target, before_utc),
            )
            given_up = self._give_up(run, target, "recorded_utc < ?", before_utc)
        self._note_given_up(target, *given_up)
        return given_up[0]

    def _give_up(self, run: _Run, target: str, which: str, value: float) -> tuple[int, int]:
        """How many became dead letters, and how many older ones there is no room for any more."""
        given_up = run(
            f"UPDATE outbox SET given_up_utc = ? WHERE target = ? AND given_up_utc IS NULL AND {which}",
            (self._utc(), target, value),
        ).rowcount
        dropped = run(
            "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE target = ? AND given_up_utc IS NOT NULL"
            " ORDER BY seq DESC LIMIT -1 OFFSET ?)",
            (target, self._most_waiting),
        ).rowcount
        return given_up, dropped

    def _note_given_up(self, target: str, given_up: int, dropped: int) -> None:
        with self._lock:
            if target in self._waiting:
                self._waiting[target] -= given_up
        if dropped:
            log.warning(
                "the %d oldest dead letters of %s were dropped: there are %d newer ones",
                dropped,
                target,
                self._most_waiting,
                extra={"output": target},
            )

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each change that was recorded, in the thread that recorded it; it must not block."""
        with self._lock:
            self._listeners.append(listener)

    def close(self) -> None:
        """Close the file. Calls after it raise ``OutputWriteFailed``."""
        super().close()  # first: the last to close a file tidies up beside it, which one that only reads cannot
        with self._lock:
            self._connection.close()

    def _messages(self, where: str, target: str, limit: int) -> list[Message]:
        columns = "seq, key, kind, body, recorded_utc, attempts, reason"
        found = self._rows(f"SELECT {columns} FROM outbox WHERE {where} ORDER BY seq LIMIT ?", (target, limit))
        return [Message(*row) for row in found]

    @contextmanager
    def _transaction(self) -> Iterator[_Run]:
        with self._lock, self._failures("written"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends it by itself on a full disk
                    self._connection.execute("ROLLBACK")
                raise


def _open(path: Path) -> sqlite3.Connection:
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        prepare(connection, str(path))
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise ConfigError(f"cannot open the events in {path}: {error}", hint="give another folder") from error
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection
