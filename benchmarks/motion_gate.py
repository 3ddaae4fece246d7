"""What ``--motion-gate`` saves on the samples, what it loses, and whether it takes light for motion.

What was counted by hand (``counted.yaml``) is lost when the gate lets no frame through within half a second after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import av
import numpy as np
import yaml

from benchmarks.counting import COUNTED, truth_of
from benchmarks.measure import SAMPLES, asked_for
from streamer.frame import Frame, plane_views
from streamer.perception.detection_gate import DetectionGate
from streamer.perception.motion_gate import MotionGate

SOON_S = 0.5
SECONDS, RATE = 60, 10
"""Length and rate of the synthetic scenes, in which nothing moves."""
NOISE = 2.0
"""Standard deviation of the noise in them, levels."""


def framed(picture: av.VideoFrame, index: int, time_s: float) -> Frame:
    return Frame(
        picture=picture, index=index, pts=round(time_s * 1000), time_base=Fraction(1, 1000), source="", captured_at=time_s
    )


def sample(name: str) -> Iterator[Frame]:
    with av.open(str(SAMPLES / name)) as source:
        for index, picture in enumerate(source.decode(video=0)):
            yield framed(picture, index, float(picture.time or 0.0))


def still(light: Callable[[float], float]) -> Iterator[Frame]:
    """The first picture of the bottles, noisy, under ``light``: a factor for each second."""
    first = next(sample("bottles.mp4")).picture
    luma = plane_views(first)[0].astype(np.float32)
    random = np.random.default_rng(3)
    for index in range(SECONDS * RATE):
        picture = av.VideoFrame(first.width, first.height, "yuv420p")
        lit = 16 + (luma - 16) * light(index / RATE) + random.normal(0, NOISE, luma.shape)
        plane_views(picture)[0][:] = np.clip(lit, 16, 235).astype(np.uint8)
        yield framed(picture, index, index / RATE)


LIGHTS: dict[str, Callable[[float], float]] = {
    "still": lambda _: 1.0,
    "a light is switched off and on": lambda time_s: 0.35 if 20 <= time_s < 40 else 1.0,
    "night falls": lambda time_s: max(0.15, 1.0 - time_s / SECONDS),
    "a lamp flickers": lambda time_s: 1.0 + 0.15 * float(np.sin(time_s * 5)),
}


def looks(frames: Iterator[Frame]) -> tuple[list[float], int]:
    """The times of the frames that the gate lets through, and how many there are in all."""
    gate, times, count = DetectionGate(None, MotionGate()), [], 0
    for frame in frames:
        count += 1
        if gate.wants(frame):
            times.append(frame.time_s)
    return times, count


def main() -> None:
    with COUNTED.open() as file:
        counted = yaml.safe_load(file)
    for name, places in counted.items():
        times, count = looks(sample(name))
        truth = truth_of(places)
        lost = [one for one in truth if not any(one[1] - 1e-3 <= time_s <= one[1] + SOON_S for time_s in times)]
        lost = [one for one in lost if any(time_s > one[1] for time_s in times)]  # not those that end with the clip
        print(f"{name}: looks at {len(times)} of {count} frames, loses {len(lost)} of {len(truth)}", *lost, sep="\n  ")
    for name, light in LIGHTS.items():
        times, count = looks(still(light))
        print(f"{name}: looks at {len(times)} of {count} frames in {SECONDS} s")


if __name__ == "__main__":
    asked_for(__doc__)
    main()
