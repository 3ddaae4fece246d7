"""Cameras whose detector's server comes late, goes, and comes back with another model."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from streamer.config.live import CameraConfig, ProcessOptions
from streamer.detectors.remote.detector import RemoteDetector
from streamer.errors import ConfigError, DetectorAway
from streamer.live.detector_loading import DetectorLoader
from streamer.live.parts import Parts, PartsFactory
from streamer.live.shared_detector import SharedDetector
from streamer.perception.privacy import UNKNOWN
from tests.fakes import INFO, frame
from tests.media import Clip
from tests.serving.servers import ROOT, Scripted, Served, ServerProcess
from tests.waiting import PATIENCE_S, wait_until

LIVE = replace(INFO, live=True)


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def parts_of(camera: CameraConfig, spec: str) -> Iterator[tuple[SharedDetector, Parts]]:
    loader = DetectorLoader(ProcessOptions(detector=spec), 0.5)
    shared = SharedDetector(*loader.load_or_await(), load=loader.load_again, backoff=loader.backoff, cold=True)
    factory = PartsFactory(shared, ProcessOptions(detector=spec))
    factory.check(camera)
    yield shared, factory("gate", camera)
    shared.close(30.0)


def away() -> str:
    return f"kserve://127.0.0.1:{free_port()}/toy"


def test_without_the_server_frames_go_on_and_privacy_covers_them() -> None:
    camera = CameraConfig(source="0", classes=("cup",), privacy={"plate": "fill"})
    with parts_of(camera, away()) as (shared, parts):
        client = shared.client("gate")
        (item,) = parts.perception(client, LIVE).push(frame(0))
        wait_until(lambda: "does not answer" in client.error)
    assert not len(item.instances)
    assert item.cover == UNKNOWN


def test_a_recording_waits_for_no_server_that_is_away() -> None:
    with (
        parts_of(CameraConfig(source="a.mp4"), away()) as (shared, parts),
        pytest.raises(DetectorAway, match="does not answer"),
    ):
        parts.perception(shared.client("gate"), INFO)


def test_a_class_that_the_server_does_not_know_is_told_when_it_comes() -> None:
    camera = CameraConfig(source="0", classes=("person",))
    with (
        Served([Scripted()]) as server,
        pytest.raises(ConfigError, match="knows no class 'person'"),
        parts_of(camera, server.spec()),
    ):
        pass
    with parts_of(camera, away()) as (shared, parts), Served([Scripted()]) as server:
        shared.workers[0].detector = RemoteDetector(server.spec(), live=True)
        with pytest.raises(ConfigError, match="knows no class 'person'"):
            parts.perception(shared.client("gate"), LIVE)


def status(port: int) -> Any:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            return json.load(answer)
    except HTTPError as error:
        return json.load(error)
    except OSError:
        return {"sources": 0, "unhealthy": []}


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def classes(path: Path) -> Counter[str]:
    return Counter(one["class"] for line in lines(path) if line["type"] == "frame" for one in line["instances"])


@pytest.mark.slow
def test_cameras_start_without_the_server_and_take_over_another_model(tmp_path: Path) -> None:
    Clip(size="320x240", seconds=2).write(tmp_path / "in.mp4")
    metrics, port = free_port(), free_port()
    configuration = tmp_path / "run.yaml"
    configuration.write_text(
        f"""
detector: kserve://127.0.0.1:{port}/toy
metrics: 127.0.0.1:{metrics}
defaults: {{live: true, loop: true}}
cameras:
  gate: {{source: {tmp_path / "in.mp4"}, classes: [light], detections: {tmp_path / "gate.jsonl"}}}
  yard: {{source: {tmp_path / "in.mp4"}, detections: {tmp_path / "yard.jsonl"}}}
"""
    )
    command = [sys.executable, "-m", "streamer", "run", str(configuration)]
    checked = subprocess.run([*command, "--check"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert checked.returncode == 2
    assert checked.stderr.count("\n") == 1
    assert "does not answer" in checked.stderr
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: len(status(metrics)["unhealthy"]) == 2)
        wait_until(lambda: len(lines(tmp_path / "yard.jsonl")) > 10)
        assert "does not answer" in status(metrics)["unhealthy"][0]["reasons"][0]
        with ServerProcess("tests.bright:Everything", "--model-name", "toy", grpc_port=port):
            wait_until(lambda: classes(tmp_path / "gate.jsonl")["light"] > 10 and not status(metrics)["unhealthy"])
        wait_until(lambda: status(metrics)["unhealthy"])
        with ServerProcess("tests.bright:Renamed", "--model-name", "toy", grpc_port=port):
            wait_until(lambda: classes(tmp_path / "yard-2.jsonl")["cat"] > 10 and not status(metrics)["unhealthy"])
    finally:
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert "knows other classes than before" in said
    assert "Traceback" not in said
    assert set(classes(tmp_path / "yard.jsonl")) == {"light"}
    assert set(classes(tmp_path / "yard-2.jsonl")) == {"cat"}
    assert not classes(tmp_path / "gate-2.jsonl"), "the class light is now one that is not found"
    assert lines(tmp_path / "yard-2.jsonl")[0]["labels"] == {"1": "cat", "2": "light"}
