"""How cost grows with the work. Ends with 1 where it grows faster than the work.

    python -m benchmarks.scaling [objects sizes length cameras] [--seconds 10]

``objects``: drawing, rounding and recording 1 to 200 objects on 1080p. ``sizes``: drawing 20 objects on 360p to 2160p, which
are as much larger. ``length``: ``annotate`` on 500 to 8000 frames, and its memory. ``cameras``: 1 to 16 cameras of 640x360 at
10 frames a second that share `nanodet`, what they cost, and whether each gets its share.

What is compared is processor time, which other processes disturb less than they do the clock: the least of several rounds in
turn. Growth is the exponent between the largest work and a quarter of it (or the next smaller one): 1 where twice the work
takes twice as long, less where part of it is the same for any work.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2

from benchmarks.clips import scaled
from benchmarks.drawn_scene import LABELS, ours, scene
from benchmarks.live import run as run_cameras
from benchmarks.measure import in_turn, machine
from streamer.detectors.registry import load_detector
from streamer.frame import StreamInfo
from streamer.render.renderer import Style
from streamer.render.rounding import rounded
from streamer.sinks.records import Records
from streamer.stages import Annotated

MOST_GROWTH = 1.15
"""Exponent from which cost grows faster than the work: room for what falls out of the caches."""
MOST_MIB = 12.0
"""How much more memory sixteen times as many frames may take."""
LEAST_SHARE = 0.8
"""Of the mean number of detections, what a camera gets at least."""
ROUNDS = 9


def growth(costs: Mapping[float, float]) -> float:
    """The exponent by which cost grows at the end of ``costs``, work to cost."""
    most = max(costs)
    less = max(work for work in costs if work <= most / 4)
    return math.log(costs[most] / costs[less]) / math.log(most / less)


def judged(name: str, costs: Mapping[float, float], unit: str) -> bool:
    """Print the costs; whether they grow no faster than the work."""
    exponent = growth(costs)
    good = exponent <= MOST_GROWTH
    row = "  ".join(f"{work:g}: {cost:.3g}" for work, cost in costs.items())
    print(f"  {name:32} {row} {unit}; growth {exponent:.2f}{'' if good else ', faster than the work'}", flush=True)
    return good


def least_ms(works: Mapping[float, Callable[[], object]]) -> dict[float, float]:
    """Milliseconds of processor time of each, the least of several rounds in turn."""
    least = dict.fromkeys(works, math.inf)
    for counted in range(ROUNDS + 1):
        for work, call in works.items():
            start = time.thread_time_ns()
            call()
            if counted:
                least[work] = min(least[work], (time.thread_time_ns() - start) / 1e6)
    return least


def objects() -> bool:
    """Drawing, rounding and recording them."""
    width, height, counts = 1920, 1080, (1, 5, 20, 50, 100, 200)
    scenes = {count: scene(width, height, count) for count in counts}
    stored = {count: rounded(instances, width, height) for count, (_, instances) in scenes.items()}
    drawing = least_ms({count: ours(*scenes[count], draw=Style().draw) for count in counts})
    rounding = least_ms({count: lambda found=found: rounded(found, width, height) for count, (_, found) in scenes.items()})  # type: ignore[misc]  # bound at once
    with tempfile.TemporaryDirectory() as folder:
        info = StreamInfo(source="scene", width=width, height=height, time_base=scenes[1][0].time_base)
        records = Records(Path(folder) / "scene.jsonl", info, LABELS, "scene")
        items = {count: Annotated(scenes[count][0], stored[count]) for count in counts}
        writing = least_ms({count: lambda item=item: records.write(item) for count, item in items.items()})  # type: ignore[misc]  # bound at once
        records.abandon()
    named = {"drawing objects": drawing, "rounding them to records": rounding, "writing records": writing}
    good = [judged(name, costs, "ms") for name, costs in named.items()]
    return all(good)


def sizes() -> bool:
    """Drawing on larger pictures, with objects as much larger."""
    pictures = {
        width * height / 1e6: (width, height) for width, height in ((640, 360), (1280, 720), (1920, 1080), (3840, 2160))
    }
    costs = least_ms({size: ours(*scene(*picture, 20), draw=Style().draw) for size, picture in pictures.items()})
    return judged("drawing, by megapixels", costs, "ms")


def length() -> bool:
    """The whole of ``annotate`` on longer recordings, and its memory."""
    counts = (500, 2000, 8000)
    with tempfile.TemporaryDirectory() as folder:
        out, records = Path(folder) / "out.mp4", Path(folder) / "out.jsonl"
        options = ["--detector", "benchmarks.scripted:Ten", "--preset", "ultrafast", "--overwrite", "--quiet"]
        files = ["-o", str(out), "--detections", str(records)]
        commands = {
            str(count): [sys.executable, "-m", "streamer", "annotate", str(scaled(320, 240, count)), *files, *options]
            for count in counts
        }
        runs = in_turn(commands, 2)
    good = judged("annotate, by frames", {count: min(run.cpu_s for run in runs[str(count)]) for count in counts}, "s")
    peaks = {count: min(run.peak_mib for run in runs[str(count)]) for count in counts}
    flat = peaks[counts[-1]] - peaks[counts[0]] <= MOST_MIB
    row = "  ".join(f"{count}: {peak:.0f}" for count, peak in peaks.items())
    print(f"  {'peak memory, by frames':32} {row} MiB{'' if flat else ', not flat'}", flush=True)
    return good and flat


def cameras(seconds: float) -> bool:
    """Cameras that share a detector."""
    costs: dict[float, float] = {}
    fair = True
    for count in (1, 2, 4, 8, 16):
        detector = load_detector("nanodet", score_threshold=0.4, live=True)
        before = time.process_time()
        named: dict[str, dict[str, object]] = {f"camera {n}": {} for n in range(count)}
        statuses = run_cameras(seconds, named, detector=detector, size=(640, 360), fps=10.0)
        costs[count] = time.process_time() - before
        calls = [status.detections for status in statuses]
        fair &= min(calls) + 1 >= LEAST_SHARE * sum(calls) / count  # one may be under way
        by_share = sorted(statuses, key=lambda status: status.frames_out / max(1, status.frames_in))
        least, most = (f"{status.frames_out} of {status.frames_in}" for status in (by_share[0], by_share[-1]))
        print(
            f"  {f'{count} cameras of 640x360 at 10':32} detections each {min(calls)} to {max(calls)} in {seconds:g} s, "
            f"frames shown {least} to {most}",
            flush=True,
        )
    if not fair:
        print(f"  a camera got less than {LEAST_SHARE:.0%} of its share of the detector")
    return judged("processor time, by cameras", costs, "s") and fair


def main() -> int:
    """Run the named ones, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="any of objects, sizes, length, cameras; all by default")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run with cameras")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    named: dict[str, Callable[[], bool]] = {
        "objects": objects,
        "sizes": sizes,
        "length": length,
        "cameras": lambda: cameras(arguments.seconds),
    }
    print(machine())
    good = [named[name]() for name in arguments.names or named]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
