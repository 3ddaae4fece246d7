"""A detector in a process of its own, so that several work at the same time on all cores or GPUs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.from_settings import DetectorSettings
from streamer.errors import DetectorError, DetectorUnavailable, StreamerError
from streamer.instances import Instances
from streamer.redact import redact
from streamer.runtime.child import start


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the other side should know of the detector."""

    name: str
    labels: Mapping[int, str]
    input_size: tuple[int, int] | None
    detects_wanted: bool
    remembers: bool


class DetectorProcess:
    """Implements ``stages.Detector`` by another process. Used by one thread at a time, but for :meth:`close`."""

    def __init__(self, settings: DetectorSettings, least_score: float, threads: int | None) -> None:
        """Start the process; :meth:`wait` ends once the detector is loaded."""
        self._spec = redact(settings.detector)
        self._child = start("streamer.detectors.process_main")
        self._child.connection.send((settings, least_score, threads))
        self.name = self._spec
        self.labels: dict[int, str] = {}
        self.input_size: tuple[int, int] | None = None

    def wait(self) -> None:
        """Until it is loaded. Raises what loading raises, or ``DetectorUnavailable``."""
        loaded = self._answer(DetectorUnavailable)
        assert isinstance(loaded, Loaded)
        self.name, self.labels, self.input_size = loaded.name, dict(loaded.labels), loaded.input_size
        if loaded.detects_wanted:
            self.detect_wanted = self._detect_wanted
        if loaded.remembers:
            self.forget = self._forget

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        """What the detector finds. Raises ``DetectorError`` for what it raises, or when its process has died."""
        found: Instances = self._call("detect", image)
        return found

    def warm_up(self) -> None:
        """Do what the first call would have to wait for."""
        self._call("warm_up")

    def close(self) -> None:
        """End the process, in whatever call it is."""
        self._child.process.kill()
        self._child.process.wait()

    def _detect_wanted(
        self, image: NDArray[np.uint8], wanted: Callable[[Instances], NDArray[np.intp]], *, masks: bool = True
    ) -> Instances:
        found: Instances = self._call("detect_wanted", image, wanted, masks=masks)
        return found

    def _forget(self) -> None:
        self._call("forget")

    def _call(self, method: str, *arguments: object, **options: object) -> Any:
        try:
            self._child.connection.send((method, arguments, options))
        except OSError as error:
            raise self._died(DetectorError) from error
        return self._answer(DetectorError)

    def _answer(self, kind: type[DetectorError]) -> object:
        try:
            answer = self._child.connection.recv()
        except (EOFError, OSError) as error:
            raise self._died(kind) from error
        if isinstance(answer, StreamerError):
            raise answer
        return answer

    def _died(self, kind: type[DetectorError]) -> DetectorError:
        code = self._child.process.wait()
        return kind(f"the process of the detector {self._spec} has ended with {code}", hint="is there memory enough for all?")
