"""What arrives when sender, broker and receiver are killed at random moments, and the disk is full now and then.

    python -m benchmarks.kills [--kills 50] [--seed 19]

A program records events and delivers them to a real mosquitto and to a webhook receiver, each a process of its own. One of the
three is killed (SIGKILL) after a random pause, and started again; the receiver also answers 500, or cuts the connection after
it took a message. For root the events lie on a file system of 16 MB, which is filled up every tenth time. In the end each
recorded change has to have arrived at each target, in the order in which it was recorded, with the same key and the same text
each time. Ends with 1 where that does not hold.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

from tests.events.broker import Mosquitto, Subscriber, free_port
from tests.events.sending_main import CAMERAS, SECRET
from tests.waiting import wait_until

Arrived = list[tuple[str, str]]
"""Key and text of each message, in the order in which they came."""


class Part(Protocol):
    """What is killed and started again."""

    def start(self) -> None: ...

    def kill(self) -> None: ...


class Sender:
    """The program that records and sends; what it said that it recorded."""

    def __init__(self, database: Path, url: str, broker_port: int) -> None:
        self._command = [sys.executable, "-m", "tests.events.sending_main", str(database), url]
        self._command += ["--mqtt", str(broker_port), "--pause", "0.004"]
        self.recorded: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._reader = threading.Thread(target=self._read, args=(self._process,))
        self._reader.start()
        count = len(self.recorded)
        wait_until(lambda: len(self.recorded) > count)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("\n"):
                self.recorded.append(line.strip())

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def finish(self) -> None:
        """It makes no more events, sends what waits, and ends."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or self._reader is None:
            return
        process.send_signal(number)
        process.wait(300)
        self._reader.join()
        assert process.stdout is not None
        process.stdout.close()


class Receiver:
    """A webhook receiver in a process of its own, which notes each message before it answers."""

    def __init__(self, notes: Path) -> None:
        self.port, self._notes = free_port(), notes
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self) -> None:
        command = [sys.executable, "-m", "benchmarks.kills", "--receive", str(self.port), str(self._notes)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def arrived(self) -> Arrived:
        lines = [line for line in self._notes.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
        return [(said["key"], said["body"]) for said in map(json.loads, lines)]


def receive(port: int, notes: Path) -> None:
    """The receiver's process."""
    chance = random.Random()
    with notes.open("a", encoding="utf-8") as file:

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signed = hmac.new(SECRET.encode(), f"{self.headers['X-Timestamp']}.".encode() + body, hashlib.sha256)
                good = hmac.compare_digest(f"sha256={signed.hexdigest()}", self.headers["X-Signature"])
                code = 401 if not good else chance.choices([200, 500], [0.95, 0.05])[0]
                if code == 200:
                    file.write(json.dumps({"key": self.headers["Idempotency-Key"], "body": body.decode()}) + "\n")
                    file.flush()
                if chance.random() < 0.03:
                    self.close_connection = True
                    return
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        print("ready", flush=True)
        server.serve_forever()


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """``folder`` becomes a file system of 16 MB, where this process may mount one. Whether it did."""
    if os.geteuid() != 0:
        yield False
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "streamer-kills", str(folder)], check=True)
    try:
        yield True
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, seconds: float) -> None:
    """Leave no room at all for a while."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (65_536, 4_096, 1):
                with_room = True
                while with_room:
                    try:
                        with_room = file.write(bytes(size)) == size
                    except OSError:
                        with_room = False
        time.sleep(seconds)
    finally:
        filler.unlink(missing_ok=True)


def wrong_with(name: str, recorded: Sequence[str], in_file: Sequence[str], arrived: Arrived) -> list[str]:
    """What does not hold, in words. Prints what was counted."""
    first: dict[str, str] = {}
    other_text = [key for key, body in arrived if first.setdefault(key, body) != body]
    print(f"{name:8} {len(arrived):6} messages of {len(first)} changes came, {len(arrived) - len(first)} repeated", flush=True)
    found = []
    if lost := set(recorded) - first.keys():
        found.append(f"{name}: {len(lost)} of {len(recorded)} recorded changes never came")
    if list(first) != [key for key in in_file if key in first]:
        found.append(f"{name}: not in the order of the file")
    for camera in CAMERAS:
        kinds: dict[str, list[str]] = {}
        for body in first.values():
            said = json.loads(body)
            if said["camera"] == camera:
                kinds.setdefault(said["id"], []).append(said["kind"])
        if bad := [each for each in kinds.values() if each != ["new", "update", "end"][: len(each)]]:
            found.append(f"{name}, {camera}: changes of an event in the order {bad[0]}")
    if other_text:
        found.append(f"{name}: {len(other_text)} keys came with another text")
    return found


def keys_in(database: Path) -> tuple[list[str], int]:
    """The keys of all changes in the file, in order, and how many messages still wait; the file is whole."""
    connection = sqlite3.connect(database)
    (whole,) = connection.execute("PRAGMA integrity_check").fetchone()
    if whole != "ok":
        raise RuntimeError(f"{database}: {whole}")
    events = connection.execute("SELECT id, changes FROM events ORDER BY rowid").fetchall()
    (waiting,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
    connection.close()
    return [f"{name}-{number + 1}" for name, changes in events for number in range(changes)], waiting


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=19)
    parser.add_argument("--receive", nargs=2, metavar=("PORT", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        receive(int(options.receive[0]), Path(options.receive[1]))
    chance, begun = random.Random(options.seed), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder, disk = Path(name), Path(name, "disk")
        disk.mkdir()
        with small_disk(disk) as small:
            database = disk / "events.db"
            broker, receiver = Mosquitto(folder), Receiver(folder / "notes.jsonl")
            sender = Sender(database, receiver.url, broker.port)
            parts: dict[str, Part] = {"broker": broker, "receiver": receiver, "sender": sender}
            broker.start()
            receiver.start()
            subscriber = Subscriber(broker.port)
            killed = dict.fromkeys(parts, 0)
            full = 0
            try:
                sender.start()
                for number in range(options.kills):
                    time.sleep(chance.uniform(0.05, 0.8))
                    if small and number % 10 == 9:
                        fill(disk, 1.0)
                        full += 1
                    which = list(parts)[number % 3]
                    parts[which].kill()
                    killed[which] += 1
                    time.sleep(chance.uniform(0.0, 0.5))
                    parts[which].start()
                sender.finish()
                in_file, waiting = keys_in(database)
                wait_until(lambda: set(sender.recorded) <= {key for key, _ in told(subscriber)}, 60)
            except AssertionError as error:
                print(error)
            finally:
                for part in parts.values():
                    part.kill()
                subscriber.close()
            said = ", ".join(f"{part} {count}" for part, count in killed.items())
            print(f"killed {options.kills} times ({said}), disk full {full} times, {time.monotonic() - begun:.0f} s")
            print(f"{len(sender.recorded)} changes were recorded and said so, {len(in_file)} are in the file")
            wrong = wrong_with("webhook", sender.recorded, in_file, receiver.arrived())
            wrong += wrong_with("mqtt", sender.recorded, in_file, told(subscriber))
            wrong += [f"{waiting} messages still wait"] if waiting else []
    print("\n".join(wrong) or "nothing lost, in order, the same key and text each time")
    return 1 if wrong else 0


def told(subscriber: Subscriber) -> Arrived:
    """The events that a subscriber got."""
    bodies = [body.decode() for topic, body, _ in list(subscriber.got) if topic.endswith("/events")]
    return [(json.loads(body)["key"], body) for body in bodies]


if __name__ == "__main__":
    sys.exit(main())
