"""Where a SavedModel computes: what was asked for, what there is, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamer.errors import DetectorUnavailable
from streamer.runtime import cuda

AUTO, CPU = "auto", "cpu"
PATTERN = r"auto|cpu|cuda(?::\d{1,2})?"
"""``auto``, ``cpu``, ``cuda`` (the first GPU) or ``cuda:N``."""
SEVERAL_PATTERN = r"auto|cpu|cuda(?::(?:all|\d{1,2}(?:,\d{1,2})*))?"
"""The same, several GPUs as ``cuda:N,M``, and every GPU as ``cuda:all``."""


@dataclass(frozen=True, slots=True)
class Device:
    """What TensorFlow was told to use."""

    name: str
    """``CPU``, or the GPU's name."""
    why: str = ""
    """Why it is that one, where nothing was asked for; empty elsewhere."""

    def __str__(self) -> str:
        return f"{self.name} ({self.why})" if self.why else self.name


def each(device: str) -> tuple[str, ...]:
    """The devices that a text of ``SEVERAL_PATTERN`` asks for, each as ``PATTERN`` says; at least one.

    Raises ``DetectorUnavailable`` where there is none of "all".
    """
    kind, _, numbers = device.partition(":")
    if numbers == "all":
        gpus = range(len(cuda.driver().gpus))
        if not gpus:
            check(kind)
            raise DetectorUnavailable("there is no GPU", hint="streamer doctor says what is missing")
        return tuple(f"{kind}:{index}" for index in gpus)
    return tuple(f"{kind}:{number}" for number in numbers.split(",")) if numbers else (device,)


def gpu_index(device: str) -> int | None:
    """The number of the first GPU that a text of ``SEVERAL_PATTERN`` asks for, from 0; None for ``auto`` and ``cpu``."""
    kind, _, numbers = device.partition(":")
    number = numbers.split(",")[0].removeprefix("all")
    return int(number or 0) if kind == "cuda" else None


def check(device: str) -> None:
    """Raise ``DetectorUnavailable`` for a GPU that cannot be used, naming what is in the way, before TensorFlow is imported."""
    index = gpu_index(device)
    if index is not None and (obstacle := cuda.obstacle(index)) is not None:
        raise DetectorUnavailable(f"the device {device} cannot be used: {obstacle.what}", hint=obstacle.remedy)


def choose(tf: Any, device: str) -> Device:
    """Let TensorFlow see the device alone, with GPU memory taken as it is needed. Holds for the whole process.

    Raises ``DetectorUnavailable`` for a GPU that TensorFlow does not show, and when it works on another device already.
    """
    gpus = tf.config.list_physical_devices("GPU")
    index = gpu_index(device)
    if index is not None and index >= len(gpus):
        raise DetectorUnavailable(
            f"the device {device} cannot be used: TensorFlow shows {len(gpus)} GPUs",
            hint="streamer doctor says what is missing",
        )
    seen = gpus[:1] if device == AUTO else [] if index is None else [gpus[index]]
    try:
        tf.config.set_visible_devices(seen, "GPU")
        for gpu in seen:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        # It has begun to work in this process: nothing can be changed any more.
        if tf.config.get_visible_devices("GPU") != seen:
            raise DetectorUnavailable(
                f"the device {device} cannot be used: TensorFlow already works on another one in this process",
                hint="use one device in a process",
            ) from error
    if not seen:
        return Device("CPU", _no_gpu() if device == AUTO else "")
    name = str(tf.config.experimental.get_device_details(seen[0]).get("device_name", "GPU"))
    return Device(name, f"the first of {len(gpus)} GPUs" if device == AUTO and len(gpus) > 1 else "")


def _no_gpu() -> str:
    obstacle = cuda.obstacle()
    return f"no GPU: {obstacle.what}" if obstacle is not None else "TensorFlow shows no GPU"
