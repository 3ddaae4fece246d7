"""Workers of a cluster without a cluster."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamer.archive.annotation_task import AnnotationTask
from streamer.archive.messages import Gone
from streamer.cluster.workforce import RayWorker, RayWorkforce
from streamer.config.annotate import load_annotate_config
from streamer.perception.journal import DetectionJournal
from tests.media import ffmpeg

# Two recordings, one after the other; what becomes of each is printed.
_ANNOTATE = """
import pickle, sys
from streamer.archive.annotation_task import AnnotationTask
from streamer.archive.task import Work
from streamer.cluster.worker import ClusterWorker
from streamer.config.annotate import load_annotate_config
video, folder = sys.argv[1:]
def task(name):
    given = {"input": video, "output": f"{folder}/{name}.mp4", "detector": "tests.archive.deadly:Lost"}
    return AnnotationTask(load_annotate_config(None, given))
annotator = ClusterWorker([])
print(*annotator.load(pickle.dumps(task("a"))), flush=True)
for name in "ab":
    print(type(list(annotator.work(pickle.dumps(Work(task(name)))))[-1]).__name__, flush=True)
"""


def workforce_of(ray: Any) -> RayWorkforce:
    """One of two cores."""
    task = AnnotationTask(load_annotate_config(None, {"input": "in", "output": "out"}))
    return RayWorkforce(ray, lambda: [{"NodeID": "c0ffee", "Resources": {"CPU": 2.0}}], task, [], None)


def test_while_nobody_is_there_to_be_heard_time_goes_by(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    workforce = workforce_of(SimpleNamespace())
    assert workforce.hear([], 0.25) == []
    assert slept == [0.25]
    assert (workforce.most(0), workforce.most(1)) == (2, 1)


class _Died(Exception):
    def __init__(self, told: str, *, preempted: bool) -> None:
        super().__init__(told)
        self.preempted = preempted


@pytest.mark.parametrize(
    ("error", "by_work"),
    [
        (_Died("crashed", preempted=False), True),
        (_Died("drained", preempted=True), False),
        (_Died("The actor died because its node has died.", preempted=False), False),
    ],
)
def test_a_machine_that_was_drained_or_died_is_not_held_against_the_recording(error: _Died, by_work: bool) -> None:
    def get(_: object) -> Any:
        raise error

    errors = SimpleNamespace(RayActorError=_Died, ActorUnavailableError=KeyError, OutOfMemoryError=MemoryError)
    ray = SimpleNamespace(exceptions=errors, get=get, kill=lambda _: None, wait=lambda streams, **_: (streams, []))
    worker = RayWorker("actor", iter([0]))
    ((_, told),) = workforce_of(ray).hear([worker], 1.0)
    assert isinstance(told, Gone)
    assert told.by_work is by_work
    assert worker.stream is None


def test_who_holds_a_journal_has_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.cluster.workforce._END_S", 0.0)
    actor = SimpleNamespace(__ray_ready__=SimpleNamespace(remote=object))
    workforce = workforce_of(SimpleNamespace(kill=lambda _: None, wait=lambda calls, **_: (calls, [])))
    idle, goes_on, ended = (RayWorker(actor, None, path) for path in (None, tmp_path / "a", tmp_path / "b"))
    (tmp_path / "b").touch()
    journal = DetectionJournal(tmp_path / "a", {}, [])
    try:
        assert workforce.end([idle, goes_on, ended]) == [idle, ended]
    finally:
        journal.close()
    assert workforce.end([goes_on]) == [goes_on]


def test_a_detector_that_cannot_be_loaded_again_ends_its_process_and_fails_no_further_recording(tmp_path: Path) -> None:
    video = tmp_path / "white.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=white:s=160x90:r=10:d=0.5", video)
    command = [sys.executable, "-c", _ANNOTATE, str(video), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (1, "Ready()\n"), done.stderr
    assert "there is no GPU" in done.stderr
