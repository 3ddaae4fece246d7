"""All checks, in the order of the report."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.doctor import gpu, software, surroundings
from streamer.doctor.finding import Check, Finding, findings_of

CHECKS: Mapping[str, Check] = {
    "Python": software.python,
    "packages": software.packages,
    "models": software.models,
    "LiteRT": software.runtime,
    # OpenCV before PyAV, which a window needs.
    "font": surroundings.font,
    "window": surroundings.window,
    "FFmpeg": surroundings.ffmpeg,
    "protocols": surroundings.protocols,
    "TensorFlow": software.tensorflow,
    "detector servers": software.servers,
    "GPU driver": gpu.driver,
    "CUDA": gpu.libraries,
    "GPU code": gpu.architecture,
    "NVDEC": gpu.decoder,
    "NVENC": gpu.encoder,
    "disk": surroundings.disk,
}


def examine() -> list[Finding]:
    """What all checks find. Takes a second or two; imports no TensorFlow and needs no network."""
    return [finding for name, check in CHECKS.items() for finding in findings_of(name, check)]
