"""What recording by copy costs, beside ``ffmpeg -c copy`` on the same camera, and what a small stream with a detector adds.

    python -m benchmarks.record [--seconds 30] [--rounds 2]

Shares of one core, of the whole process, once the first packets are on the disk and the detector has answered. The runs take
turns, so that a busy machine slows down both.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av

from tests.camera import Camera

_WARM_S = 2.0
"""What a process does in the first seconds of its work is not measured ..."""
_MOST_S = 120.0
"""... and its start may take so long."""
_SOME_BYTES = 100_000
"""A file of this size holds pictures."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large, small = folder / "large.units", folder / "small.units"
        encode(large, (1920, 1080), 4_000_000)
        encode(small, (640, 360), 500_000)
        (folder / "a").mkdir()
        (folder / "b").mkdir()
        main_camera, sub_camera = Camera(folder / "a", video=large, sound="aac"), Camera(folder / "b", video=small)
        main_camera.start()
        sub_camera.start()
        streamer = [sys.executable, "-m", "streamer", "live"]
        ffmpeg = ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", main_camera.url, "-c", "copy"]
        detecting = [*streamer, sub_camera.url, "--detect-fps", "5", "--detections", "found.jsonl"]
        commands = {
            "streamer --record, 1080p25 + AAC": [*streamer, main_camera.url, "--record", "copied"],
            "ffmpeg -c copy, the same camera": [*ffmpeg, "-f", "segment", "-segment_time", "60", "ff%03d.mp4"],
            "streamer --detect-fps 5, 640x360": detecting,
            "streamer --detect-fps 5 --motion-gate, 640x360": [*detecting, "--motion-gate"],
        }
        try:
            shares: dict[str, list[float]] = {title: [] for title in commands}
            for turn in range(options.rounds):
                for number, (title, command) in enumerate(commands.items()):
                    work = folder / f"{turn}-{number}"
                    work.mkdir()
                    shares[title].append(share(command, work, options.seconds))
        finally:
            main_camera.stop()
            sub_camera.stop()
    for title, measured in shares.items():
        print(f"{title:48} {statistics.median(measured):6.2%} of a core", flush=True)


def encode(path: Path, size: tuple[int, int], bit_rate: int, seconds: int = 10) -> None:
    """FFmpeg's moving test picture, 25 a second with a key frame every two seconds, as a file of units."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = *size, "yuv420p"
    context.bit_rate, context.gop_size = bit_rate, 50
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.options = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "scenecut=0:threads=2:sliced-threads=0"}
    scene = f"testsrc2=size={size[0]}x{size[1]}:rate=25:duration={seconds},noise=alls=6:allf=t,format=yuv420p"
    packets = []
    with av.open(scene, format="lavfi") as container:
        for index, frame in enumerate(container.decode(video=0)):
            frame.pts, frame.time_base = index, Fraction(1, 25)
            packets += [bytes(packet) for packet in context.encode(frame)]
    packets += [bytes(packet) for packet in context.encode(None)]
    path.write_bytes(b"".join(len(data).to_bytes(4, "big") + data for data in packets))


def share(command: list[str], folder: Path, seconds: float) -> float:
    """Processor time of ``command`` in ``seconds`` of its work in an empty ``folder``, as a share of one core.

    Raises ``RuntimeError`` where it does not begin to work.
    """
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + _MOST_S
        while not works(folder):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} has not begun to work")
            time.sleep(0.2)
        time.sleep(_WARM_S)
        before, begun = used_s(process.pid), time.monotonic()
        time.sleep(seconds)
        return (used_s(process.pid) - before) / (time.monotonic() - begun)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def works(folder: Path) -> bool:
    """Whether there is video in ``folder``, or records that the detector has answered for."""
    records = folder / "found.jsonl"
    if records.exists():
        return '"looked_s"' in records.read_text(encoding="utf-8")
    return any(path.stat().st_size > _SOME_BYTES for path in folder.rglob("*.mp4"))


def used_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
