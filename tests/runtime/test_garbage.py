"""Garbage is not searched for while a command starts, and is afterwards."""

from __future__ import annotations

import subprocess
import sys

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
