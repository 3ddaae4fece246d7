"""Records of a live source, in further files where one cannot go on."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from pathlib import Path

from streamer.errors import StreamerError
from streamer.redact import redact
from streamer.runtime.backoff import Backoff
from streamer.sinks.records import Records
from streamer.stages import Annotated, OutputStatus, State

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_BACKOFF = Backoff(initial_s=5.0, max_s=30.0)


class LiveRecords:
    """Implements ``stages.Sink``; to be used within :class:`~streamer.sinks.queued.Queued`.

    ``make`` opens the records at a path, the first one at once (what that raises, this does). After a failed write, and where
    classes have other names than before, they go on in ``NAME-2.jsonl`` and so on, and after the file was removed in one of the
    same name, whose folder is made again. Frames that come while nothing can be written are dropped and counted.
    """

    def __init__(
        self,
        path: Path,
        make: Callable[[Path], Records],
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self.name = f"records {path.name}"
        self._path, self._make, self._clock, self._rng = path, make, clock, rng
        self._records: Records | None = make(path)
        self._look_at = self._retry_at = 0.0
        self._away_since: float | None = None
        self._state, self._error = State.STARTING, ""
        self._frames = self._dropped = 0

    def write(self, item: Annotated) -> None:
        """Record what was found in the next frame."""
        now = self._clock()
        try:
            if self._records is None:
                if now < self._retry_at:
                    self._dropped += 1
                    return
                self._records = self._begin_again()
            elif self._records.renamed:
                self._records.finish()
                self._records = self._begin_again()
            elif now >= self._look_at:
                self._look_at = now + _LOOK_S
                if not self._records.path.exists():
                    self._give_up(self._records)
                    log.warning("%s: the file was removed; records go on in a new one", self.name, extra={"output": self.name})
                    self._records = self._begin_again()
            self._records.write(item)
        except (StreamerError, OSError) as error:
            self._dropped += 1
            self._failed(" ".join(str(error).split()), now)
        else:
            self._frames += 1
            self._away_since = None
            self._say(State.RUNNING, "")

    def status(self) -> OutputStatus:
        """From any thread: how it is doing."""
        records = self._records
        try:
            size = 0 if records is None else records.path.stat().st_size
        except FileNotFoundError:
            size = 0
        return OutputStatus(
            name=self.name, state=self._state, frames=self._frames, bytes=size, dropped=self._dropped, error=self._error
        )

    def finish(self) -> None:
        """Complete the last file. Raises ``OutputWriteFailed``."""
        if self._records is not None:
            self._records.finish()
            self._records = None
        self._say(State.ENDED, self._error)

    def abandon(self) -> None:
        """Leave the lines that are there."""
        if self._records is not None:
            self._give_up(self._records)
        self._say(State.ENDED, self._error)

    def _give_up(self, records: Records) -> None:
        self._records = None
        records.abandon()

    def _begin_again(self) -> Records:
        """Records at the first free name."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        path, number = self._path, 1
        while path.exists():
            number += 1
            path = self._path.with_stem(f"{self._path.stem}-{number}")
        records = self._make(path)
        if number > 1:
            log.warning("%s: goes on in %s", self.name, path, extra={"output": self.name})
        return records

    def _failed(self, error: str, now: float) -> None:
        if self._records is not None:
            self._give_up(self._records)
        if self._away_since is None:
            self._away_since = now
        self._retry_at = now + _BACKOFF.delay_s(now - self._away_since, self._rng)
        self._say(State.RECONNECTING, redact(error))

    def _say(self, state: State, error: str) -> None:
        """One line for each change, none for what has been said."""
        if (state, error) == (self._state, self._error):
            return
        self._state, self._error = state, error
        if error:
            log.warning("%s: %s, %s", self.name, state, error, extra={"output": self.name, "state": state})
