"""What asking a server costs: milliseconds a frame of 1080p by each protocol and each way of a picture.

    python -m benchmarks.remote [--rounds 30] [--sleep 0.02]

The server is ``streamer serve`` in a process of its own on this machine, with a detector that finds ten objects with masks at
once: all that is left is the way there and back. All ways take turns. ``clock`` is the median by the clock, ``CPU`` the
processor time of both processes a frame, which other work on the machine disturbs less. Then the frames a second that a
recording gets of a detector that sleeps, with one picture on its way and with two.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.drawn_scene import person
from benchmarks.measure import SAMPLES, median
from streamer.detectors.remote.detector import RemoteDetector
from streamer.instances import Instances
from streamer.sources.video import VideoFile

ROOT = Path(__file__).parent.parent
WAYS = ("raw", "jpeg", "shared")
_TICKS = os.sysconf("SC_CLK_TCK")


class Ten:
    """Finds ten people, whatever is to be seen, after ``BENCHMARK_SLEEP_S`` seconds."""

    name = "ten"
    labels: Mapping[int, str] = {1: "person"}
    input_size: tuple[int, int] | None = None

    def __init__(self) -> None:
        self._sleep_s = float(os.environ.get("BENCHMARK_SLEEP_S", "0"))
        left = np.arange(10, dtype=np.float32) * 150
        self._found = Instances(
            boxes_xyxy=np.stack([left, left / 2, left + 140, left / 2 + 300], axis=1),
            scores=np.linspace(0.9, 0.6, 10, dtype=np.float32),
            class_ids=np.ones(10, np.int64),
            masks=np.stack([person(33)] * 10),
        )

    def detect(self, _image: NDArray[np.uint8]) -> Instances:
        if self._sleep_s:
            time.sleep(self._sleep_s)
        return self._found

    def warm_up(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Server:
    """``streamer serve benchmarks.remote:Ten``."""

    def __init__(self, sleep_s: float) -> None:
        command = [sys.executable, "-m", "streamer", "serve", "benchmarks.remote:Ten", "--address", "0", "--http", "0"]
        env = {**os.environ, "BENCHMARK_SLEEP_S": str(sleep_s), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, env=env, text=True
        )
        assert self._process.stdout is not None
        self.specs = {what: self._process.stdout.readline().split()[-1] for what in ("gRPC", "HTTP")}

    def cpu_s(self) -> float:
        """Processor time that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def picture() -> NDArray[np.uint8]:
    """A frame of the sample at 1080p: a JPEG's size and time depend on what is to be seen."""
    source = VideoFile(str(SAMPLES / "pedestrians.mp4"))
    source.open()
    frame = next(iter(source.frames())).rgb()
    source.close()
    return np.asarray(cv2.resize(frame, (1920, 1080), interpolation=cv2.INTER_CUBIC), np.uint8)


def compare(rounds: int, least_s: float) -> None:
    """Print a row for each way."""
    server = Server(0.0)
    image = picture()
    remote = {f"{what}, {way}": RemoteDetector(f"{spec}?images={way}") for what, spec in server.specs.items() for way in WAYS}
    calls: dict[str, Callable[[NDArray[np.uint8]], Instances]] = {"in the process": Ten().detect}
    calls |= {name: detector.detect for name, detector in remote.items()}
    clock: dict[str, list[float]] = {name: [] for name in calls}
    for name in [*calls] * 3 + [*calls] * rounds:
        begun = time.perf_counter()
        calls[name](image)
        clock[name].append(time.perf_counter() - begun)
    print(f"{'1080p, ms a frame':24} {'clock':>7} {'CPU':>7}")
    for name, call in calls.items():
        # Processor time of another process is counted in hundredths of a second: for many calls at once.
        ours, theirs, frames, begun = time.process_time(), server.cpu_s(), 0, time.perf_counter()
        while time.perf_counter() - begun < least_s:
            call(image)
            frames += 1
        cpu_s = (time.process_time() - ours + server.cpu_s() - theirs) / frames
        print(f"{name:24} {median(clock[name][3:]) * 1000:7.2f} {cpu_s * 1000:7.2f}", flush=True)
    jpeg = len(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])
    print(f"a raw picture has {image.nbytes / 1e6:.2f} MB, its JPEG {jpeg / 1e6:.2f} MB")
    for detector in remote.values():
        detector.close()
    server.close()


def in_flight(sleep_s: float, least_s: float) -> None:
    """Print the frames a second with one picture on its way, and with two."""
    server = Server(sleep_s)
    image = picture()
    print(f"a detector that sleeps {sleep_s * 1000:.0f} ms, frames a second, by gRPC")
    for way in WAYS:
        rates = []
        for count in (1, 2):
            detectors = [RemoteDetector(f"{server.specs['gRPC']}?images={way}") for _ in range(count)]
            begun = time.perf_counter()

            def ask(detector: RemoteDetector, begun: float = begun) -> int:
                frames = 0
                while time.perf_counter() - begun < least_s:
                    detector.detect(image)
                    frames += 1
                return frames

            with ThreadPoolExecutor(count) as threads:
                rates.append(sum(threads.map(ask, detectors)) / (time.perf_counter() - begun))
            for detector in detectors:
                detector.close()
        print(f"{way:24} one {rates[0]:6.1f}, two {rates[1]:6.1f}, {rates[1] / rates[0]:.2f} times", flush=True)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--sleep", type=float, default=0.02)
    parser.add_argument("--seconds", type=float, default=3.0, help="what each of the other figures is measured for")
    options = parser.parse_args()
    compare(options.rounds, options.seconds)
    in_flight(options.sleep, options.seconds)


if __name__ == "__main__":
    main()
