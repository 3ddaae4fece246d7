"""Threads keep the priority that they have."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from streamer.annotation import annotate
from streamer.runtime.thread_priority import priority_kept
from streamer.sinks.encoders import opens
from tests.media import Clip

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="needs Linux")


def policies() -> set[int]:
    """Of all threads of this process."""
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):
            found.add(os.sched_getscheduler(int(thread.name)))
    return found


def test_what_changes_its_priority_within_gets_it_back() -> None:
    leave, there = threading.Event(), threading.Event()

    def work() -> None:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        there.set()
        leave.wait(30)

    before = policies()
    with priority_kept():
        thread = threading.Thread(target=work)
        thread.start()
        assert there.wait(30)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        assert os.SCHED_BATCH in policies()
    assert policies() == before
    leave.set()
    thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_an_encoder_makes_no_thread_more_important_than_the_rest(ending: str, tmp_path: Path) -> None:
    before, meanwhile = policies(), set[int]()
    opens.cache_clear()
    assert opens("libsvtav1")
    assert policies() == before
    bt2020 = ("-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-color_range", "tv")
    video = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", *bt2020)
    clip = Clip(seconds=0.4, video=video).write(tmp_path / "clip.mp4")
    annotate(
        clip,
        tmp_path / f"out.{ending}",
        encoder="libsvtav1",
        detector="tests.bright:Bright",
        on_frame=lambda _: meanwhile.update(policies()),
    )
    assert meanwhile == before == policies()
