"""Python, the packages, TensorFlow, and the models that come with streamer."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from streamer.doctor.finding import Finding, broken, missing, ok
from streamer.runtime import cuda

LEAST_PYTHON, FIRST_UNTRIED_PYTHON = (3, 11), (3, 14)
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*([^;]*)(;.*)?")
_BOUND = re.compile(r"(>=|<)\s*([\d.]+)")


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Iterable[Finding]:
    """Whether Python is of a version that streamer runs on."""
    shown = ".".join(map(str, version))
    if version[:2] < LEAST_PYTHON:
        yield broken("Python", shown, "install Python 3.11 or later", needed=True)
    elif version[:2] >= FIRST_UNTRIED_PYTHON:
        yield ok("Python", f"{shown}, newer than streamer was tried with (3.11 to 3.13)")
    else:
        yield ok("Python", f"{shown}, {platform.machine()}")


def packages(required: Iterable[str] | None = None, installed: Mapping[str, str] | None = None) -> Iterable[Finding]:
    """Whether the packages that streamer requires are here, in the versions that it requires.

    ``required`` and ``installed`` (version by name) stand for those of this environment.
    """
    if required is None:
        try:
            required = metadata.requires("streamer") or []
        except metadata.PackageNotFoundError:
            yield missing("packages", "streamer itself is not installed, it runs from its folder", "pip install .")
            return
    wanted = [match for text in required if (match := _REQUIREMENT.fullmatch(text.strip())) and "extra" not in (match[3] or "")]
    good = 0
    for name, bounds in ((match[1], match[2]) for match in wanted):
        found = _installed(name) if installed is None else installed.get(name, "")
        if not found:
            yield missing(name, "is not installed", f'pip install "{name}{bounds.strip()}"', needed=True)
        elif not _within(found, bounds):
            yield broken(name, f"{found} is installed, {bounds.strip()} is required", f'pip install "{name}{bounds.strip()}"')
        else:
            good += 1
    if good == len(wanted):
        yield ok("packages", f"all {good} are here in fitting versions")


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _within(version: str, bounds: str) -> bool:
    have = _numbers(version)
    for sign, text in _BOUND.findall(bounds):
        limit = _numbers(text)
        if (have < limit) if sign == ">=" else (have >= limit):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])


def tensorflow() -> Iterable[Finding]:
    """What TensorFlow was built for. It is not imported, which takes seconds."""
    build = cuda.tensorflow_build()
    if build is None:
        yield missing("TensorFlow", "is not installed; the built-in detectors do without", "pip install tensorflow")
    elif build.problem:
        yield broken("TensorFlow", f"{build.version}, {build.problem}", "pip install --force-reinstall tensorflow")
    elif build.cuda:
        yield ok("TensorFlow", f"{build.version}, for CPUs and for CUDA {build.cuda} with cuDNN {build.cudnn}")
    else:
        yield ok("TensorFlow", f"{build.version}, for CPUs only")


def models(folder: Path | None = None) -> Iterable[Finding]:
    """Whether the weights that come with streamer are what they were."""
    from streamer.detectors import weights
    from streamer.errors import DetectorUnavailable

    good = 0
    for name in weights.SHA256:
        try:
            weights.verified(name, folder or weights.FOLDER)
        except DetectorUnavailable as error:
            yield broken("models", error.message, "install streamer again", needed=True)
        else:
            good += 1
    if good == len(weights.SHA256):
        yield ok("models", f"nanodet, nanodet:large: all {good} files agree with their checksums")


def runtime() -> Iterable[Finding]:
    """Whether the runtime of the built-in models loads one."""
    from streamer.detectors import litert, weights

    name = "outlines/selfie_segmentation.tflite"
    litert.Network(weights.verified(name), 1, name)
    yield ok("LiteRT", "runs the built-in models")


def servers(memory: Path = Path("/dev/shm")) -> Iterable[Finding]:
    """Whether detectors on servers can be asked, and served."""
    from streamer.kserve.grpc_messages import request_from_bytes, request_to_bytes
    from streamer.kserve.messages import InferRequest

    request_from_bytes(request_to_bytes(InferRequest(model="doctor", inputs=[])))
    versions = f"gRPC {_installed('grpcio')}, protobuf {_installed('protobuf')}"
    if os.access(memory, os.W_OK):
        yield ok("detector servers", f"{versions}; on one machine pictures go by shared memory (kserve://…, streamer serve)")
    else:
        remedy = "in a container, mount /dev/shm; or do without, pictures are sent then"
        yield missing("detector servers", f"{versions}; {memory} cannot be written to", remedy)
