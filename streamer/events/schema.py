"""The tables of ``events.db``, and how an older file becomes a newer one.

``PRAGMA user_version`` holds the version. Version 1:

``events``
    One row for each event: what its last change said.

    ========== ======= ==================================================
    id         TEXT    ULID
    camera     TEXT    name of the camera
    kind       TEXT    ``new``, ``update`` or ``end``: the last change
    changes    INTEGER number of changes so far
    start_utc  REAL    seconds since 1970
    end_utc    REAL    the same; NULL while the event goes on
    body       TEXT    JSON of ``Event.as_json``
    ========== ======= ==================================================

``outbox``
    One row for each message that a target has not taken yet, and for each that was given up.

    ============ ======= ================================================
    seq          INTEGER order of the messages; never used twice
    target       TEXT    ``mqtt``, ``webhook`` or ``kafka``
    key          TEXT    idempotency key: event, dash, number of its change
    kind         TEXT    ``new``, ``update`` or ``end``
    body         TEXT    JSON: ``Event.as_json`` with ``key``
    recorded_utc REAL    when the event's change was written
    attempts     INTEGER how often sending it has failed
    reason       TEXT    why the last attempt failed; NULL before one did
    given_up_utc REAL    when it became a dead letter; NULL while it waits
    ============ ======= ================================================
"""

from __future__ import annotations

import sqlite3

from streamer.errors import ConfigError

VERSION = 1

_TABLES = """
CREATE TABLE events (
    id TEXT PRIMARY KEY,
    camera TEXT NOT NULL,
    kind TEXT NOT NULL,
    changes INTEGER NOT NULL,
    start_utc REAL NOT NULL,
    end_utc REAL,
    body TEXT NOT NULL
);
CREATE INDEX events_by_start ON events (start_utc);
CREATE INDEX events_open ON events (camera) WHERE end_utc IS NULL;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    recorded_utc REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    given_up_utc REAL
);
CREATE INDEX outbox_waiting ON outbox (target, seq) WHERE given_up_utc IS NULL;
CREATE INDEX outbox_given_up ON outbox (target, seq) WHERE given_up_utc IS NOT NULL;
"""


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Make the tables in a new file. Raises ``ConfigError`` for a file of a newer streamer, or one that holds other tables."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_new(connection, path):
            for statement in _TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def check_readable(connection: sqlite3.Connection, path: str) -> None:
    """Raises ``ConfigError`` for a file that holds no events, or those of a newer streamer."""
    if _is_new(connection, path):
        raise ConfigError(f"{path} is empty", hint="give another folder")


def _is_new(connection: sqlite3.Connection, path: str) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise ConfigError(
            f"{path} was written by a newer streamer: version {version}, this one knows {VERSION}",
            hint="update streamer, or give another folder",
        )
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        raise ConfigError(f"{path} is a database of something else", hint="give another folder")
    return bool(version == 0)
