"""``--record`` as a user runs it: nothing is decoded, nothing is lost, and every file plays after a kill."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.camera import RATE, MakeCamera, make_camera, recorded
from tests.live.test_end_to_end import DETECTOR, Process, assert_plays, started
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

__all__ = ["make_camera", "started"]


def frames(process: Process) -> int:
    outputs = next(iter(process.cameras().values()))["outputs"]
    return int(outputs[0]["frames"]) if outputs else 0


def assert_without_gap(numbers: list[int]) -> None:
    assert numbers
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_without_another_output_no_detector_is_loaded_and_a_kill_leaves_what_plays(
    tmp_path: Path, make_camera: MakeCamera, started: list[Process]
) -> None:
    camera = make_camera(sound="aac", gop=RATE)
    folder = tmp_path / "files"
    # This detector cannot be loaded: it would have to be downloaded from nowhere.
    detector = ["--detector", "hub:http://127.0.0.1:9/none"]
    process = Process(tmp_path, "live", camera.url, "--record", str(folder), "--segment", "2", "--metrics", "0", *detector)
    started.append(process)
    wait_until(lambda: frames(process) > 5 * RATE, 60)
    (status,) = process.cameras().values()
    assert status["state"] == "running"
    assert status["problems"] == []
    assert status["camera_fps"] == pytest.approx(RATE, rel=0.3)
    written = frames(process)
    process.process.send_signal(signal.SIGKILL)
    process.wait()
    numbers = recorded(folder, camera)
    assert_without_gap(numbers)
    assert len(numbers) >= written - 2 * RATE
    assert len(list(folder.iterdir())) >= 2
    # Killed just as a segment began, its file has no head yet, and nothing in it.
    begun = [file for file in folder.iterdir() if b"moov" in file.read_bytes()]
    assert sum(map(assert_plays, begun)) == len(numbers)


def test_another_stream_is_recorded_whatever_happens_to_the_first(
    tmp_path: Path, make_camera: MakeCamera, started: list[Process]
) -> None:
    small, large = make_camera(), make_camera(sound="pcm_alaw")
    folder = tmp_path / "files"
    arguments = ["live", small.url, "--detector", DETECTOR, "--metrics", "0", "--detections", f"{tmp_path}/found.jsonl"]
    process = Process(tmp_path, *arguments, "--record", str(folder), "--record-source", large.url)
    started.append(process)
    wait_until(lambda: frames(process) > RATE, 60)
    small.stop(signal.SIGKILL)
    wait_until(lambda: next(iter(process.cameras().values()))["state"] == "reconnecting")
    before = frames(process)
    wait_until(lambda: frames(process) > before + RATE)
    small.start()
    wait_until(lambda: next(iter(process.cameras().values()))["state"] == "running")
    process.process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    (path,) = folder.iterdir()
    assert path.suffix == ".mov"
    numbers = recorded(folder, large)
    assert_without_gap(numbers)
    assert assert_plays(path) == len(numbers)


def test_the_detectors_own_connection_is_recorded_too(tmp_path: Path, make_camera: MakeCamera, started: list[Process]) -> None:
    camera = make_camera(sound="aac")
    folder = tmp_path / "files"
    arguments = ["live", camera.url, "--detector", DETECTOR, "--metrics", "0", "--record-annotated", f"{tmp_path}/drawn"]
    process = Process(tmp_path, *arguments, "--record", str(folder), "--detect-fps", "5")
    started.append(process)
    wait_until(lambda: frames(process) > 3 * RATE, 60)
    (status,) = process.cameras().values()
    assert 0 < status["detections"] <= status["frames_in"] / 4
    process.process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert_without_gap(recorded(folder, camera))
    assert sum(map(assert_plays, (tmp_path / "drawn").iterdir())) > RATE
