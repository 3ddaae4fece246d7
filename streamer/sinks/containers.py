"""The containers that hold what streamer promises: exact times, the picture's tags, and copied streams."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from streamer.errors import OutputRefused

# FFmpeg holds denominators in 32 bits, and MP4 a sample's duration: finer ticks would end a file after few seconds' pause.
_FINEST_MP4_TICKS = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What a kind of file can hold, and how FFmpeg writes it."""

    format: str
    """FFmpeg's name of the muxer."""
    encoders: tuple[str, ...]
    """Encoders whose video it holds; the first is the default."""
    ticks: int | None = None
    """Ticks a second to which all times are rounded; None: any, as the input has them."""
    two_steps: bool = False
    """Written in fragments first, which play after a kill, and put in its final shape at the end."""
    described: bool = True
    """Whether it holds chapters and metadata such as a title."""
    sound: str = "aac"
    """Encoder for sound that it cannot hold as it is."""
    text: str | None = None
    """Encoder for subtitles of text that it cannot hold as they are; None: it holds none."""

    def encoders_for(self, kind: str) -> tuple[str, ...]:
        """Encoders for streams of a kind (``audio``, ``subtitle``) that cannot be copied."""
        if kind == "audio":
            return (self.sound,)
        return (self.text,) if kind == "subtitle" and self.text else ()

    def time_base(self, wanted: Fraction) -> Fraction:
        """The time base of a video stream in it that comes nearest to ``wanted``."""
        if self.ticks is not None:
            return Fraction(1, self.ticks)
        return Fraction(1, min(wanted.denominator, _FINEST_MP4_TICKS))


_H26X = ("libx264", "libx265", "libsvtav1", "h264_nvenc", "hevc_nvenc", "av1_nvenc")
_MP4 = Container(format="mp4", encoders=(*_H26X, "libvpx-vp9"), two_steps=True, text="mov_text")
CONTAINERS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container(
        format="mov", encoders=("libx264", "libx265", "h264_nvenc", "hevc_nvenc"), two_steps=True, text="mov_text"
    ),
    ".mkv": Container(format="matroska", encoders=(*_H26X, "libvpx-vp9"), ticks=1000, text="subrip"),
    ".webm": Container(
        format="webm", encoders=("libvpx-vp9", "libsvtav1", "av1_nvenc"), ticks=1000, sound="libopus", text="webvtt"
    ),
    ".ts": Container(
        format="mpegts", encoders=("libx264", "libx265", "h264_nvenc", "hevc_nvenc"), ticks=90_000, described=False
    ),
}
"""File name's ending to container."""


def container_for(path: Path) -> Container:
    """The container that ``path``'s ending asks for. Raises ``OutputRefused`` for others, listing those that work."""
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        ending = f"as {path.suffix}" if path.suffix else "to a name without an ending"
        raise OutputRefused(
            f"{path}: video is not written {ending}",
            hint=f"give one of {', '.join(sorted(CONTAINERS))}, such as -o {path.with_suffix('.mp4').name}",
        )
    return container
