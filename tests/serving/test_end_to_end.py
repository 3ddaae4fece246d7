"""A recording annotated by a detector that is served in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.media import Clip, ffmpeg
from tests.serving.servers import ROOT, ServerProcess
from tests.waiting import PATIENCE_S, wait_until


def streamer(*arguments: str, **environment: str) -> str:
    """What a command says on both streams; it has to succeed."""
    command = [sys.executable, "-m", "streamer", *arguments]
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **environment}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=4 * PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def found(records: Path) -> list[Any]:
    """The objects of each frame."""
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    return [line["instances"] for line in lines if line["type"] == "frame"]


@pytest.mark.slow
def test_a_recording_gets_the_same_records_and_shows_no_token(tmp_path: Path) -> None:
    lamp = "drawbox=x=50:y=50:w=60:h=40:color=white:t=fill"
    Clip(size="320x240", seconds=2, filters=lamp).write(tmp_path / "in.mp4")
    common = ("annotate", str(tmp_path / "in.mp4"), "-o", str(tmp_path / "out.mp4"), "--overwrite", "--detections")
    streamer(*common, str(tmp_path / "here.jsonl"), "--detector", "tests.bright:Bright")
    with ServerProcess("tests.bright:Bright", "--token", "s3same-door") as server:
        said = ""
        for name, spec in (("grpc", server.grpc), ("http", server.http)):
            with_token = spec.replace("://", "://${DOOR}@")
            said += streamer(*common, str(tmp_path / f"{name}.jsonl"), "--detector", with_token, DOOR="s3same-door")
            said += streamer("models", "check", with_token, DOOR="s3same-door")
            assert found(tmp_path / f"{name}.jsonl") == found(tmp_path / "here.jsonl")
    assert len(found(tmp_path / "here.jsonl")) == 50
    assert all(len(objects) == 1 for objects in found(tmp_path / "here.jsonl"))
    written = "".join(path.read_bytes().decode("latin-1") for path in tmp_path.glob("*") if path.is_file())
    assert "s3same" not in said + written


@pytest.mark.slow
def test_a_recording_gets_the_same_records_when_the_process_of_one_device_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DIED", "TOLD"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "TOLD").touch()
    scenes = "testsrc2=s=128x64:r=10:d=1[a];color=white:s=128x64:r=10:d=2[b];[a][b]concat,format=yuv420p"
    ffmpeg("-f", "lavfi", "-i", scenes, tmp_path / "in.mp4")
    common = ("annotate", str(tmp_path / "in.mp4"), "-o", str(tmp_path / "out.mp4"), "--overwrite", "--detections")
    streamer(*common, str(tmp_path / "here.jsonl"), "--detector", "tests.bright:Bright")
    with ServerProcess("tests.archive.deadly:DiesOnce", "--device", "cuda:0,1") as server:
        for protocol, spec in (("grpc", server.grpc), ("http", server.http)):
            (tmp_path / "DIED").unlink(missing_ok=True)
            streamer(*common, str(tmp_path / f"{protocol}.jsonl"), "--detector", spec)
            assert (tmp_path / "DIED").exists()
            assert found(tmp_path / f"{protocol}.jsonl") == found(tmp_path / "here.jsonl")
            wait_until(lambda: status(server)["failed_detectors"] == "")
            assert status(server)["requests"][protocol]["failed"] == 0


def status(server: ServerProcess) -> Any:
    with urlopen(f"http://127.0.0.1:{server.http_port}/status", timeout=PATIENCE_S) as answer:  # our own
        return json.load(answer)
