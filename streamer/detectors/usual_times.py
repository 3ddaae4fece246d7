"""How long a detector usually takes to load, to warm up and to answer: what was measured here the last time."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from streamer.redact import redact

log = logging.getLogger(__name__)

T = TypeVar("T")

Step = Literal["load", "warm_up", "call"]

LEAST_S = 1.0
"""What takes less is not worth a word, nor a place in the file."""


class UsualTimes:
    """The seconds that the steps of one detector took the last time, kept in the user's cache folder.

    They are only told to people: where the file cannot be read or written, nothing is known.
    """

    def __init__(self, detector: str, path: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """``detector`` is what the settings call it, with its device if need be."""
        self._detector = redact(detector)
        self._path = path or file()
        self._clock = clock

    def seconds(self, step: Step) -> float | None:
        """What ``step`` took the last time; None where that is not known."""
        value = _read(self._path).get(self._detector, {}).get(step)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None

    def measured(self, step: Step, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises; how long it took is kept."""
        begun = self._clock()
        result = work()
        self.keep(step, self._clock() - begun)
        return result

    def keep(self, step: Step, seconds: float) -> None:
        """``step`` took so long this time."""
        if seconds < LEAST_S:
            return
        known = _read(self._path)
        known.setdefault(self._detector, {})[step] = round(seconds, 1)
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(known, indent=1), encoding="utf-8")
            partial.replace(self._path)
        except OSError as error:
            log.debug("%s cannot be written: %s", self._path, error)


def file() -> Path:
    """Where the times are kept: ``streamer/usual-times.json`` in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "streamer" / "usual-times.json"


def _read(path: Path) -> dict[str, dict[str, object]]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        log.debug("%s cannot be read: %s", path, error)
        return {}
    if not isinstance(known, dict):
        return {}
    return {name: times for name, times in known.items() if isinstance(times, dict)}
