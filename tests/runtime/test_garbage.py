"""Garbage is not searched for while a command starts, and is afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.media import ffmpeg

PROGRAM = """
import gc, weakref
from streamer.runtime.garbage import not_while_starting

class Ring:
    def __init__(self):
        self.me = self

usual = gc.get_threshold()
not_while_starting()
searched = []
gc.callbacks.append(lambda phase, info: searched.append(phase))
some = [[] for _ in range(20_000)]
assert not searched
many = [[] for _ in range(150_000)]
assert searched and gc.get_threshold() == usual and gc.get_freeze_count() > 20_000
late = weakref.ref(Ring())
more = [[] for _ in range(150_000)]
assert late() is None
"""


def test_it_is_searched_for_once_a_command_is_loaded() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


DETECTOR = """
import gc
from streamer import Instances

class Looking:
    labels = {1: "x"}

    def detect(self, image):
        assert gc.get_threshold()[0] < 10_000 and gc.get_freeze_count() > 0, "garbage is not searched for"
        return Instances.empty()
"""


@pytest.mark.slow
def test_a_command_that_works_searches_for_it(tmp_path: Path) -> None:
    (tmp_path / "looking.py").write_text(DETECTOR, encoding="utf-8")
    ffmpeg("-f", "lavfi", "-i", "color=s=64x64", "-frames:v", "1", tmp_path / "photo.png")
    command = [sys.executable, "-m", "streamer", "annotate", "photo.png", "--detector", "looking:Looking"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
