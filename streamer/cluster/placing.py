"""What work needs to be done on any machine: paths that hold everywhere, and a share of the GPUs."""

from __future__ import annotations

import math
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

from streamer.config.fields import Settings
from streamer.detectors.registry import is_path
from streamer.errors import ConfigError
from streamer.object_storage.addresses import address_of

_GPU_PARTS = 10_000
"""Ray counts a GPU in so many parts."""
_MAY_BE_FILES = ("input", "source", "labels", "video")

S = TypeVar("S", bound=Settings)


def absolute(settings: S) -> S:
    """The same settings with paths that do not depend on the folder of the process."""
    update: dict[str, object] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Settings):
            update[name] = absolute(value)
        elif (name == "detector" and is_path(value)) or (
            name in _MAY_BE_FILES and value is not None and os.path.exists(value)  # noqa: PTH110  # a Path raises for some names
        ):
            update[name] = type(value)(os.path.abspath(value))  # noqa: PTH100  # a Path leaves .. in it
        elif isinstance(value, Path) and address_of(value) is None:
            update[name] = value.absolute()
    return settings.model_copy(update=update)


def not_on(machines: Collection[str]) -> dict[str, str] | None:
    """Ray's ``label_selector`` of all machines but these, by their identifiers."""
    return {"ray.io/node-id": f"!in({','.join(sorted(machines))})"} if machines else None


def gpu_share(ray: Any, device: str, wanting: int | None) -> float:
    """Of a GPU, 0..1, for each of so many that want one; None: a whole one each.

    Raises ``ConfigError`` where no machine has a GPU, and for the number of one, which Ray chooses.
    """
    if device != "cuda":
        raise ConfigError(f"device: {device} names a GPU, which Ray chooses", hint="say --device cuda")
    there = float(ray.cluster_resources().get("GPU", 0.0))
    if not there:
        raise ConfigError("no machine of the cluster has a GPU", hint="ray start --num-gpus 1, or --device cpu")
    return 1.0 if wanting is None else math.floor(min(1.0, there / wanting) * _GPU_PARTS) / _GPU_PARTS
