"""Handle of the subprocess that owns one muxer: it can be ended at once, whatever FFmpeg waits for in it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import av

from streamer.runtime import tls
from streamer.sinks import publish_worker

_SENT = publish_worker.SENT.encode()
_REASONS = {
    "HTTPUnauthorizedError": "user or password refused",
    "HTTPForbiddenError": "publishing there is forbidden",
    "HTTPNotFoundError": "no such path on the server",
    "ConnectionRefusedError": "connection refused",
    "ConnectionResetError": "connection closed by the other side",
    "BrokenPipeError": "connection closed by the other side",
    "TimeoutError": "no answer in time",
    "SSLCertVerificationError": "its certificate is not trusted; SSL_CERT_FILE=certificate.pem trusts it, --insecure all",
    "InvalidDataError": "no answer in time, or one that makes no sense",
}


class ConnectionGone(Exception):
    """The connection does not come about, or is lost; the message says why, and may hold the address."""


class Interrupted(Exception):
    """``interrupt`` was called."""


class PublishProcess:
    """One connection of one published stream, in a process of its own (see ``publish_worker`` for why).

    Connects with the first packet. Used by one thread, but for :meth:`interrupt`; ends with :meth:`close`, which never
    takes longer than its ``grace_s``.
    """

    def __init__(
        self,
        url: str,
        form: str,
        options: dict[str, str],
        size: tuple[int, int],
        *,
        open_timeout_s: float,
        write_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connected = False
        """Whether the other side has accepted the stream."""
        self.backlog = 0
        """Packets handed over that were not sent yet; brought up to date by :meth:`check`."""
        self._clock = clock
        self._write_timeout_s = write_timeout_s
        self._open_timeout_s = open_timeout_s
        self._deadline = clock() + open_timeout_s
        self._said = b""
        self._interrupted = False
        self._lock = threading.Lock()
        self._closed = False
        self._wake_in, self._wake_out = os.pipe()
        os.set_blocking(self._wake_out, False)
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(publish_worker.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            # Ctrl-C on the terminal is ours to obey: the process ends when its standard input does.
            start_new_session=True,
        )
        self._stdin, self._stdout = _pipe(self._process.stdin), _pipe(self._process.stdout)
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe.fileno(), False)
        request = json.dumps(
            {
                "url": url,
                "format": form,
                "options": options,
                "width": size[0],
                "height": size[1],
                # The process's own last resort, should nobody be left here to end it.
                "trust": (*server, tls.ca_file()) if (server := tls.server_of(url)) and tls.checked(url) else None,
                "timeout_s": max(1, round(2 * max(open_timeout_s, write_timeout_s))),
            }
        ).encode()
        self._greeting = publish_worker.REQUEST_HEAD.pack(len(request)) + request

    def send(self, packet: av.Packet[av.VideoStream], pts: int, dts: int) -> int:
        """Hand over one packet, waiting for room; the bytes of it. Raises ``ConnectionGone``, ``Interrupted``."""
        head = publish_worker.PACKET_HEAD.pack(packet.size, pts, dts, packet.is_keyframe)
        if not self.backlog and self.connected:
            self._deadline = self._clock() + self._write_timeout_s
        self.backlog += 1
        waiting = memoryview(self._greeting + head + bytes(packet))
        self._greeting = b""
        poller = select.poll()
        poller.register(self._wake_in, select.POLLIN)
        poller.register(self._stdin.fileno(), select.POLLOUT)
        poller.register(self._stdout.fileno(), select.POLLIN)
        while waiting:
            self.check()
            if self._interrupted:
                raise Interrupted
            poller.poll(1e3 * max(0.0, self._deadline - self._clock()) + 1)
            try:
                waiting = waiting[os.write(self._stdin.fileno(), waiting) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                self._raise_gone()
        return packet.size

    def check(self) -> bool:
        """Whether the connection stands, without waiting. Raises ``ConnectionGone`` when it is lost, or refused."""
        with contextlib.suppress(BlockingIOError):
            heard = os.read(self._stdout.fileno(), 65536)
            self._said += heard
            if not heard:
                self._raise_gone()
        now = self._clock()
        if taken := self._said.count(_SENT):
            self._said = self._said.replace(_SENT, b"")
            self.backlog -= taken
            self.connected = True
            self._deadline = now + self._write_timeout_s
        if self._said.endswith(b"\n"):
            self._raise_gone()
        if now > self._deadline and not self.connected:
            raise ConnectionGone(f"no answer within {self._open_timeout_s:g} s")
        if now > self._deadline and self.backlog:
            raise ConnectionGone(f"it takes no data any more (waited {self._write_timeout_s:g} s)")
        return self.connected

    def interrupt(self) -> None:
        """From any thread: let a waiting :meth:`send`, and all later ones, raise ``Interrupted``."""
        self._interrupted = True
        with self._lock, contextlib.suppress(BlockingIOError):  # full: it was told often enough
            if not self._closed:
                os.write(self._wake_out, b"!")

    def close(self, grace_s: float = 0.0) -> None:
        """Say goodbye to the other side for at most ``grace_s``, then end the process."""
        self._stdin.close()
        if grace_s > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        self._process.kill()
        self._process.wait()
        self._stdout.close()
        with self._lock:
            self._closed = True
            for pipe in (self._wake_in, self._wake_out):
                os.close(pipe)

    def _raise_gone(self) -> None:
        """Say why the process has ended, or is about to."""
        try:
            code = self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            code = 0
        with contextlib.suppress(BlockingIOError):
            while heard := os.read(self._stdout.fileno(), 65536):
                self._said += heard
        for line in reversed(self._said.splitlines()):
            said = json.loads(line)
            if "failed" in said:
                raise ConnectionGone(_REASONS.get(said["failed"], said["text"]))
        raise ConnectionGone("no answer in time" if code == -signal.SIGALRM else f"the sending process ended (code {code})")


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ConnectionGone("no pipe to the sending process")
    return pipe
