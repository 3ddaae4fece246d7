"""A fleet of cameras on a real Ray cluster: machines that are nodes of this one, and kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from streamer.cluster.fleet import check_fleet
from streamer.config.live import load_run_config
from streamer.errors import ConfigError
from streamer.sources.probe import probe
from tests.cluster.machines import Machines
from tests.cluster.stamping import stamps
from tests.events.broker import free_port
from tests.media import ffmpeg
from tests.waiting import wait_until

WAIT_S = 240.0
PASSWORD = "hunter2secret"
slow = pytest.mark.slow
pytestmark = pytest.mark.timeout(600)


def streamer(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "streamer", *map(str, arguments)]


def known(cluster: Machines) -> dict[str, dict[str, Any]]:
    """What ``streamer status`` tells of each camera; nothing where there is no fleet."""
    done = subprocess.run(
        streamer("status", "--ray", cluster.address, "--json"), capture_output=True, text=True, check=False, timeout=WAIT_S
    )
    return {} if done.returncode else {each["name"]: each for each in json.loads(done.stdout)}


def killed(cluster: Machines, camera: str) -> dict[str, Any]:
    """What was known of the camera whose process is killed by now."""
    while True:
        seen = known(cluster)[camera]
        # It may have lost its lease meanwhile.
        with suppress(ProcessLookupError):
            os.kill(seen["pid"], signal.SIGKILL)
            return seen


def states(port: int) -> dict[str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=10) as answer:
            return {each["name"]: each["state"] for each in json.load(answer)["cameras"]}
    except (urllib.error.URLError, ConnectionError):
        return {}


@contextmanager
def running(config: Path, cluster: Machines, log: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    with (
        log.open("w", encoding="utf-8") as stderr,
        subprocess.Popen(
            streamer("run", config, "--ray", cluster.address, *more), stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as fleet,
    ):
        try:
            yield fleet
        finally:
            fleet.kill()


@slow
def test_a_fleet_runs_is_told_of_and_survives_the_death_of_a_camera(cluster: Machines, stamped: Path, tmp_path: Path) -> None:
    config, log, port = tmp_path / "fleet.yaml", tmp_path / "log", free_port()
    config.write_text(
        f"detector: tests.cluster.stamping:Stamping\ndefaults: {{record_annotated: {tmp_path}/recorded, cores: 0.5}}\n"
        "cameras: {gate: {source: 'test:'}, yard: {source: 'test:'}}\n",
        encoding="utf-8",
    )
    with running(config, cluster, log, "--metrics", str(port)) as fleet:

        def told() -> str:
            return log.read_text(encoding="utf-8")

        def all_run() -> bool:
            return states(port) == {"gate": "running", "yard": "running"}

        wait_until(lambda: all_run() or fleet.poll() is not None, WAIT_S, what=told)
        assert fleet.poll() is None, told()
        table = subprocess.run(streamer("status", "--ray", cluster.address), capture_output=True, text=True, check=True)
        assert "yard" in table.stdout
        second = subprocess.run(
            streamer("run", config, "--ray", cluster.address), capture_output=True, text=True, check=False, timeout=WAIT_S
        )
        assert (second.returncode, "a fleet runs on this cluster already" in second.stderr) == (2, True)
        gate = killed(cluster, "gate")
        assert gate["status"]["source"] == "test:"
        wait_until(lambda: f"gate: start {gate['starts'] + 1}" in told(), WAIT_S, what=told)
        wait_until(all_run, WAIT_S, what=told)
        fleet.send_signal(signal.SIGTERM)
        output, _ = fleet.communicate(timeout=WAIT_S)
    assert (fleet.returncode, output) == (0, "")
    # Three processes at least (on a machine that stands still a lease may be lost), each with a recording that plays.
    assert len({stamp.process for stamp in stamps(stamped)}) >= 3
    recorded = list((tmp_path / "recorded").glob("*.mp4"))
    assert len(recorded) >= 3
    for path in recorded:
        assert probe(str(path)).streams
    assert known(cluster) == {}


@slow
def test_a_password_is_in_no_log_of_ray_and_no_status(cluster: Machines, tmp_path: Path) -> None:
    config, log, port = tmp_path / "fleet.yaml", tmp_path / "log", free_port()
    config.write_text(
        "detector: tests.bright:Bright\ndefaults: {cores: 0.5}\n"
        f"cameras: {{gate: {{source: 'rtsp://admin:{PASSWORD}@127.0.0.1:{free_port()}/live'}}}}\n",
        encoding="utf-8",
    )
    with running(config, cluster, log, "--metrics", str(port)) as fleet:
        wait_until(
            lambda: "refuses the connection" in str(known(cluster)), WAIT_S, what=lambda: log.read_text(encoding="utf-8")
        )
        table = subprocess.run(streamer("status", "--ray", cluster.address), capture_output=True, text=True, check=True)
        told = table.stdout + table.stderr + str(known(cluster))
        # A crash is told of at length.
        killed(cluster, "gate")
        wait_until(lambda: "gate: start 2" in log.read_text(encoding="utf-8"), WAIT_S)
        names = b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
        fleet.send_signal(signal.SIGTERM)
        output, _ = fleet.communicate(timeout=WAIT_S)
    logs = {path: path.read_bytes() for path in cluster.logs.rglob("*") if path.is_file()}
    assert any(b"gate" in content for content in logs.values())
    assert [str(path) for path, content in logs.items() if PASSWORD.encode() in content] == []
    assert PASSWORD.encode() not in names
    assert PASSWORD not in told + output + log.read_text(encoding="utf-8")


@slow
def test_a_fleet_ends_with_its_sources(cluster: Machines, tmp_path: Path) -> None:
    config, log, clip = tmp_path / "fleet.yaml", tmp_path / "log", tmp_path / "clip.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=1", clip)
    config.write_text(
        f"detector: tests.bright:Bright\ndefaults: {{cores: 0.5, detections: '{tmp_path}/{{name}}.jsonl'}}\n"
        f"cameras: {{one: {{source: {clip}}}, other: {{source: {clip}}}}}\n",
        encoding="utf-8",
    )
    with running(config, cluster, log) as fleet:
        fleet.communicate(timeout=WAIT_S)
    assert fleet.returncode == 0, log.read_text(encoding="utf-8")
    for name in ("one", "other"):
        assert len((tmp_path / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()) == 12


@pytest.mark.parametrize(
    ("camera", "process", "told"),
    [
        ("source: 0", "", "is a device of one machine"),
        ("source: 'test:', show: true", "", "no window"),
        ("source: 'test:', events: events", "", "several cameras have their events in events"),
        ("source: 'test:'", "web: 8080", "shows the cameras of one process"),
    ],
)
def test_what_only_one_process_can_do_is_refused(tmp_path: Path, camera: str, process: str, told: str) -> None:
    config = tmp_path / "fleet.yaml"
    config.write_text(f"ray: auto\n{process}\ncameras:\n  a: {{{camera}}}\n  b: {{{camera}}}\n", encoding="utf-8")
    settings = load_run_config(config)
    with pytest.raises(ConfigError, match=told):
        check_fleet(settings.resolved(), settings)
