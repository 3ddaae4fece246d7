"""What a worker of a cluster says of its machine, in this process."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import deque
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from streamer.archive.annotation_task import AnnotationTask
from streamer.archive.inputs import Recording
from streamer.archive.messages import Finished, Message, NotHere, Ready, Unusable
from streamer.archive.run import work_on_archive
from streamer.archive.task import Task, Work
from streamer.cluster.shared_folders import marked, wrong_with
from streamer.cluster.worker import ClusterWorker
from streamer.config.annotate import load_annotate_config
from streamer.errors import OutputRefused
from tests.archive.test_pool import Cast
from tests.media import ffmpeg
from tests.network import why_not

_READ_ONLY = """
import sys
from pathlib import Path
from streamer.cluster.shared_folders import wrong_with
print(wrong_with([Path(sys.argv[1])]))
"""


def task_of(detector: str = "tests.bright:Bright", **given: object) -> AnnotationTask:
    return AnnotationTask(load_annotate_config(None, {"input": "in", "output": "out", "detector": detector, **given}))


def loaded(marks: list[Path], task: Task[Any]) -> tuple[ClusterWorker, Message]:
    worker = ClusterWorker(marks)
    (answer,) = worker.load(pickle.dumps(task))
    return worker, answer


def test_a_folder_of_the_same_name_with_an_old_manifest_is_not_the_same_folder(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    with marked([here / "out", here / "found"]) as marks:
        assert isinstance(loaded(marks, task_of())[1], Ready)
        for name in ("out", "found"):
            (there / name).mkdir(parents=True)
            (there / name / ".streamer-archive.jsonl").touch()
        (there / "out" / marks[0].name).touch()  # as where OUTPUT is shared, and the records are not
        _, answer = loaded([there / mark.relative_to(here) for mark in marks], task_of())
    assert isinstance(answer, Unusable)
    assert answer.of_machine
    assert f"does not see {there / 'found'} of this one" in str(answer.error)
    assert not [*here.rglob(".*")]


def test_the_mark_of_a_run_that_was_killed_goes_and_is_not_taken_for_that_of_another(tmp_path: Path) -> None:
    with marked([tmp_path]) as (old,):
        pass
    old.touch()
    with marked([tmp_path]) as (new,):
        assert list(tmp_path.iterdir()) == [new]
        assert wrong_with([old]) == f"does not see {tmp_path} of this one"
    with marked([]) as none:
        assert wrong_with(none) is None
    (tmp_path / "file").touch()
    with pytest.raises(OutputRefused, match="cannot be written to"), marked([tmp_path / "file"]):
        pass


def test_a_folder_that_a_machine_may_only_read_is_told(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    script = f'mount --bind "{tmp_path}" "{tmp_path}" && mount -o remount,ro,bind "{tmp_path}" && exec "$@"'
    with marked([tmp_path]) as marks:
        assert wrong_with(marks) is None
        command = ["unshare", "-m", "sh", "-c", script, "-", sys.executable, "-c", _READ_ONLY, str(marks[0])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == f"may not write to {tmp_path}\n", done.stderr


def test_a_detector_that_is_missing_is_said_of_the_machine() -> None:
    _, missing = loaded([], task_of("nowhere_installed:Detector"))
    assert isinstance(missing, Unusable)
    assert missing.of_machine
    assert str(missing.error).startswith("the machine ")
    assert "nowhere_installed" in str(missing.error)


def test_a_worker_says_which_recording_it_does_not_see_and_which_folder_it_has_lost(tmp_path: Path) -> None:
    video, out = tmp_path / "a.mp4", tmp_path / "out"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=1", video)
    task = task_of(input=str(video), output=str(out / "a.mp4"))
    known = task.content(Recording(str(video), "a.mp4"))

    def done(worker: ClusterWorker, content: str | None) -> Message:
        *_, answer = worker.work(pickle.dumps(Work(task, about={"content": content})))
        return answer

    with marked([out]) as marks:
        worker, _ = loaded(marks, task)
        finished = done(worker, known)
        assert isinstance(finished, Finished)
        assert (finished.files, finished.machine[:12]) == ((str(out / "a.mp4"),), "the machine ")
        other = done(worker, "another")
        assert isinstance(other, NotHere)
        assert "sees another recording" in other.reason
        video.unlink()
        hidden = done(worker, known)
        assert isinstance(hidden, NotHere)
        assert f"does not see {video}" in hidden.reason
        marks[0].unlink()
        assert isinstance(done(worker, known), Unusable)


def test_what_is_not_seen_here_is_not_done(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(b"video")
    out = tmp_path / "out"
    far = Finished(5, (str(out / "a.mp4"),), (), "the machine far")
    cast = Cast(deque([[Ready(), far]]))
    task = task_of(input=str(tmp_path / "in"), output=str(out))
    status = work_on_archive(task, employ=lambda *_: nullcontext(cast))
    ((name, reason),) = status.failed
    assert (name, status.done) == ("a.mp4", 0)
    assert reason == f"the machine far has written {out / 'a.mp4'}, which is not seen here: it must be shared"
    assert '"state": "failed"' in (out / ".streamer-archive.jsonl").read_text(encoding="utf-8")
