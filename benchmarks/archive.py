"""How much faster one recording is annotated by several processes where the detector takes the time.

    python -m benchmarks.archive [--sleep 0.5] [--most 8]

The detector sleeps and finds one object, so that the figures hold for a machine that has a core or a GPU for each process.
Printed is what N processes reach of N times the frames per second of the detector alone. Ends with 1 where that is below 0.9,
or where a file differs from that of one process.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import streamer
from streamer.instances import Instances
from tests.media import ffmpeg

LEAST = 0.9
_FRAMES_EACH = 30


class Sleeping:
    """Sleeps for as many seconds as ``BENCHMARK_SLEEP_S`` says, and finds the middle of the picture."""

    labels: Mapping[int, str] = {1: "object"}

    def warm_up(self) -> None:
        """There is nothing to warm up."""

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        time.sleep(float(os.environ["BENCHMARK_SLEEP_S"]))
        height, width = image.shape[:2]
        box = np.array([[0.3 * width, 0.3 * height, 0.7 * width, 0.7 * height]], np.float32)
        return Instances(boxes_xyxy=box, scores=np.array([0.9], np.float32), class_ids=np.array([1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sleep", type=float, default=0.5)
    parser.add_argument("--most", type=int, default=8)
    options = parser.parse_args()
    os.environ["BENCHMARK_SLEEP_S"] = str(options.sleep)
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        for track in (False, True):
            for workers in [count for count in (2, 4, 8) if count <= options.most]:
                frames = workers * _FRAMES_EACH
                source = Path(name, f"{frames}.mp4")
                if not source.exists():
                    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s=320x180:r=25:d={frames / 25}", source)
                output = Path(name, "out.mp4")
                summary = streamer.annotate(
                    source, output, detector="benchmarks.archive:Sleeping", workers=workers, track=track, overwrite=True
                )
                alone_s = frames * options.sleep
                share = alone_s / (workers * summary.seconds)
                print(
                    f"{'tracked' if track else 'each frame by itself':20} {workers} processes: {summary.seconds:5.1f} s, "
                    f"{share:.2f} of {workers} times one",
                    flush=True,
                )
                if share < LEAST:
                    wrong.append(f"{workers} processes: {share:.2f}")
                if workers == 2:
                    one = Path(name, "one.mp4")
                    streamer.annotate(source, one, detector="benchmarks.archive:Sleeping", track=track, overwrite=True)
                    if one.read_bytes() != output.read_bytes():
                        wrong.append("the file differs from that of one process")
    print("\n".join(wrong) or "the files are those of one process")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
