"""Clips of all kinds, made by FFmpeg's command and judged by its ffprobe: a build of its own, independent of PyAV's."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

PATTERN = "testsrc2=size={size}:rate={rate}:duration={seconds}"
TONE = "sine=frequency=440:sample_rate=48000:duration={seconds}"


def ffmpeg(*arguments: str | Path) -> None:
    """Run Debian's ffmpeg; its message is the failure's."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"ffmpeg {' '.join(map(str, arguments))}: {done.stderr}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A recipe for a clip: a moving pattern, encoded fast."""

    size: str = "160x120"
    rate: str = "25"
    seconds: float = 1.2
    video: tuple[str, ...] = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "12")
    filters: str = ""
    audio: tuple[str, ...] = ()
    inputs: tuple[str, ...] = field(default=())
    """More arguments before the first input."""
    output: tuple[str, ...] = ()
    """More arguments before the output."""

    def write(self, path: Path) -> Path:
        """Make the clip."""
        pattern = PATTERN.format(size=self.size, rate=self.rate, seconds=self.seconds)
        arguments: list[str | Path] = [*self.inputs, "-f", "lavfi", "-i", pattern]
        if self.audio:
            arguments += ["-f", "lavfi", "-i", TONE.format(seconds=self.seconds)]
        if self.filters:
            arguments += ["-vf", self.filters]
        ffmpeg(*arguments, *self.video, *self.audio, *self.output, path)
        return path


def probe_json(path: Path | str, *arguments: str) -> dict[str, Any]:
    """What Debian's ffprobe says, as JSON."""
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", *arguments, str(path)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def frame_times(path: Path | str, stream: str = "v:0") -> list[str]:
    """``pts_time`` of every decoded frame, as ffprobe prints it, microseconds and all."""
    frames = probe_json(path, "-select_streams", stream, "-show_entries", "frame=pts_time,best_effort_timestamp_time")["frames"]
    return [frame.get("pts_time") or frame.get("best_effort_timestamp_time", "N/A") for frame in frames]


def video_stream(path: Path | str, stream: str = "v:0") -> dict[str, Any]:
    """ffprobe's description of a video stream."""
    found: dict[str, Any] = probe_json(path, "-select_streams", stream, "-show_streams")["streams"][0]
    return found


def stream_kinds(path: Path | str) -> list[str]:
    """The kinds of streams in their order."""
    return [stream["codec_type"] for stream in probe_json(path, "-show_entries", "stream=codec_type")["streams"]]


def packet_digest(path: Path | str, stream: str) -> str:
    """A checksum over the packets of a stream, which tells whether it was copied bit for bit."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-map", f"0:{stream}", "-c", "copy", "-f", "md5", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def packet_times(path: Path | str, stream: str) -> list[str]:
    """``pts_time`` of every packet of a stream."""
    packets = probe_json(path, "-select_streams", stream, "-show_entries", "packet=pts_time")["packets"]
    return [packet.get("pts_time", "") for packet in packets]


@cache
def debian_has(encoder: str) -> bool:
    """Whether Debian's ffmpeg has this encoder."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-encoders"], capture_output=True, text=True, check=True)
    return f" {encoder} " in done.stdout


def decoded_digest(path: Path | str, stream: str) -> str:
    """A checksum over what a stream decodes to."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-map", f"0:{stream}", "-f", "md5", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()
