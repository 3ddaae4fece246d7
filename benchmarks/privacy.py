"""What covering ten people costs in a picture of 1080 lines, beside the copy that drawing needs anyway.

    python -m benchmarks.privacy [--rounds 60]

OpenCV runs on one thread, and what is read is that thread's processor time. Nothing was tuned on it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from fractions import Fraction

import av
import cv2
import numpy as np

from streamer.frame import Frame, plane_views
from streamer.render.cover import METHODS, Cover, object_shape
from streamer.render.masks import Box

WIDTH, HEIGHT, PEOPLE = 1920, 1080, 10
SIZES = ((80, 240), (150, 400))
"""Width and height of a person, in pixels."""


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Median processor time of ``work``."""
    taken = []
    for _ in range(rounds):
        before = time.thread_time()
        work()
        taken.append(time.thread_time() - before)
    return statistics.median(taken) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    random = np.random.default_rng(7)
    picture = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for plane in plane_views(picture):
        np.copyto(plane, random.integers(0, 256, plane.shape, np.uint8))
    frame = Frame(picture=picture, index=0, pts=0, time_base=Fraction(1, 25), source="noise", captured_at=0.0)
    mask = (np.hypot(*np.mgrid[-16:17, -16:17]) <= 16.5).astype(np.float32)
    for width, height in SIZES:
        corners = [(random.uniform(0, WIDTH - width), random.uniform(0, HEIGHT - height)) for _ in range(PEOPLE)]
        boxes: list[Box] = [(x, y, x + width, y + height) for x, y in corners]
        margin = 0.08 * height
        for method in METHODS:
            shapes = [object_shape(box, mask, margin, method, WIDTH, HEIGHT) for box in boxes]
            cover = Cover(tuple(shape for shape in shapes if shape is not None))
            finding = milliseconds(
                lambda: [object_shape(box, mask, margin, method, WIDTH, HEIGHT) for box in boxes],  # noqa: B023  # used at once
                rounds,
            )
            covering = milliseconds(lambda: cover.covered(frame), rounds)  # noqa: B023  # used at once
            print(f"{PEOPLE} people of {width} x {height}: {method:<8} shapes {finding:.2f} ms, covering {covering:.2f} ms")


if __name__ == "__main__":
    main()
