"""The detectors that the demo offers: each is loaded when somebody wants it first, and shared by all who do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from streamer.config.demo import DemoConfig
from streamer.detectors.from_settings import least_score
from streamer.detectors.preparing import times_of
from streamer.detectors.registry import BUILT_IN
from streamer.live.detector_loading import DetectorLoader
from streamer.live.shared_detector import DetectorClient, SharedDetector
from streamer.redact import redact

log = logging.getLogger(__name__)


class Detectors:
    """Shared detectors by name. For any thread."""

    def __init__(self, config: DemoConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._shared: dict[str, SharedDetector] = {}

    @property
    def own(self) -> str:
        """The name of the settings' own, without a token."""
        return redact(self._config.detector)

    @property
    def names(self) -> Sequence[str]:
        """Those that are offered: the settings' own first."""
        return tuple(dict.fromkeys((self.own, *BUILT_IN)))

    def get(self, name: str) -> SharedDetector:
        """The detector of that name, loaded now if nobody wanted it before. Raises as loading it does."""
        with self._lock:
            if (shared := self._shared.get(name)) is None:
                # Built-in detectors have their own labels, and run on the CPU with full precision.
                other = {"detector": name, "labels": None, "device": "auto", "precision": "full"}
                settings = self._config.model_copy(update={} if name == self.own else other)
                least = least_score(settings, name, tracked=True)
                loader = DetectorLoader(settings, least)
                detectors = loader.load()
                shared = SharedDetector(
                    *detectors, load=loader.load_again, backoff=loader.backoff, cold=True, times=times_of(settings)
                )
                self._shared[name] = shared
            return shared

    def client(self, name: str, session: str) -> DetectorClient:
        """A client of the detector of that name. Raises as loading it does."""
        return self.get(name).client(session)

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            for name, shared in self._shared.items():
                try:
                    shared.close()
                except Exception as error:  # noqa: BLE001  # a plugin may raise anything; the process ends anyway
                    log.warning("the detector %s cannot be closed: %s", name, error)
            self._shared.clear()
