"""The commands as people run them: real processes, a real RTSP server, real files, and a search for passwords in all of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.sinks.records import read_records
from tests.display import VirtualDisplay, why_not
from tests.proxy import bunching
from tests.rtsp import PASSWORD, USER, StartServer, rtsp_server
from tests.runtime.test_log import restore_logging
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

__all__ = ["restore_logging", "rtsp_server"]

ROOT = Path(__file__).parents[2]
SECRETS = ("s3cret/Pa55@#?:%20 x", "hunter2/publish #1", "hunter2?away @x", "hunter2-query")
TRACES = (PASSWORD, "s3cret", "Pa55", "hunter2")
"""Parts of them, in whatever encoding."""
DETECTOR = "tests.fakes:FakeDetector"


def closed_port() -> int:
    """A port that refuses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """``streamer …`` as a process of its own, its log in a file."""

    cwd = ROOT

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        self.log_path = folder / "log.txt"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamer", *arguments],
                cwd=self.cwd,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8")

    def url(self) -> str:
        """Where its side door is, as its log says."""
        wait_until(lambda: "metrics at" in self.log or self.process.poll() is not None, 60)
        found = re.search(r"metrics at (http://[^/]+)/", self.log)
        assert found, self.log
        return found[1]

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(self.url() + path, timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    def cameras(self) -> dict[str, dict[str, Any]]:
        return {camera["name"]: camera for camera in json.loads(self.get("/status"))["cameras"]}

    def wait(self, timeout_s: float = 20.0) -> int:
        return self.process.wait(timeout_s)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


@pytest.fixture
def started() -> Iterator[list[Process]]:
    processes: list[Process] = []
    yield processes
    for process in processes:
        process.end()


def assert_plays(path: Path) -> int:
    """Frames of a video file, as counted by ffprobe."""
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not here: install ffmpeg")
    command = ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-of", "csv=p=0"]
    command += ["-show_entries", "stream=nb_read_frames", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert not checked.stderr
    return int(checked.stdout.strip().strip(","))


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        for secret in TRACES:
            assert secret not in text, f"…{text[max(0, text.index(secret) - 200) : text.index(secret) + 50]}…"


def test_a_wall_of_cameras_from_start_to_end_with_one_that_dies(
    tmp_path: Path, rtsp_server: StartServer, started: list[Process]
) -> None:
    server = rtsp_server("--size", "320x240", "--password", SECRETS[0], auth="digest")
    away, target = closed_port(), closed_port()
    config = tmp_path / "wall.yaml"
    config.write_text(
        f"""\
detector: {DETECTOR}
metrics: 0
log_format: json
defaults:
  record_annotated: {tmp_path}/recordings
  segment: 600
  detections: "{tmp_path}/records/{{name}}.jsonl"
  open_timeout: 2
  read_timeout: 2
cameras:
  gate:
    source: {server.url(user=USER, password="${GATE}")}
    transport: tcp
    publish: rtsp://viewer:${{PUBLISH}}@127.0.0.1:{target}/gate
  door:
    source: "lavfi:testsrc2=size=320x240:rate=25"
  away:
    source: rtsp://viewer:${{AWAY}}@127.0.0.1:{away}/1?token=${{QUERY}}
""",
        encoding="utf-8",
    )
    secrets = {"GATE": SECRETS[0], "PUBLISH": SECRETS[1], "AWAY": SECRETS[2], "QUERY": SECRETS[3]}
    process = Process(tmp_path, "run", str(config), **secrets)
    started.append(process)
    texts = []

    wait_until(lambda: all(process.cameras()[name]["frames_out"] > 30 for name in ("gate", "door")), 60)
    wait_until(lambda: "connection refused" in process.get("/healthz"))
    unhealthy = {camera["source"]: camera["reasons"] for camera in json.loads(process.get("/healthz"))["unhealthy"]}
    assert set(unhealthy) == {"gate", "away"}
    assert unhealthy["gate"][0].startswith(f"rtsp://viewer:***@127.0.0.1:{target}/gate: "), "its target is away"
    assert "refuses the connection" in unhealthy["away"][0]
    assert "refuses the connection" in process.cameras()["away"]["reason"]
    metrics = process.get("/metrics")
    assert 'streamer_source_state{source="gate",state="running"} 1.0' in metrics
    assert 'streamer_source_state{source="away",state="starting"} 1.0' in metrics
    assert re.search(rf'streamer_output_state{{output="rtsp://viewer:\*\*\*@127\.0\.0\.1:{target}/gate"', metrics)
    texts += [metrics, process.get("/status"), process.get("/healthz")]

    server.kill()
    wait_until(lambda: process.cameras()["gate"]["state"] == "reconnecting", 20)
    before = process.cameras()["door"]["frames_out"]
    wait_until(lambda: process.cameras()["door"]["frames_out"] > before + 25, 20)
    assert process.cameras()["door"]["state"] == "running"
    texts += [process.get("/metrics"), process.get("/status"), process.get("/healthz")]
    server.start()
    wait_until(lambda: process.cameras()["gate"]["state"] == "running", 30)
    assert process.cameras()["gate"]["reconnects"] == 1

    process.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "nothing is reloaded" in process.log)
    texts.append(Path(f"/proc/{process.process.pid}/cmdline").read_text(encoding="utf-8"))
    process.process.send_signal(signal.SIGTERM)
    assert process.wait() == 0

    log = [json.loads(line) for line in process.log.splitlines()]
    states = [(entry["source"], entry["state"]) for entry in log if "state" in entry and "source" in entry]
    assert states.count(("gate", "reconnecting")) == 1
    assert states.count(("gate", "running")) == 2
    assert states.count(("door", "running")) == 1
    for entry in log:
        if "captured" in entry["message"]:
            counts = [int(number) for number in re.findall(r"\d+", entry["message"].partition("(")[2])]
            assert counts[0] == sum(counts[1:]), entry["message"]

    recordings = sorted((tmp_path / "recordings").iterdir())
    assert {path.name.partition("-")[0] for path in recordings} == {"gate", "door"}
    for path in recordings:
        assert assert_plays(path) > 25
    for name in ("gate", "door"):
        records = list(read_records(tmp_path / "records" / f"{name}.jsonl"))
        assert [records[0]["type"], records[-1]["type"]] == ["stream", "end"]
        assert len(records) > 25
    texts += [process.log, *(str(path) for path in tmp_path.rglob("*"))]
    texts += [path.read_text(encoding="utf-8") for path in (tmp_path / "records").iterdir()]
    assert_no_secret(*texts)


def test_frames_that_come_in_bunches_are_all_recorded(tmp_path: Path, rtsp_server: StartServer, started: list[Process]) -> None:
    server = rtsp_server()
    with bunching(server.port, 0.4) as port:
        arguments = ["live", f"rtsp://127.0.0.1:{port}/test", "--transport", "tcp", "--detector", DETECTOR, "--metrics", "0"]
        arguments += ["-o", f"{tmp_path}/o.mp4", "--record-annotated", f"{tmp_path}/rec", "--detections", f"{tmp_path}/d.jsonl"]
        process = Process(tmp_path, *arguments)
        started.append(process)
        wait_until(lambda: all(camera["frames_in"] > 90 for camera in process.cameras().values()), 60)
        process.process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    captured = re.search(r"ended \((\d+) captured, \d+ recorded or shown, dropped: none\)", process.log)
    assert captured, process.log
    frames = int(captured[1])
    assert assert_plays(tmp_path / "o.mp4") == frames
    assert sum(map(assert_plays, (tmp_path / "rec").iterdir())) == frames
    assert sum(line["type"] == "frame" for line in read_records(tmp_path / "d.jsonl")) == frames


def test_live_ends_at_the_first_signal_with_playable_files(tmp_path: Path, started: list[Process]) -> None:
    arguments = [
        "live",
        "lavfi:testsrc2=size=320x240:rate=25",
        "--detector",
        DETECTOR,
        "--metrics",
        "127.0.0.1:0",
        "--no-follow",
    ]
    arguments += ["-o", str(tmp_path / "out.mp4"), "--record-annotated", str(tmp_path / "segments")]
    process = Process(tmp_path, *arguments)
    started.append(process)
    wait_until(lambda: next(iter(process.cameras().values()))["frames_out"] > 30, 60)
    process.process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert assert_plays(tmp_path / "out.mp4") > 25
    (segment,) = (tmp_path / "segments").iterdir()
    assert assert_plays(segment) > 25


@pytest.mark.parametrize(("where", "state"), [("load", "starting"), ("warm_up", "running"), ("call 1", "running")])
def test_the_health_tells_of_a_detector_that_takes_long_and_a_signal_ends_it(
    where: str, state: str, tmp_path: Path, started: list[Process]
) -> None:
    times = tmp_path / "streamer" / "usual-times.json"
    times.parent.mkdir()
    times.write_text('{"tests.bright:Slow": {"warm_up": 300, "call": 100}}')
    source = "lavfi:testsrc2=size=320x240:rate=25"
    arguments = ["live", source, "--detector", "tests.bright:Slow", "--metrics", "127.0.0.1:0", "-o", str(tmp_path / "out.mp4")]
    process = Process(tmp_path, *arguments, SLOW_AT=where, XDG_CACHE_HOME=str(tmp_path))
    started.append(process)

    def as_expected() -> bool:
        (camera,) = process.cameras().values()
        frames = camera["frames_out"] > 30 and camera["awaiting"].startswith("first result in about ")
        return bool(camera["state"] == state and camera["problems"] and (where == "load" or frames))

    wait_until(as_expected, 60, what=lambda: process.get("/status"))
    process.process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert "Traceback" not in process.log
    if where != "load":
        assert "first result in about" in process.log
        assert assert_plays(tmp_path / "out.mp4") > 25


@pytest.mark.parametrize("how", ["key", "close button"])
def test_the_window_ends_the_run_and_its_files_are_whole(tmp_path: Path, started: list[Process], how: str) -> None:
    if reason := why_not():
        pytest.skip(reason)
    display = VirtualDisplay()
    try:
        arguments = ["live", "test:", "--detector", DETECTOR, "--show", "--metrics", "127.0.0.1:0"]
        process = Process(tmp_path, *arguments, "-o", str(tmp_path / "out.mp4"), **display.environ)
        started.append(process)
        wait_until(lambda: next(iter(process.cameras().values()))["frames_out"] > 10, 60)
        window = display.window("test:")
        if how == "key":
            display.press(window, "q")
        else:
            display.press_close_button(window)
        assert process.wait() == 0, process.log
        assert assert_plays(tmp_path / "out.mp4") > 10
    finally:
        display.stop()


def test_a_recording_is_worked_on_frame_by_frame_and_ends_by_itself(tmp_path: Path, started: list[Process]) -> None:
    clip = tmp_path / "clip.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=3", str(clip)]
    subprocess.run(command, check=True)
    process = Process(tmp_path, "live", str(clip), "--detector", DETECTOR, "-o", str(tmp_path / "out.mp4"))
    started.append(process)
    assert process.wait(60) == 0, process.log
    assert assert_plays(tmp_path / "out.mp4") == 75


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["live", "/nowhere/clip.mp4", "-o", "x.mp4"], 2, "/nowhere/clip.mp4"),
        (["live", "rtsp://u:hunter2-away@127.0.0.1:{port}/x", "-o", "x.mp4", "--open-timeout", "2"], 1, "127.0.0.1"),
        (["live", "gopher://u:hunter2-away@h/", "-o", "x.mp4"], 2, "unknown scheme"),
        (["live", "test:", "--show"], 2, "cannot show a window"),
        (["live", "test:"], 2, "cannot show a window"),
        (["live", "test:", "--metrics", "no"], 2, "expected PORT or ADDRESS:PORT"),
        (["live", "test:", "--transport", "tpc"], 2, "did you mean 'tcp'"),
        (["live", "test:", "-o", "x.mp4", "--classes", "persn"], 2, "did you mean 'person'"),
        (["live"], 2, "source: missing"),
        (["live", "test:", "-o", "x.mp4", "--keep-gb", "3"], 2, "need record"),
        (["live", "test:", "--publish", "gopher://u:hunter2-publish@h/"], 2, "gopher"),
        (["run", "/nowhere/wall.yaml"], 2, "/nowhere/wall.yaml"),
        (["config", "schema", "rum"], 2, "did you mean 'run'"),
    ],
)
def test_mistakes_end_in_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    port = closed_port()
    arguments = [argument.replace("{port}", str(port)).replace("x.mp4", str(tmp_path / "x.mp4")) for argument in arguments]
    if arguments[0] == "live":
        arguments += ["--detector", DETECTOR]
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert_no_secret(result.output)
    assert not list(tmp_path.iterdir())


def test_the_traceback_of_debug_shows_no_password(tmp_path: Path, started: list[Process]) -> None:
    address = f"rtsp://u:hunter2-away@127.0.0.1:{closed_port()}/x"
    process = Process(tmp_path, "live", address, "-o", str(tmp_path / "x.mp4"), "--detector", DETECTOR, "--debug")
    started.append(process)
    assert process.wait(60) == 1, process.log
    assert "Traceback" in process.log
    assert process.log.splitlines()[-1].startswith("error: ")
    assert_no_secret(process.log)
    assert [path.name for path in tmp_path.iterdir()] == ["log.txt"]


def test_check_opens_nothing(tmp_path: Path) -> None:
    # Without its window, which is refused where there is no display.
    config = tmp_path / "wall.yaml"
    config.write_text((ROOT / "configs" / "wall.yaml").read_text().replace("show: true", "show: false"))
    result = CliRunner().invoke(app, ["run", "--check", str(config)], env={"CAMERA_PASSWORD": SECRETS[0]})
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "gate: rtsp://viewer:***@192.0.2.10/stream1 (live), weight 2, record, detections"
    assert len(lines) == 4
    assert_no_secret(result.output)


def test_the_schema_is_printed_as_json() -> None:
    result = CliRunner().invoke(app, ["config", "schema"])
    assert result.exit_code == 0, result.output
    assert "cameras" in json.loads(result.stdout)["properties"]
