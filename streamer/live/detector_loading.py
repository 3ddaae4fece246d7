"""Loads the detector that cameras share: one, one for each device that the settings name, or as many as ask a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.detectors.device import each
from streamer.detectors.from_settings import ASKED_AT_ONCE, DetectorSettings, load
from streamer.detectors.remote.address import is_remote
from streamer.stages import Detector


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

    def load(self) -> list[Detector]:
        """All of them, not warmed up. Raises as ``registry.load_detector``."""
        if is_remote(self._settings.detector):
            return [self._load_here() for _ in range(ASKED_AT_ONCE)]
        if len(self._devices) == 1:
            return [self._load_here()]
        from streamer.detectors.process import load_processes

        return list(load_processes(self._settings, self._least_score, self._devices))

    def anew(self, detectors: Sequence[Detector]) -> Callable[[int], Detector] | None:
        """How one of ``detectors`` is loaded again when it keeps failing; None where they recover by themselves."""
        return None if any(getattr(detector, "recovers", False) for detector in detectors) else self._load_again

    def _load_again(self, place: int) -> Detector:
        """The one of that place, from 0, warmed up."""
        if len(self._devices) == 1:
            return warmed_up(self._load_here())
        from streamer.detectors.process import load_processes

        (detector,) = load_processes(self._settings, self._least_score, [self._devices[place]])
        return warmed_up(detector)

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
