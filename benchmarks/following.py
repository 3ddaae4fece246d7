"""What following costs a frame, on one core: ``python -m benchmarks.following``.

The detector's answers come as if it took five frames; what is timed is all that following adds: shrinking, flow, carrying,
matching, the instances of the frame. Beside it, in the same run: the part of it that fits outlines of objects that move, done
once more, and decoding and drawing of the same frames.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from fractions import Fraction

import av
import cv2

from benchmarks.measure import SAMPLES
from streamer.follow.follower import Follower
from streamer.follow.outlines import CarriedOutlines
from streamer.frame import Frame
from streamer.render.renderer import Renderer
from streamer.sources.synthetic import LABELS, Synthetic, SyntheticScene
from streamer.stages import Annotated

SIZES = ((768, 576), (1920, 1080))
LATENCY = 5


def _timed(work: Callable[[], object], into: list[float]) -> None:
    # The processor's time, not the wall's: a busy machine must not count.
    start = time.thread_time()
    work()
    into.append((time.thread_time() - start) * 1e3)


def costs_ms(width: int, height: int, objects: int, frames: int) -> dict[str, list[float]]:
    """Milliseconds a frame of following, of fitting outlines alone, and of drawing in the synthetic scene, frame by frame."""
    scene = SyntheticScene(width, height, frames=2 * frames, objects=objects)
    follower = Follower()
    renderer = Renderer(LABELS)
    outlines = CarriedOutlines()
    times: dict[str, list[float]] = {"follow": [], "outlines": [], "draw": []}
    busy = 0
    for index, frame in enumerate(itertools.islice(Synthetic(scene).frames(), frames)):
        answer = scene.truth(busy) if index - busy >= LATENCY else None

        def follow(frame: Frame = frame, busy: int = busy, answer: object = answer) -> None:
            follower.advance(frame)
            if answer is not None:
                follower.detected(busy, answer)  # type: ignore[arg-type]  # None was ruled out
            follower.expect(frame.index if answer is not None else busy)
            follower.instances()

        _timed(follow, times["follow"])
        shown = follower.snapshot()
        views = [view for _, view in shown.views]
        _timed(lambda shown=shown, views=views: outlines.fitted(views, shown.low_res), times["outlines"])  # type: ignore[misc]
        item = Annotated(frame, follower.instances())
        _timed(lambda item=item: renderer(item), times["draw"])  # type: ignore[misc]  # a default binds the loop's item
        if answer is not None:
            busy = index
    return {name: values[3 * LATENCY :] for name, values in times.items()}


def decode_ms(width: int, height: int) -> list[float]:
    """Milliseconds a frame of decoding the sample clip, scaled to the size where it is another."""
    times: list[float] = []
    with av.open(str(SAMPLES / "pedestrians.mp4")) as container:
        container.streams.video[0].thread_count = 1
        frames = container.decode(video=0)
        for _ in range(60):
            _timed(lambda: next(frames), times)
    area = Fraction(width * height, 768 * 576)
    return [value * float(area) for value in times[10:]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.following", description=__doc__)
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    print(f"one core, {options.objects} objects with masks, medians of {options.frames - 3 * LATENCY} frames, ms a frame\n")
    print("| size | follow (median) | follow (mean) | of it outlines | draw | decode (in proportion to its area) |")
    print("|---|---|---|---|---|---|")
    for width, height in SIZES:
        times = costs_ms(width, height, options.objects, options.frames)
        cells = [
            statistics.median(times["follow"]),
            statistics.fmean(times["follow"]),
            statistics.median(times["outlines"]),
            statistics.median(times["draw"]),
            statistics.median(decode_ms(width, height)),
        ]
        print(f"| {width} x {height} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
