"""Whole processes, measured in turn: A B A B …, so that a machine whose speed drifts is the same for both."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

OUT = Path(__file__).parent / "out"
"""Clips and results that benchmarks make; not kept in the repository."""
SAMPLES = Path(__file__).parent.parent / "samples"


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process."""

    wall_s: float
    cpu_s: float
    """User and system time."""
    peak_mib: float
    """Largest resident set."""


def run(command: Sequence[str]) -> Run:
    """Run a command to its end and account for it. Raises ``RuntimeError`` with its stderr when it fails.

    As where it was installed: modules are compiled once, also where the environment says otherwise.
    """
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        text=True,
    ) as process:
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def in_turn(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Run]]:
    """Run all commands ``rounds`` times in turn, after one round that does not count."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for counted in range(rounds + 1):
        for name, command in commands.items():
            done = run(command)
            if counted:
                runs[name].append(done)
    return runs


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """Median of a/b, pair by pair."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def machine() -> str:
    """What the figures were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    return f"{os.cpu_count()} cores, {cpu}, Python {platform.python_version()}, {sys.platform}"


def asked_for(doc: str | None, *names: str) -> list[str]:
    """The parts of a benchmark that its command line names, of ``names``; all where it names none. All else ends it with 2."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if names:
        parser.add_argument("names", nargs="*", help=f"any of {', '.join(names)}; all by default")
    found: list[str] = getattr(parser.parse_args(), "names", [])
    for name in found:
        if name not in names:
            parser.error(f"there is no {name!r}; there are {', '.join(names)}")
    return found or list(names)
