"""A worker whose parent is gone."""

from __future__ import annotations

from multiprocessing import Pipe
from pathlib import Path
from queue import SimpleQueue

import pytest

from streamer.archive.annotation_task import AnnotationTask
from streamer.archive.worker import work
from streamer.config.annotate import load_annotate_config
from streamer.runtime.child import start
from tests.waiting import wait_until


def test_a_worker_that_nobody_hears_any_more_says_nothing() -> None:
    ours, theirs = Pipe()
    ours.close()
    work(
        theirs, AnnotationTask(load_annotate_config(None, {"input": "in.mp4", "detector": "tests.bright:Cold"})), SimpleQueue()
    )
    theirs.close()


def test_a_worker_whose_parent_is_gone_does_not_load_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADING", str(tmp_path / "loading"))
    settings = load_annotate_config(None, {"input": "in.mp4", "detector": "tests.archive.deadly:Endless"})
    child = start("streamer.archive.worker")
    try:
        child.connection.send(AnnotationTask(settings))
        wait_until((tmp_path / "loading").exists, 60.0)
        child.connection.close()
        assert child.process.wait(60.0) == 1
    finally:
        child.process.kill()
        child.process.wait()
