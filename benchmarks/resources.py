"""Memory over a long run, and how fast the command starts.

python -m benchmarks.resources memory     # resident memory over 10,000 frames, and its slope after warm-up
python -m benchmarks.resources start      # `streamer --help`, and the command to its first annotated frame
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.clips import scaled
from benchmarks.measure import OUT, SAMPLES, asked_for, in_turn, machine, median


def memory(frames: int = 10_000) -> None:
    """Resident memory while ``annotate`` works through many frames; the slope is fitted to the last four fifths."""
    from streamer import annotate

    clip = scaled(320, 240, frames)
    samples = np.zeros(frames)  # made before, so that it does not count as growth
    done = 0

    def on_frame(_item: object) -> None:
        nonlocal done
        samples[done] = _resident_mib()
        done += 1

    annotate(
        clip, OUT / "memory.mp4", detector="benchmarks.scripted:Ten", preset="ultrafast", overwrite=True, on_frame=on_frame
    )
    resident = samples[frames // 5 : done]
    slope = np.polyfit(np.arange(len(resident)), resident, 1)[0]
    print(f"{frames} frames of 320x240: {resident[0]:.0f} MiB after warm-up, {resident[-1]:.0f} MiB at the end")
    print(f"  slope {slope * 1000:+.3f} MiB per 1,000 frames, peak {resident.max():.0f} MiB")


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def start(rounds: int = 9) -> None:
    """From the start of the process to its end, or to the first annotated frame: seconds, and seconds of processor time."""
    command = (
        "import os, sys\n"
        "from streamer.cli.app import main, not_while_starting, sleep_when_idle\n"
        "not_while_starting()\n"
        "sleep_when_idle()\n"  # as `main` does, before the encoder is imported here
        "from streamer.sinks.encoder import VideoEncoder\n"
        "write = VideoEncoder.write\n"
        "def first(self, item):\n"
        "    write(self, item)\n"
        "    os._exit(0)\n"
        "VideoEncoder.write = first\n"
        f"sys.argv = ['streamer', 'annotate', {str(SAMPLES / 'pedestrians.mp4')!r}, '-o', {str(OUT / 'start.mp4')!r}, '-q', "
        "'--overwrite', '--detector', sys.argv[1]]\n"
        "main()\n"
    )
    OUT.mkdir(exist_ok=True)
    python = [sys.executable, "-c"]
    runs = in_turn(
        {
            "streamer --help": [str(Path(sys.executable).with_name("streamer")), "--help"],
            "streamer annotate, nanodet": [*python, command, "nanodet"],
            "streamer annotate, a detector that costs nothing": [*python, command, "benchmarks.scripted:Ten"],
            "of it, importing NumPy, OpenCV, PyAV": [*python, "import cv2, av"],
            "of it, importing pydantic": [*python, "import pydantic.types, pydantic.fields"],
            "of it, Python": [*python, "pass"],
        },
        rounds,
    )
    for partial in OUT.glob(".start*"):
        partial.unlink()
    for name, done in runs.items():
        wall, cpu = median([run.wall_s for run in done]), median([run.cpu_s for run in done])
        print(f"  {name:50} {wall:.3f} s, processor {cpu:.3f} s (median of {rounds})")


if __name__ == "__main__":
    wanted = asked_for(__doc__, "memory", "start")
    print(machine())
    began = time.perf_counter()
    if "memory" in wanted:
        memory()
    if "start" in wanted:
        start()
    print(f"  ({time.perf_counter() - began:.0f} s in all)")
