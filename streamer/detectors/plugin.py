"""A user's own detector: what it leaves out is filled in, what it answers is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DetectorContractError, DetectorUnavailable
from streamer.instances import Instances


class PluginDetector:
    """Wraps an object with ``detect(image) -> Instances`` and ``labels``; other members of ``Detector`` are optional."""

    def __init__(self, plugin: Any, spec: str) -> None:
        """``spec`` names it in errors. Raises ``DetectorContractError`` when ``detect`` or ``labels`` are missing or unfit."""
        self._plugin = plugin
        self._spec = spec
        if not callable(getattr(plugin, "detect", None)):
            raise DetectorContractError(
                f"the detector {spec} has no method detect", hint="add detect(self, image) -> streamer.Instances"
            )
        if callable(forget := getattr(plugin, "forget", None)):
            # ``stages.Remembers``, for those that do.
            self.forget = forget
        self.labels = labels_of(getattr(plugin, "labels", None), spec)
        self.name = str(getattr(plugin, "name", None) or spec)
        self.device = str(getattr(plugin, "device", None) or "unknown")
        contract = getattr(plugin, "contract", None)
        self.contract: Mapping[str, str] = contract if isinstance(contract, Mapping) else {}
        size = getattr(plugin, "input_size", None)
        fits = isinstance(size, tuple | list) and len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size)
        if size is not None and not fits:
            raise DetectorContractError(
                f"the detector {spec}: input_size: expected None or (width, height) in pixels, got {brief(size)}"
            )
        self.input_size: tuple[int, int] | None = None if size is None else (size[0], size[1])

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        """What the plugin finds, checked. What it raises passes through."""
        found = self._plugin.detect(image)
        if not isinstance(found, Instances):
            raise DetectorContractError(
                f"the detector {self._spec} answered with {brief(found)}, expected streamer.Instances",
                hint="build it with Instances(boxes_xyxy=…, scores=…, class_ids=…)",
            )
        return found

    def warm_up(self) -> None:
        """The plugin's own ``warm_up``, if it has one. Raises ``DetectorUnavailable`` when that raises."""
        try:
            _call(self._plugin, "warm_up")
        except (Exception, SystemExit) as error:
            raise DetectorUnavailable(
                f"the detector {self._spec} cannot be warmed up: {type(error).__name__}: {error}", hint="mend its warm_up"
            ) from error

    def close(self) -> None:
        """The plugin's own ``close``, if it has one."""
        _call(self._plugin, "close")


def labels_of(labels: object, spec: str) -> Mapping[int, str]:
    """Class names by id, checked. Raises ``DetectorContractError`` for anything else."""
    if not isinstance(labels, Mapping) or not all(
        isinstance(key, int | np.integer) and isinstance(value, str) for key, value in labels.items()
    ):
        raise DetectorContractError(
            f"the detector {spec}: labels: expected a mapping of class id to name, got {brief(labels)}",
            hint='for example labels = {1: "ball"}',
        )
    return {int(key): value for key, value in labels.items()}


def _call(plugin: Any, method: str) -> None:
    function = getattr(plugin, method, None)
    if callable(function):
        function()


def brief(value: object) -> str:
    """What a value is, on part of a line."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} {getattr(value, 'dtype', '')} {tuple(shape)}"
    text = " ".join(repr(value).split())
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
