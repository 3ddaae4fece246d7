"""Pictures for somebody who has no camera: the test scene, or a clip that was brought."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from streamer.errors import StreamerError
from streamer.frame import Frame
from streamer.sources.factory import make_source

log = logging.getLogger(__name__)


class Player:
    """Plays a source in real time, again and again, until it is closed; each picture goes to ``take``."""

    def __init__(self, source: str, take: Callable[[Frame], None], failed: Callable[[str], None]) -> None:
        """``source`` is ``test:`` or a path; ``failed`` is told, in the player's thread, why it cannot be played."""
        self._source = make_source(source, live=True, loop=True)
        self._take = take
        self._failed = failed
        self._thread = threading.Thread(target=self._run, name="demo-player", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop. May be called twice."""
        self._source.interrupt()
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)

    def _run(self) -> None:
        try:
            self._source.open()
            for frame in self._source.frames():
                self._take(frame)
        except StreamerError as error:
            self._failed(error.message)
        except Exception:
            log.exception("a clip of the demo is played no longer")
            self._failed("an unforeseen error, which the log of streamer names")
        finally:
            self._source.close()
