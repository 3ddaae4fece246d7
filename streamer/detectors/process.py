"""A detector in a process of its own, so that several work at the same time on all cores or GPUs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.from_settings import DetectorSettings
from streamer.errors import DetectorUnavailable, StreamerError
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
    device: str
    slow: bool


@dataclass(frozen=True, slots=True)
class Said:
    """What was logged on the other side."""

    logger: str
    level: int
    message: str


class DetectorProcess:
    """Implements ``stages.Detector`` by another process. Used by one thread at a time, but for :meth:`close`.

    So a detector that crashes takes nothing along: its calls raise ``DetectorUnavailable`` until :meth:`reload`.
    """

    def __init__(
        self, settings: DetectorSettings, least_score: float, *, threads: int | None = None, device: str | None = None
    ) -> None:
        """Start the process; :meth:`wait` ends once the detector is loaded. See ``from_settings.load``."""
        self._spec = redact(settings.detector)
        self._asked = (settings, least_score, threads, device)
        self._closed = False
        self._lock = threading.Lock()
        """Held where a process is started or ended: none is started once it is closed."""
        self._start()
        self._place = device or settings.device
        self.device = self._place
        """Where it computes: what was asked for, and once it is loaded the device's name."""
        self.slow = False
        """Whether a frame takes it seconds."""
        self.name = self._spec
        self.labels: dict[int, str] = {}
        self.input_size: tuple[int, int] | None = None

    def wait(self) -> None:
        """Until it is loaded. Raises what loading raises, or ``DetectorUnavailable``."""
        loaded = self._answer()
        assert isinstance(loaded, Loaded)
        self.slow = loaded.slow
        if loaded.device not in ("", "unknown", self._place):
            self.device = f"{self._place} ({loaded.device})"
        self.name, self.labels, self.input_size = loaded.name, dict(loaded.labels), loaded.input_size
        if loaded.detects_wanted:
            self.detect_wanted = self._detect_wanted
        if loaded.remembers:
            self.forget = self._forget

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        """What the detector finds. Raises ``DetectorError`` for what it raises, ``DetectorUnavailable`` without a process."""
        found: Instances = self._call("detect", image)
        return found

    def warm_up(self) -> None:
        """Do what the first call would have to wait for."""
        self._call("warm_up")

    def reload(self) -> None:
        """Load it in a new process, and warm it up. Raises as :meth:`wait` and :meth:`warm_up`, also once it is closed."""
        with self._lock:
            if self._closed:
                raise DetectorUnavailable(f"the detector {self._spec} is closed")
            self._end()
            self._start()
        self.wait()
        self.warm_up()

    def close(self) -> None:
        """From any thread: end the process, in whatever call it is."""
        with self._lock:
            self._closed = True
            self._end()

    def _start(self) -> None:
        self._child = start("streamer.detectors.process_main")
        # It may die at once; wait() says so.
        with suppress(OSError):
            self._child.connection.send(self._asked)

    def _end(self) -> None:
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
            raise self._died() from error
        return self._answer()

    def _answer(self) -> object:
        try:
            while isinstance(answer := self._child.connection.recv(), Said):
                logging.getLogger(answer.logger).log(answer.level, "%s", answer.message)
        except (EOFError, OSError) as error:
            raise self._died() from error
        if isinstance(answer, StreamerError):
            raise answer
        return answer

    def _died(self) -> DetectorUnavailable:
        code = self._child.process.wait()
        return DetectorUnavailable(
            f"the process of the detector {self._spec} has ended with {code}", hint="is there memory enough for all?"
        )


def load_processes(
    settings: DetectorSettings, least_score: float, devices: Sequence[str], threads: int | None = None
) -> list[DetectorProcess]:
    """A detector as the settings name it on each of ``devices``, loaded side by side. Raises what loading one raises."""
    processes: list[DetectorProcess] = []
    try:
        processes.extend(DetectorProcess(settings, least_score, threads=threads, device=device) for device in devices)
        for process in processes:
            process.wait()
    except BaseException:
        for process in processes:
            process.close()
        raise
    return processes
