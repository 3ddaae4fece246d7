"""Loads the detector that cameras share: one, one for each device that the settings name, or as many as ask a server."""

from __future__ import annotations

import logging

from streamer.detectors.absent import AbsentDetector
from streamer.detectors.device import each
from streamer.detectors.from_settings import ASKED_AT_ONCE, DetectorSettings, load
from streamer.detectors.remote.address import is_remote, parse
from streamer.errors import DetectorAway, DetectorBusy, DetectorTimeout
from streamer.runtime.backoff import Backoff
from streamer.stages import Detector

log = logging.getLogger(__name__)

_BACKOFF = Backoff(initial_s=1.0, max_s=60.0)
_SERVER_BACKOFF = Backoff(initial_s=0.1, max_s=10.0)
"""Asking a server again costs next to nothing."""


class DetectorLoader:
    """Loads a settings' detectors, cold, and any of them again.

    Where there are several, each is a process of its own: a fault of a GPU ends the process that met it, and TensorFlow uses
    one device in each. A process also has no share in this one's interpreter lock.
    """

    def __init__(self, settings: DetectorSettings, least_score: float) -> None:
        """Raises ``DetectorUnavailable`` where there is no device."""
        self._settings = settings
        self._least_score = least_score
        self._devices = each(settings.device)

    @property
    def backoff(self) -> Backoff:
        """How long to wait before one that cannot be loaded is tried again."""
        return _SERVER_BACKOFF if is_remote(self._settings.detector) else _BACKOFF

    def load(self) -> list[Detector]:
        """All of them, not warmed up. Raises as ``registry.load_detector``."""
        if is_remote(self._settings.detector):
            return self._load_remote()
        if len(self._devices) == 1:
            return [self._load_here()]
        from streamer.detectors.process import load_processes

        return list(load_processes(self._settings, self._least_score, self._devices))

    def load_or_await(self) -> list[Detector]:
        """As :meth:`load`; where a detector's server is away, too slow or too busy, what stands for it until it is there."""
        try:
            return self.load()
        except (DetectorAway, DetectorBusy, DetectorTimeout) as error:
            if not is_remote(self._settings.detector):
                raise
            name = parse(self._settings.detector).model
            log.warning("no masks until the detector %s is there, which is asked for all the time: %s", name, error)
            return [AbsentDetector(name, error) for _ in range(ASKED_AT_ONCE)]

    def load_again(self, place: int) -> Detector:
        """The one of that place, from 0, warmed up: one of those that were loaded keeps failing, or its server is back."""
        if len(self._devices) == 1:
            return warmed_up(self._load_here())
        from streamer.detectors.process import load_processes

        (detector,) = load_processes(self._settings, self._least_score, [self._devices[place]])
        return warmed_up(detector)

    def _load_remote(self) -> list[Detector]:
        loaded: list[Detector] = []
        try:
            while len(loaded) < ASKED_AT_ONCE:
                loaded.append(self._load_here())
        except BaseException:
            for detector in loaded:
                detector.close()
            raise
        return loaded

    def _load_here(self) -> Detector:
        return load(self._settings, self._least_score, device=self._devices[0], live=True)


def warmed_up(detector: Detector) -> Detector:
    """``detector``, warmed up, or closed if that fails."""
    try:
        detector.warm_up()
    except BaseException:
        detector.close()
        raise
    return detector
