"""Decoding on a GPU against decoding on the CPU: the same pictures at the same times, and how many a second.

    python -m benchmarks.gpu_video [--seconds 8]

Makes its own clips. Needs PyAV, NumPy and OpenCV, no ffmpeg program and no TensorFlow. Exit code 0: a GPU decodes
and its pictures are right; 1: they are not; 2: there is none, and the reason is printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.video.stream import VideoStream

from streamer.doctor import gpu
from streamer.frame import Frame, plane_views
from streamer.instances import Instances
from streamer.sinks.encoder import VideoEncoder
from streamer.sources import hardware
from streamer.sources.video import VideoFile
from streamer.stages import Annotated

CLIPS = (
    ("H.264 1080p", "libx264", "yuv420p", 1920, 1080),
    ("H.264 2160p", "libx264", "yuv420p", 3840, 2160),
    ("HEVC 10 bit 1080p", "libx265", "yuv420p10le", 1920, 1080),
)
RATE = 25


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="length of the clips")
    seconds = parser.parse_args().seconds
    for finding in (*gpu.driver(), *gpu.decoder(), *gpu.encoder()):
        print(f"{finding.verdict}: {finding.name}: {finding.text}")
    reason = hardware.obstacle(0)
    if reason:
        print(reason)
        return 2
    wrong = 0
    print(f"\n{'clip':<20}{'CPU':>10}{'GPU':>10}  frames a second, as frames() gives them")
    with tempfile.TemporaryDirectory() as folder:
        for name, encoder, pixel_format, width, height in CLIPS:
            path = Path(folder) / f"{name.replace(' ', '-')}.mkv"
            write(path, encoder, pixel_format, width, height, seconds * RATE)
            fault = difference(path)
            wrong += bool(fault)
            # In turn, so that what else the machine does hits both.
            rates = {decode: max(rate(path, decode) for _ in range(2)) for decode in ("cpu", "cuda")}
            print(
                f"{name:<20}{rates['cpu']:>10.0f}{rates['cuda']:>10.0f}  {fault or 'the same pictures and times'}", flush=True
            )
        print(f"\n--encoder h264_nvenc: {encoded(path, Path(folder) / 'out.mp4')}")
    return 1 if wrong else 0


def write(path: Path, encoder: str, pixel_format: str, width: int, height: int, frames: int) -> None:
    """A moving pattern with noise, so that there is something to decode."""
    noise = np.random.default_rng(0).integers(0, 40, (height * 3 // 2, width), dtype=np.uint8)
    options = {"preset": "ultrafast", **({"x265-params": "log-level=none"} if encoder == "libx265" else {})}
    with av.open(str(path), "w") as output:
        stream = output.add_stream(encoder, rate=RATE, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        for index in range(frames):
            picture = av.VideoFrame.from_ndarray(np.roll(noise, 8 * index, axis=1) + np.uint8(80), format="yuv420p")
            picture = picture.reformat(format=pixel_format)
            picture.pts, picture.time_base = index, Fraction(1, RATE)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))


def read(path: Path, decode: Literal["cpu", "cuda"]) -> Iterator[Frame]:
    source = VideoFile(path, decode=decode)
    source.open()
    if source.notes:
        raise SystemExit(f"{path.name}: {source.notes[0]}")
    yield from source.frames()
    source.close()


def difference(path: Path) -> str:
    """What is not the same, of the first 50 frames; empty where all is. Making 8 bits of 10 may round another way."""
    for one, other, _ in zip(read(path, "cuda"), read(path, "cpu"), range(50), strict=False):
        if (one.pts, one.duration, one.width, one.height) != (other.pts, other.duration, other.width, other.height):
            return f"frame {other.index} differs in its time or size"
        for plane, expected in zip(plane_views(one.picture), plane_views(other.picture), strict=True):
            most = int(np.abs(plane.astype(int) - expected).max())
            if most > 1:
                return f"frame {other.index} differs by {most}"
    return ""


def rate(path: Path, decode: Literal["cpu", "cuda"]) -> float:
    """Frames a second."""
    before = time.perf_counter()
    frames = sum(1 for _ in read(path, decode))
    return frames / (time.perf_counter() - before)


def encoded(path: Path, output: Path) -> str:
    """Which encoder took the frames, and its frames a second."""
    source = VideoFile(path)
    encoder = VideoEncoder(output, source.open(), source=source, encoder="h264_nvenc")
    before = time.perf_counter()
    for frame in source.frames():
        encoder.write(Annotated(frame, Instances.empty(), picture=frame.picture))
    encoder.finish()
    source.close()
    return f"{encoder.encoder}, {encoder.frames_written / (time.perf_counter() - before):.0f} frames a second"


if __name__ == "__main__":
    sys.exit(main())
