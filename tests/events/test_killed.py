"""What arrives when the process that delivers is killed again and again."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.events.receiver import Receiver, cut, lost_reply, receiver, status

__all__ = ["receiver"]

KILLS = 20


def start(path: Path, url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.events.sending_main", str(path), url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_keep_the_order(receiver: Receiver, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    chance = random.Random(19)
    recorded: list[str] = []
    for _ in range(KILLS):
        receiver.behaviours += chance.choices([status(500), status(503), cut, lost_reply], k=3)
        process = start(path, receiver.url)
        assert process.stdout is not None
        # The moment of the kill is counted in changes, not in seconds.
        recorded += [process.stdout.readline().strip() for _ in range(chance.randint(1, 40))]
        process.kill()
        recorded += [line.strip() for line in process.stdout if line.endswith("\n")]
        process.wait()
        process.stdout.close()
    last = start(path, receiver.url)
    assert last.stdout is not None
    last.stdout.readline()
    last.terminate()
    recorded += [line.strip() for line in last.stdout]
    last.stdout.close()
    assert last.wait(60) == 0

    arrived = list(dict.fromkeys(receiver.keys))
    assert not set(recorded) - set(arrived), "nothing that was recorded is lost"
    assert len(receiver.taken) > len(arrived), "what was taken but not noted came again, with its key"
    assert arrived == [key for key in keys_in(path) if key in set(arrived)], "in the order in which they were recorded"
    assert set(arrived) == set(keys_in(path))
    assert all(post.signed_with("s3cret") for post in receiver.taken)
    bodies: dict[str, bytes] = {}
    assert all(bodies.setdefault(post.key, post.body) == post.body for post in receiver.taken), "the same key, the same body"


def keys_in(path: Path) -> list[str]:
    """The key of every change of every event, in order: an event's changes follow each other in this program."""
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        events = connection.execute("SELECT id, changes FROM events ORDER BY rowid").fetchall()
    connection.close()
    return [f"{name}-{number + 1}" for name, changes in events for number in range(changes)]
