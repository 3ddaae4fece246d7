"""What live is judged by: lag, fairness, cost, the first picture, recovery.

    python -m benchmarks.live [latency window stream fairness cost first recovery] [--seconds 10]

``latency``: from capture to the outputs within the pipeline. ``window`` and ``stream``: from glass to glass, by a clock in the
picture that is read back from a screenshot (a virtual display is needed) and from the published stream, decoded.
``fairness``: shares of the detector for 8 sources of 640x360 at 10 frames a second. ``cost``: processor time of N cameras of
1280x720 at 25, and of one that is away. ``first``: from the start of the command to the first record. ``recovery``: from the
return of an RTSP server to the next frame.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from benchmarks.picture_clock import BITS, ClockSource, now_ms, read_clock
from streamer.config.live import CameraConfig, ProcessOptions
from streamer.detectors.registry import load_detector
from streamer.live.parts import Parts, PartsFactory
from streamer.live.shared_detector import SharedDetector
from streamer.live.status import CameraStatus
from streamer.live.supervisor import Cameras
from streamer.stages import Detector
from tests.fakes import FakeDetector

FPS = 25.0


class ClockParts(PartsFactory):
    """The usual parts behind a source with a clock in its picture."""

    def __init__(self, shared: SharedDetector, size: tuple[int, int], fps: float, seconds: float) -> None:
        super().__init__(shared, ProcessOptions())
        self._clock_source = (*size, fps, seconds)

    def __call__(self, camera: str, config: CameraConfig) -> Parts:
        """With a new source with a clock for the camera ``test:``."""
        parts = super().__call__(camera, config)
        if config.source != "test:":
            return parts
        return replace(parts, source=lambda _on_state: ClockSource(*self._clock_source))


def run(
    seconds: float,
    configs: dict[str, dict[str, object]],
    *,
    detector: Detector | None = None,
    size: tuple[int, int] = (1280, 720),
    fps: float = FPS,
    beside: Callable[[Cameras], None] = lambda _cameras: None,
) -> list[CameraStatus]:
    """Run cameras, ``beside`` in another thread meanwhile; how they were at the end."""
    used: Detector = detector or FakeDetector()
    used.warm_up()
    settings = {name: CameraConfig.model_validate({"source": "test:", **options}) for name, options in configs.items()}
    shared = SharedDetector(used)
    cameras = Cameras(settings, shared, ClockParts(shared, size, fps, seconds))
    helper = threading.Thread(target=beside, args=(cameras,))
    helper.start()
    cameras.run()
    helper.join()
    for name, failure in cameras.failures.items():
        raise RuntimeError(f"{name} failed") from failure
    return cameras.statuses()


def spread(name: str, milliseconds: Sequence[float]) -> None:
    """Print median and 95th percentile."""
    if not milliseconds:
        print(f"{name}: nothing came through")
        return
    p95 = sorted(milliseconds)[int(0.95 * (len(milliseconds) - 1))]
    print(f"{name}: median {statistics.median(milliseconds):.1f} ms, p95 {p95:.1f} ms ({len(milliseconds)} pictures)")


def latency(seconds: float) -> None:
    """From capture to the hand-over to the outputs, with a detector that takes no time, and with `nanodet`."""
    for name, detector in (("no detector", None), ("nanodet", load_detector("nanodet", score_threshold=0.4, live=True))):
        (status,) = run(seconds, {"clock": {}}, detector=detector)
        e2e = status.latencies["e2e"]
        print(
            f"capture to outputs, 1280x720 at {FPS:g}, {name}: median {1e3 * e2e.median_s:.1f} ms, "
            f"p95 {1e3 * e2e.p95_s:.1f} ms "
            f"(a frame is {1e3 / FPS:.0f} ms); {status.frames_out} of {status.frames_in} shown"
        )


def stream(seconds: float) -> None:
    """Capture to the published stream, received and decoded on this machine."""
    lags: list[float] = []

    def receive(_cameras: Cameras) -> None:
        options = {"fflags": "nobuffer", "flags": "low_delay", "probesize": "200000", "analyzeduration": "500000"}
        with av.open("udp://127.0.0.1:23450?timeout=8000000", options=options) as container:
            container.streams.video[0].thread_type = "SLICE"
            try:
                for frame in container.decode(video=0):
                    note(np.asarray(frame.reformat(format="gray").to_ndarray(), np.uint8), lags)
            except (av.error.FFmpegError, EOFError):
                return

    run(seconds, {"clock": {"publish": ["udp://127.0.0.1:23450?pkt_size=1316"]}}, beside=receive)
    spread("glass to published stream, 1280x720 at 25 (encoded, sent, received, decoded)", lags[10:])


def window(seconds: float) -> None:
    """Capture to the window, by screenshots of a virtual display."""
    from tests.display import VirtualDisplay, why_not

    if reason := why_not():
        print(f"glass to window: {reason}")
        return
    display = VirtualDisplay()
    os.environ["DISPLAY"] = display.environ["DISPLAY"]
    seen = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.screen_clock", os.environ["DISPLAY"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        run(seconds, {"clock": {"show": True}}, size=(640, 360))
    finally:
        seen.terminate()
        display.stop()
    lags = [float(line) for line in seen.communicate()[0].splitlines()]
    spread("glass to window, 640x360 at 25 (screenshots 120 times a second)", lags[10:])


def note(grey: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], lags: list[float]) -> None:
    """Read the clock and keep how long ago it was."""
    shown = read_clock(grey)
    if shown is not None:
        lags.append((now_ms() - shown) % (1 << BITS))


def fairness(seconds: float) -> None:
    """The shares of `nanodet` that 8 cameras get."""
    detector = load_detector("nanodet", score_threshold=0.4, live=True)
    configs: dict[str, dict[str, object]] = {f"camera {n}": {} for n in range(8)}
    statuses = run(2 * seconds, configs, detector=detector, size=(640, 360), fps=10.0)
    calls = [status.detections for status in statuses]
    mean = statistics.mean(calls)
    print(
        f"8 sources of 640x360 at 10, nanodet: {sum(calls) / (2 * seconds):.1f} detections a second in all, each "
        f"{min(calls)}..{max(calls)}, furthest from the mean {100 * max(abs(c - mean) for c in calls) / mean:.1f} %; shown "
        f"{min(s.frames_out for s in statuses)}..{max(s.frames_out for s in statuses)} of {statuses[0].frames_in} frames each"
    )


def cost(seconds: float) -> None:
    """Processor seconds a second of N cameras, and of one that is away."""
    for count in (1, 2, 4):
        before = time.process_time()
        statuses = run(seconds, {f"camera {n}": {} for n in range(count)})
        used = (time.process_time() - before) / seconds
        shown = sum(status.frames_out for status in statuses) / seconds / count
        print(
            f"{count} cameras of 1280x720 at 25, no detector, no outputs: {100 * used:.0f} % of one core, "
            f"{shown:.1f} shown each"
        )

    def stop(cameras: Cameras) -> None:
        time.sleep(seconds)
        cameras.stop()

    before = time.process_time()
    run(seconds, {"away": {"source": "rtsp://127.0.0.1:9/x"}}, beside=stop)
    print(f"a camera that is away: {100 * (time.process_time() - before) / seconds:.1f} % of one core")


def first(_seconds: float) -> None:
    """From the start of the command to the first record, on a source that is there."""
    times = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "records.jsonl"
            command = [
                sys.executable,
                "-m",
                "streamer",
                "live",
                "lavfi:testsrc2=size=640x360:rate=25",
                "--detections",
                str(path),
            ]
            begun = time.monotonic()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not (path.exists() and '"frame"' in path.read_text(encoding="utf-8")) and process.poll() is None:
                time.sleep(0.01)
            times.append(time.monotonic() - begun)
            process.terminate()
            process.wait(10)
    print(f"start of the command to the first annotated frame, nanodet: median {statistics.median(times):.2f} s")


def recovery(_seconds: float) -> None:
    """From the return of an RTSP server to the next frame, after it was killed."""
    from tests.rtsp import RtspServer, why_not

    if reason := why_not():
        print(f"recovery: {reason}")
        return
    server = RtspServer()
    server.start()
    times: list[tuple[float, float]] = []

    def faults(cameras: Cameras) -> None:
        (camera,) = cameras.cameras
        for away_s in (0.5, 2.0, 4.0):
            wait_for(lambda: camera.status().state == "running" and camera.status().frames_out > 10)
            server.kill()
            wait_for(lambda: camera.status().state == "reconnecting")
            time.sleep(away_s)
            frames = camera.status().frames_in
            server.start()
            back = time.monotonic()
            wait_for(lambda frames=frames: camera.status().frames_in > frames)  # type: ignore[misc]  # bound at once
            times.append((away_s, time.monotonic() - back))
        cameras.stop()

    run(60.0, {"gate": {"source": server.url(), "transport": "tcp"}}, beside=faults)
    server.stop()
    print(
        "RTSP server killed and back: " + ", ".join(f"away {away:g} s, next frame after {took:.2f} s" for away, took in times)
    )


def wait_for(true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Poll until it is so."""
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.005)


def main() -> None:
    """Run the named benchmarks, or all."""
    benchmarks = {f.__name__: f for f in (latency, window, stream, fairness, cost, first, recovery)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(benchmarks)}; all by default")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run")
    arguments = parser.parse_args()
    for name in arguments.names or benchmarks:
        benchmarks[name](arguments.seconds)


if __name__ == "__main__":
    main()
