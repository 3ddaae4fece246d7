"""A detector that writes down when and on which machine it was called, in the file that the variable ``STAMPS`` names."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.instances import Instances
from tests.bright import Bright


class Stamp(NamedTuple):
    at: float
    machine: str
    process: str


class Stamping(Bright):
    def detect(self, image: NDArray[np.uint8]) -> Instances:
        stamp(Path(os.environ["STAMPS"]))
        return super().detect(image)


def stamp(path: Path) -> None:
    """Write that this process is at work. The clock is that of all machines: they are one."""
    with path.open("a", encoding="ascii") as stamps:
        stamps.write(f"{time.monotonic()} {os.environ.get('MACHINE', '')} {os.getpid()}\n")


def stamps(path: Path) -> list[Stamp]:
    """What was written; a line that is being written is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="ascii").split("\n")[:-1]
    return [Stamp(float(at), machine, process) for at, machine, process in (line.split(" ") for line in lines)]
