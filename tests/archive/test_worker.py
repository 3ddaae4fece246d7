"""A worker whose parent is gone."""

from __future__ import annotations

from multiprocessing import Pipe

from streamer.archive.annotation_task import AnnotationTask
from streamer.archive.worker import work
from streamer.config.annotate import load_annotate_config


def test_a_worker_that_nobody_hears_any_more_says_nothing() -> None:
    ours, theirs = Pipe()
    ours.close()
    work(theirs, AnnotationTask(load_annotate_config(None, {"input": "in.mp4", "detector": "tests.bright:Cold"})))
    theirs.close()
