"""The video encoders on offer, how each is told quality and speed, and which of them open on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import av
import av.error
import cv2
from av.video.codeccontext import VideoCodecContext

from streamer.errors import ConfigError, EncoderUnavailable, OutputRefused
from streamer.runtime.thread_priority import priority_kept
from streamer.sinks.containers import CONTAINERS, Container
from streamer.suggest import nearest

_X26X_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip

_AVX512_SKX = 256
"""OpenCV's number of it, of which it has no name in Python."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """An encoder and the scales of its two settings."""

    name: str
    crf_max: int
    """Quality runs from 0 (best) to this."""
    crf: float
    """The quality taken where none is asked for."""
    presets: tuple[str, ...]
    """Slowest work last or first, as the encoder has it."""
    preset: str
    """The preset taken where none is asked for."""
    crf_option: str = "crf"
    preset_option: str = "preset"
    crf_whole: bool = False
    """Whether the quality has to be a whole number."""
    fixed: dict[str, str] = field(default_factory=dict)
    """Options that are always set, but for the presets ``without_fixed``."""
    without_fixed: tuple[str, ...] = ()
    """Presets that need none of them."""
    full_range_format: str = "yuv420p"
    """Pixel format in which it takes full-range pictures."""

    def options(self, crf: float | None, preset: str | None) -> dict[str, str]:
        """FFmpeg's options for these settings. Raises ``ConfigError`` for values outside the encoder's scales."""
        if crf is None:
            crf = self.crf
        if not 0 <= crf <= self.crf_max or (self.crf_whole and crf != int(crf)):
            kind = "a whole number" if self.crf_whole else "a number"
            raise ConfigError(f"crf is {crf:g}", hint=f"for {self.name} give {kind} from 0 (best) to {self.crf_max}")
        if preset is None:
            preset = self.preset
        if preset not in self.presets:
            raise ConfigError(f"{self.name} has no preset {preset!r}", hint=f"take one of {', '.join(self.presets)}")
        fixed = {} if preset in self.without_fixed else self.fixed
        return {self.crf_option: f"{crf:g}", self.preset_option: preset, **fixed}


def _same_each_time() -> dict[str, str]:
    """What keeps x264 to the same bytes for the same pictures.

    Its AVX-512 code reads memory that nobody has set when it weighs macroblocks (mbtree): *measured* with x264 165, 854 x 480,
    320 x 240 and other sizes come out otherwise with other contents of fresh memory, and 96 x 64 in 3 of 100 runs. Its AVX2
    code does not, and takes 0.99 to 1.06 of the processor time, 1.13 on a processor (Zen 5) that works on 512 bits at once. The
    two fastest presets do not weigh macroblocks. Named to a processor without AVX2 it would crash.
    """
    return {"x264-params": "asm=AVX2"} if cv2.checkHardwareSupport(_AVX512_SKX) else {}


def _nvenc(name: str) -> Encoder:
    return Encoder(
        name=name, crf_max=51, crf=23, crf_option="cq", presets=tuple(f"p{n}" for n in range(1, 8)), preset="p4",
        fixed={"rc": "vbr", "b": "0"},
    )  # fmt: skip


ENCODERS = {
    encoder.name: encoder
    for encoder in (
        Encoder(
            name="libx264", crf_max=51, crf=20, presets=_X26X_PRESETS, preset="veryfast", full_range_format="yuvj420p",
            fixed=_same_each_time(), without_fixed=("ultrafast", "superfast"),
        ),
        Encoder(
            name="libx265", crf_max=51, crf=24, presets=_X26X_PRESETS, preset="veryfast", full_range_format="yuvj420p",
            fixed={"x265-params": "log-level=none"},
        ),
        Encoder(
            name="libvpx-vp9", crf_max=63, crf=31, crf_whole=True, presets=tuple(str(n) for n in range(9)), preset="5",
            preset_option="cpu-used", fixed={"b": "0", "row-mt": "1", "deadline": "good"},
        ),
        Encoder(
            name="libsvtav1", crf_max=63, crf=32, crf_whole=True, presets=tuple(str(n) for n in range(14)), preset="8"
        ),
        _nvenc("h264_nvenc"),
        _nvenc("hevc_nvenc"),
        _nvenc("av1_nvenc"),
    )
}  # fmt: skip
"""Name to encoder."""


ON_CPU = {"h264_nvenc": "libx264", "hevc_nvenc": "libx265", "av1_nvenc": "libsvtav1"}
"""What encodes the same on the CPU where a GPU's encoder does not open."""


@cache
def opens(name: str) -> bool:
    """Whether this encoder works on this machine: found out by opening it for a small picture."""
    if name not in av.codecs_available:
        return False
    # SVT-AV1 writes pages about itself to stderr; errors only.
    os.environ.setdefault("SVT_LOG", "1")
    try:
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = 256, 256, "yuv420p"
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        context.options = ENCODERS[name].options(None, None)
        with priority_kept():
            context.open()
    except (av.error.FFmpegError, ValueError, OSError):
        return False
    return True


def available_encoders() -> list[str]:
    """Names of the encoders that open here, in order of preference."""
    return [name for name in ENCODERS if opens(name)]


def choose_encoder(name: str | None, container: Container, path: object) -> Encoder:
    """The encoder to take for a container: that of ``name``, or where a GPU's does not open, its like on the CPU.

    Raises ``EncoderUnavailable`` or ``OutputRefused``.
    """
    if name is None:
        name = container.encoders[0]
    if name not in ENCODERS:
        near = nearest(name, ENCODERS, most=1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise EncoderUnavailable(
            f"there is no encoder {name}", hint=f"{guess}those that work here: {', '.join(available_encoders())}"
        )
    if name not in container.encoders:
        fitting = sorted(suffix for suffix, other in CONTAINERS.items() if name in other.encoders)
        raise OutputRefused(
            f"{path} cannot hold video from {name}",
            hint=f"take --encoder {container.encoders[0]}, or an output that ends in {', '.join(fitting)}",
        )
    if not opens(name) and name in ON_CPU and opens(ON_CPU[name]):
        return ENCODERS[ON_CPU[name]]
    if not opens(name):
        raise EncoderUnavailable(
            f"the encoder {name} does not open on this machine", hint=f"take one of {', '.join(available_encoders())}"
        )
    return ENCODERS[name]
