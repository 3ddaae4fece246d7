"""Memory over a long run, and how fast the command starts.

python -m benchmarks.resources memory     # resident memory over 10,000 frames, and its slope after warm-up
python -m benchmarks.resources start      # `streamer --help`, and the first annotated frame of `nanodet`
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.clips import scaled
from benchmarks.measure import OUT, SAMPLES, in_turn, machine, median


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
    """Seconds of ``streamer --help``, and from the start of the process to the first annotated frame of ``nanodet``."""
    first = (
        "import sys, time, os\n"
        "from streamer import annotate\n"
        "def on_frame(item):\n"
        "    os._exit(0)\n"
        f"annotate({str(SAMPLES / 'pedestrians.mp4')!r}, {str(OUT / 'start.mp4')!r}, overwrite=True, on_frame=on_frame)\n"
    )
    OUT.mkdir(exist_ok=True)
    runs = in_turn(
        {
            "streamer --help": [str(Path(sys.executable).with_name("streamer")), "--help"],
            "first annotated frame of nanodet": [sys.executable, "-c", first],
            "python alone": [sys.executable, "-c", "pass"],
        },
        rounds,
    )
    for partial in OUT.glob(".start*"):
        partial.unlink()
    for name, done in runs.items():
        print(f"  {name:34} {median([run.wall_s for run in done]):.3f} s (median of {rounds})")


if __name__ == "__main__":
    print(machine())
    wanted = sys.argv[1:] or ["memory", "start"]
    began = time.perf_counter()
    if "memory" in wanted:
        memory()
    if "start" in wanted:
        start()
    print(f"  ({time.perf_counter() - began:.0f} s in all)")
