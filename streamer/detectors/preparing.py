"""Getting a detector ready in a thread of its own, and saying meanwhile how far that has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from streamer.detectors.device import AUTO
from streamer.detectors.from_settings import DetectorSettings
from streamer.detectors.precision import FULL
from streamer.detectors.usual_times import UsualTimes
from streamer.redact import redact
from streamer.runtime.own_thread import apart
from streamer.stages import Detector

T = TypeVar("T")

FIRST_LINE_S = 1.0
"""What takes less is not spoken of."""
NEXT_LINE_S = 10.0

Tell = Callable[[str, float], object]
"""Is told, several times a second, what is waited for and for how many seconds it has been."""


class Reminder:
    """Says when it is time for a line about something that is waited for: after a second, and every ten seconds."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._next_s = FIRST_LINE_S

    def due(self, seconds: float) -> bool:
        """Whether now, after ``seconds``, is such a time; fewer than the last time: it is something else that is waited for."""
        if seconds < self._seconds:
            self._next_s = FIRST_LINE_S
        self._seconds = seconds
        if seconds < self._next_s:
            return False
        self._next_s = seconds + NEXT_LINE_S
        return True


def tell_nobody(_what: str, _seconds: float) -> None:
    """Where nobody wants to know."""


def times_of(settings: DetectorSettings) -> UsualTimes:
    """What the settings' detector took the last time, on the device and with the precision that they ask for."""
    on = "" if settings.device == AUTO else f" on {settings.device}"
    with_precision = "" if settings.precision == FULL else f" with {settings.precision} precision"
    return UsualTimes(f"{redact(settings.detector)}{on}{with_precision}")


def fetch(settings: DetectorSettings, tell: Tell = tell_nobody) -> None:
    """Download the settings' model if the cache has none; Ctrl-C in this thread ends it. Raises ``DetectorUnavailable``."""
    from streamer.detectors.registry import fetch as fetch_model

    begun = time.monotonic()

    def progress(received: int, total: int | None) -> None:
        of = "" if total is None else f" of {total / 1e6:.0f}"
        tell(f"downloading {redact(settings.detector)}: {received / 1e6:.0f}{of} MB", time.monotonic() - begun)

    fetch_model(settings.detector, progress)


def loaded(settings: DetectorSettings, times: UsualTimes, tell: Tell, load: Callable[[], T]) -> T:
    """What ``load``, which loads the settings' detector, returns or raises; it runs in another thread."""
    what = f"loading {redact(settings.detector)}{_usually(times.seconds('load'))}"
    return apart(lambda: times.measured("load", load), "loading", partial(tell, what))


def warm_up(detector: Detector, times: UsualTimes, tell: Tell) -> None:
    """Warm it up in another thread. Raises what the detector raises."""
    # Why it is the CPU was said already where that is slow.
    device = getattr(detector, "device" if getattr(detector, "slow", False) else "device_told", "")
    on = f" on the {device}" if device else ""
    what = f"warming up {detector.name}{on}{_usually(times.seconds('warm_up')) or _unknown(detector)}"
    apart(lambda: times.measured("warm_up", detector.warm_up), "warming up", partial(tell, what))


def _usually(seconds: float | None) -> str:
    return "" if seconds is None else f" (usually {seconds:.0f} s)"


def _unknown(detector: Detector) -> str:
    """What is said of a warm-up that was never measured here."""
    return " (a large model usually takes 20 to 60 s on a CPU)" if getattr(detector, "slow", False) else ""
