"""Detectors in processes of their own, at one recording."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streamer
from streamer.annotation import worker_devices
from streamer.archive.annotation_task import AnnotationTask
from streamer.archive.run import work_on_archive
from streamer.config.annotate import load_annotate_config
from streamer.detectors.process import DetectorProcess, load_processes
from streamer.errors import ConfigError, DetectorUnavailable, StageFailed
from streamer.live.detector_loading import DetectorLoader
from streamer.live.shared_detector import SharedDetector
from tests.fakes import frame
from tests.media import ffmpeg
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames, then five that are white, of a size of which x264 makes the same bytes each time; of 96x64 it does not."""
    path = tmp_path_factory.mktemp("process") / "in.mp4"
    scenes = "testsrc2=s=128x64:r=10:d=1[a];color=white:s=128x64:r=10:d=0.5[b];[a][b]concat,format=yuv420p"
    ffmpeg("-f", "lavfi", "-i", scenes, "-f", "lavfi", "-i", "sine=d=1.5", path)
    return path


@pytest.mark.parametrize("settings", [{}, {"track": True}, {"inference_interval": 3}], ids=str)
def test_the_files_are_those_of_one_process(recording: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    for workers in (1, 2):
        streamer.annotate(
            recording,
            tmp_path / f"{workers}.mp4",
            detections=tmp_path / f"{workers}.jsonl",
            detector="tests.bright:Bright",
            workers=workers,
            **settings,
        )
    assert (tmp_path / "1.mp4").read_bytes() == (tmp_path / "2.mp4").read_bytes()
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()


@pytest.mark.parametrize("settings", [{}, {"track": True}, {"inference_interval": 2}], ids=str)
@pytest.mark.parametrize(
    ("detector", "then"), [("DiesOnce", "was loaded again"), ("GoneForGood", "cannot be loaded again, trying on")]
)
def test_the_others_go_on_when_the_process_of_one_device_dies(
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    detector: str,
    then: str,
    settings: dict[str, Any],
) -> None:
    monkeypatch.setenv("DIED", str(tmp_path / "died"))
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    given = {"detector": f"tests.archive.deadly:{detector}", **settings}
    streamer.annotate(recording, tmp_path / "1.mp4", detections=tmp_path / "1.jsonl", device="cuda:0", **given)
    assert not (tmp_path / "died").exists()

    class Tell(logging.Handler):
        """Lets the other device go on only then: it may be quicker than a process starts."""

        def emit(self, record: logging.LogRecord) -> None:
            if then in record.getMessage():
                (tmp_path / "told").touch()

    logging.getLogger("streamer").addHandler(tell := Tell())
    try:
        summary = streamer.annotate(recording, tmp_path / "2.mp4", detections=tmp_path / "2.jsonl", device="cuda:0,1", **given)
    finally:
        logging.getLogger("streamer").removeHandler(tell)
    assert (tmp_path / "died").exists()
    assert summary.frames_out == 15
    assert (tmp_path / "1.mp4").read_bytes() == (tmp_path / "2.mp4").read_bytes()
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 2
    assert re.match(r"the detector \S+ on cuda:1 failed \(the process of .* has ended with -9; .*\): loading it again", told[0])
    assert told[1].startswith(f"the detector tests.archive.deadly:{detector} on cuda:1 {then}")


def test_a_process_that_dies_ends_the_run_with_what_was_done(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"the process of the detector .* has ended with -9.*the \d+ frames before"):
        streamer.annotate(recording, tmp_path / "out.mp4", detector="tests.archive.deadly:Deadly", workers=2)
    assert (tmp_path / "out.mp4").exists()


def test_what_loading_raises_comes_through(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(DetectorUnavailable, match="no device"):
        streamer.annotate(recording, tmp_path / "out.mp4", detector="tests.bright:Cold", workers=2)
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # of names only


def test_frames_that_are_chosen_by_what_is_found_cannot_be_shared(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"2 detectors cannot work ahead.*--inference-interval"):
        streamer.annotate(recording, tmp_path / "out.mp4", workers=2, inference_interval="auto")


def classes(records: Path) -> list[list[str]]:
    """The classes of each frame."""
    lines = map(json.loads, records.read_text().splitlines())
    return [[found["class"] for found in line["instances"]] for line in lines if isinstance(line.get("instances"), list)]


def test_frames_are_shared_by_the_devices(recording: Path, tmp_path: Path) -> None:
    streamer.annotate(
        recording, tmp_path / "out.mp4", detections=tmp_path / "out.jsonl", detector="tests.bright:Placed", device="cuda:0,2"
    )
    found = classes(tmp_path / "out.jsonl")
    assert found[10:] == [["light"], ["lamp"], ["light"], ["lamp"], ["light"]]


def test_more_workers_than_devices_take_turns_on_them(recording: Path) -> None:
    settings = {"input": str(recording), "detector": "tests.bright:Placed", "device": "cuda:0,2", "workers": 3}
    assert worker_devices(load_annotate_config(None, settings)) == ["cuda:0", "cuda:2", "cuda:0"]


def test_an_archive_has_a_worker_on_each_device(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("one", "two", "three"):
        shutil.copy(recording, tmp_path / "in" / f"{name}.mp4")
    settings = {"input": str(tmp_path / "in"), "output": str(tmp_path / "out"), "detector": "tests.bright:Placed"}
    config = load_annotate_config(None, settings | {"device": "cuda:0,2", "detections": str(tmp_path / "found")})
    status = work_on_archive(AnnotationTask(config))
    assert (status.done, status.failed) == (3, [])
    found = {name for records in (tmp_path / "found").rglob("*.jsonl") for frame in classes(records) for name in frame}
    assert found == {"light", "lamp"}


def test_cameras_go_on_when_the_process_of_one_device_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    settings = load_annotate_config(None, {"input": "in.mp4", "detector": "tests.bright:Placed", "device": "cuda:0,2"})
    loader = DetectorLoader(settings, 0.5)
    detectors = loader.load()
    assert [detector.device for detector in detectors if isinstance(detector, DetectorProcess)] == ["cuda:0", "cuda:2"]
    shared = SharedDetector(*detectors, load=loader.load_again, cold=True)
    clients = [shared.client(name) for name in ("gate", "door")]
    index = 0

    def ask() -> None:
        nonlocal index
        index += 1
        for client in clients:
            client.submit(frame(index))

    def answered(more: int) -> None:
        before = [client.detections for client in clients]

        def came() -> bool:
            ask()
            return all(client.detections >= done + more for client, done in zip(clients, before, strict=True))

        wait_until(came)

    answered(3)
    killed = detectors[1]
    assert isinstance(killed, DetectorProcess)
    killed._child.process.kill()
    answered(3)

    def is_replaced() -> bool:
        ask()
        return shared.workers[1].detector is not killed

    wait_until(is_replaced)
    answered(3)
    shared.close()
    assert [client.failures for client in clients] == [0, 0]
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [line.partition(" (")[0] for line in told] == [
        "the detector tests.bright:Placed on cuda:2 is gone",
        "the detector tests.bright:Placed on cuda:2 was loaded again",
    ]


def test_what_a_detector_logs_in_its_process_is_logged_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = "import logging\nfrom tests.bright import Bright\nclass Talks(Bright):\n  def __init__(self):\n"
    (tmp_path / "talking.py").write_text(module + "    logging.getLogger('streamer.mine').warning('%s of it', 'half')\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(streamer.__file__).parent.parent}")
    settings = load_annotate_config(None, {"input": "in.mp4", "detector": "talking:Talks"})
    for process in load_processes(settings, 0.5, ["auto"]):
        process.close()
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("streamer.mine", "half of it")]


_CHATTERS = """
import logging, threading
import numpy as np
from streamer import Instances

class Chatters:
    labels = {1: "light"}

    def __init__(self):
        for number in range(3):
            threading.Thread(target=self.chat, args=(f"{number}" * 5000,), daemon=True).start()

    def chat(self, text):
        while True:
            logging.getLogger("streamer.mine").warning(text)

    def detect(self, image):
        boxes = np.tile(np.array([[1, 1, 9, 9]], np.float32), (200, 1))
        masks = np.ones((200, 33, 33), np.float32)
        return Instances(boxes_xyxy=boxes, scores=np.full(200, 0.9, np.float32), class_ids=np.ones(200, int), masks=masks)
"""


def test_answers_and_what_threads_log_meanwhile_do_not_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "chatting.py").write_text(_CHATTERS)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(streamer.__file__).parent.parent}")
    settings = load_annotate_config(None, {"input": "in.mp4", "detector": "chatting:Chatters"})
    (process,) = load_processes(settings, 0.5, ["auto"])
    try:
        for _ in range(20):
            assert len(process.detect(np.zeros((16, 16, 3), np.uint8))) == 200
    finally:
        process.close()
    assert {record.getMessage() for record in caplog.records} == {"0" * 5000, "1" * 5000, "2" * 5000}
