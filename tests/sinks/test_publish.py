"""Publishing to real receivers: an RTSP relay, UDP, and peers that are silent, stall, or go away."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import av
import pytest

from streamer.errors import ConfigError
from streamer.runtime import tls as certificates
from streamer.sinks.output_timestamps import TICKS, OutputTimestamps
from streamer.sinks.publish import Publish, safe_name
from streamer.sinks.queued import Queued
from streamer.stages import OutputStatus
from tests.rtsp import PYTHON, why_not
from tests.sinks import moving
from tests.tls import Certificate, StartTls, certificate, tls
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

__all__ = ["certificate", "tls"]

WIDTH, HEIGHT = 320, 240
PREROLL = 8
"""The relay's first pictures are those that it found out with what to offer; those after them may lack what they build on."""


class Relay:
    """An RTSP server that can be killed and started again on its port."""

    def __init__(self, *options: str) -> None:
        self.port = 0
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        command = [PYTHON, str(Path(__file__).parents[1] / "rtsp_relay_main.py"), "--port", str(self.port), *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("READY"), line
        self.port = int(line.split()[1])

    def url(self, path: str, userinfo: str = "") -> str:
        return f"rtsp://{userinfo}127.0.0.1:{self.port}{path}"

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None


StartRelay = Callable[..., Relay]


@pytest.fixture
def relay() -> Iterator[StartRelay]:
    if reason := why_not():
        pytest.skip(reason)
    relays: list[Relay] = []

    def start(*options: str) -> Relay:
        relays.append(Relay(*options))
        return relays[-1]

    yield start
    for one in relays:
        one.kill()


class Line:
    """A camera that gives pictures at its rate, and an output."""

    def __init__(self, url: str, **settings: float | str) -> None:
        self.publish = Publish(
            url,
            moving.info(WIDTH, HEIGHT),
            **({"reconnect_initial_delay_s": 0.1, "reconnect_max_delay_s": 0.2} | settings),  # type: ignore[arg-type]  # settings of Publish
        )
        self.output = Queued(self.publish)
        self.idle = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def _feed(self) -> None:
        index = 0
        while not self._ended.wait(1 / moving.RATE):
            if self.idle:
                self.output.idle(self.idle)
            else:
                self.output.write(moving.item(index, WIDTH, HEIGHT))
            index += 1

    def status(self) -> OutputStatus:
        return self.output.status()

    def until(self, state: str) -> None:
        wait_until(lambda: self.status().state == state, what=lambda: f"{state}; it is {self.status()}")

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


@pytest.fixture
def line() -> Iterator[Callable[..., Line]]:
    lines: list[Line] = []

    def start(url: str, **settings: float | str) -> Line:
        lines.append(Line(url, **settings))
        return lines[-1]

    yield start
    for one in lines:
        one.stop()
        one.output.abandon()


StartLine = Callable[..., Line]


def play(url: str, frames: int, **options: str) -> list[av.VideoFrame]:
    """The next ``frames`` pictures of a stream."""
    played: list[av.VideoFrame] = []
    with av.open(url, options=options, timeout=(10, 10)) as container:
        for frame in container.decode(video=0):
            played.append(frame)
            if len(played) == frames:
                break
    return played


def from_key_frame(frames: list[av.VideoFrame]) -> list[av.VideoFrame]:
    """The pictures of a relay from the first whole one on."""
    first = next(index for index, frame in enumerate(frames) if index >= PREROLL and frame.key_frame)
    return frames[first:]


def assert_steady(frames: list[av.VideoFrame]) -> None:
    """The pictures follow each other, none missing, none twice."""
    seen = [moving.index_of(frame) for frame in frames]
    assert seen == [(seen[0] + index) % moving.GREYS for index in range(len(seen))]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp_published_and_played_back(relay: StartRelay, line: StartLine, transport: str) -> None:
    server = relay()
    camera = line(server.url("/in"), transport=transport, key_interval_s=0.5)
    camera.until("running")
    frames = play(server.url("/out"), 50, rtsp_transport="tcp")
    whole = from_key_frame(frames)
    assert len(whole) > 25
    assert_steady(whole)
    assert (frames[0].width, frames[0].height) == (WIDTH, HEIGHT)
    status = camera.status()
    assert status.frames > 40
    assert status.bytes > 1000
    camera.stop()
    camera.output.finish()
    assert camera.status().state == "ended"


def test_a_server_that_is_killed_is_found_again(relay: StartRelay, line: StartLine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = relay()
    camera = line(server.url("/in"), key_interval_s=0.5)
    camera.until("running")
    server.kill()
    camera.until("reconnecting")
    server.start()
    camera.until("running")
    assert_steady(from_key_frame(play(server.url("/out"), 40, rtsp_transport="tcp")))
    assert camera.publish.reconnects == 1
    said = [record.getMessage().split(": ", 1)[1] for record in caplog.records if record.name == "streamer.sinks.publish"]
    assert said[0] == "running"
    assert said[-1] == "running"
    assert len(said) <= 4, "a line for each change, none for each attempt"


def test_a_wrong_password_is_said_and_never_shown(relay: StartRelay, line: StartLine, caplog: pytest.LogCaptureFixture) -> None:
    server = relay("--user", "viewer", "--password", "right")
    camera = line(server.url("/in", "viewer:s3cret-Pa55@"))
    wait_until(lambda: camera.status().error == "user or password refused", what=f"a reason; {camera.status()}")
    camera.stop()
    camera.output.finish()
    assert "s3cret-Pa55" not in caplog.text + repr(camera.status()) + camera.publish.name
    right = line(server.url("/in", "viewer:right@"))
    right.until("running")


@pytest.mark.parametrize("scheme", ["rtsps", "rtmps"])
def test_a_certificate_that_is_not_trusted_is_said(relay: StartRelay, line: StartLine, tls: StartTls, scheme: str) -> None:
    port = tls(relay().port).port
    camera = line(f"{scheme}://127.0.0.1:{port}/in")
    wait_until(lambda: "certificate is not trusted" in camera.status().error, what=f"a reason; {camera.status()}")


@pytest.mark.parametrize("trusted", [True, False])
def test_publishes_over_tls(
    relay: StartRelay,
    line: StartLine,
    tls: StartTls,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,
) -> None:
    server = relay()
    url = f"rtsps://127.0.0.1:{tls(server.port).port}/in"
    monkeypatch.setattr(certificates, "_unchecked", set())
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    else:
        certificates.leave_unchecked(url)
    line(url).until("running")
    assert play(server.url("/out"), 5, rtsp_transport="tcp")


def test_a_path_that_is_not_there_is_said(relay: StartRelay, line: StartLine) -> None:
    camera = line(relay().url("/nowhere"))
    wait_until(lambda: camera.status().error == "no such path on the server", what=f"a reason; {camera.status()}")


def test_no_server_is_said(line: StartLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    camera = line(f"rtsp://127.0.0.1:{port}/in")
    wait_until(lambda: camera.status().error == "connection refused", what=f"a reason; {camera.status()}")


def test_a_silent_server_freezes_nothing_and_is_given_up_in_time(line: StartLine) -> None:
    """It accepts, and never answers: this thread goes on all the while, which FFmpeg in this process would not allow."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        camera = line(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/in", open_timeout_s=1.0)
        wait_until(lambda: camera.status().error == "no answer within 1 s", what=f"a reason; {camera.status()}")
        camera.until("reconnecting")
        camera.stop()
        camera.output.abandon()
    assert camera.status().state == "ended"


def test_a_stalled_server_is_let_go(relay: StartRelay, line: StartLine) -> None:
    """It takes no data any more: writing waits, the camera does not, and the end comes at once."""
    server = relay()
    camera = line(server.url("/in"), write_timeout_s=0.5)
    camera.until("running")
    server.send(signal.SIGSTOP)
    try:
        peer = camera.publish._peer
        assert peer is not None
        # The kernel takes megabytes before a connection stalls: fill the pipe as if it had.
        peer._process.send_signal(signal.SIGSTOP)
        camera.until("reconnecting")
        assert "takes no data" in camera.status().error or "no answer" in camera.status().error
    finally:
        server.send(signal.SIGCONT)
    camera.until("running")


def test_ends_at_once_while_a_write_waits(relay: StartRelay, line: StartLine) -> None:
    server = relay()
    camera = line(server.url("/in"), write_timeout_s=60.0)
    camera.until("running")
    peer = camera.publish._peer
    assert peer is not None
    peer._process.send_signal(signal.SIGSTOP)
    frames = camera.status().frames
    wait_until(lambda: camera.status().dropped > 20 and camera.status().frames >= frames, what="writing waits")
    camera.stop()
    camera.output.finish()
    assert camera.status().state == "ended"
    assert peer._process.poll() is not None


def test_mpeg_ts_over_udp(line: StartLine) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    camera = line(f"udp://127.0.0.1:{port}", key_interval_s=0.5)
    camera.until("running")
    frames = play(f"udp://127.0.0.1:{port}", 30, timeout="10000000")
    assert_steady(frames)
    times = [frame.time for frame in frames]
    gaps = [b - a for a, b in pairwise(times) if a is not None and b is not None]
    assert gaps == pytest.approx([1 / moving.RATE] * 29, abs=0.002)
    keys = [index for index, frame in enumerate(frames) if frame.key_frame]
    assert keys
    assert max(b - a for a, b in pairwise(keys)) <= 0.5 * moving.RATE


def test_viewers_are_told_while_no_frame_comes(line: StartLine) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    camera = line(f"udp://127.0.0.1:{port}", key_interval_s=0.5)
    wait_until(lambda: camera.status().frames > 10, what="some frames")
    camera.idle = "reconnecting, 12 s"
    frames = play(f"udp://127.0.0.1:{port}", 30, timeout="10000000")
    shown = frames[-1].to_ndarray(format="gray")
    corner, middle = shown[200:, :60], shown[105:135, 80:240]
    assert corner.max() < 100, "dimmed"
    assert middle.max() > 180, "with words"
    written = camera.status().frames
    camera.idle = ""
    wait_until(lambda: camera.status().frames > written + 10, what="frames again")


def test_a_peer_that_takes_nothing_back_leaves_no_process_and_no_descriptor(line: StartLine) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with socket.create_server(("127.0.0.1", 0)) as closing:
        url = f"rtsp://127.0.0.1:{closing.getsockname()[1]}/in"
        before = descriptors()
        camera = line(url)
        for _ in range(8):
            connection, _ = closing.accept()
            connection.close()
        camera.stop()
        camera.output.abandon()
        assert descriptors() == before
    assert camera.publish._peer is None


def test_addresses() -> None:
    assert safe_name("rtsp://u:secret@host/x") == "rtsp://u:***@host/x"
    assert safe_name("rtmp://live.example/app/stream-key") == "rtmp://live.example/app/***"
    for url in ("ftp://host/x", "host", "udp://"):
        with pytest.raises(ConfigError, match="cannot publish to"):
            Publish(url, moving.info())
    with pytest.raises(ConfigError, match="expected tcp or udp, got auto"):
        Publish("rtsp://host/x", moving.info(), transport="auto")


class TestPacing:
    def test_frames_keep_their_spacing_whatever_the_clock_does(self) -> None:
        timestamps = OutputTimestamps()
        placed = [timestamps.frame(5000 + 3000 * index, 100 + index / 30 + (index % 3) * 0.01) for index in range(10)]
        assert placed == [3000 * index for index in range(10)]

    def test_status_pictures_follow_the_clock_and_frames_go_on_after_them(self) -> None:
        timestamps = OutputTimestamps()
        timestamps.frame(0, 10.0)
        assert timestamps.idle(10.5) == TICKS // 2
        assert timestamps.idle(11.0) == TICKS
        assert timestamps.frame(2 * TICKS, 12.0) == 2 * TICKS

    def test_time_that_leaps_or_turns_back_is_caught(self) -> None:
        timestamps = OutputTimestamps()
        timestamps.frame(0, 10.0)
        assert timestamps.frame(10**9, 10.1) == TICKS // 10
        assert timestamps.frame(10**9 + 3000, 10.2) == TICKS // 10 + 3000
        assert timestamps.frame(5, 10.3) == pytest.approx(TICKS // 10 + 3000 + TICKS // 10, abs=1)

    def test_always_grows(self) -> None:
        timestamps = OutputTimestamps()
        assert [timestamps.frame(7, 0.0), timestamps.frame(7, 0.0), timestamps.idle(0.0), timestamps.frame(6, 0.0)] == [
            0,
            1,
            2,
            3,
        ]
