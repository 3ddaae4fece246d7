"""One recording of a live source in one MP4 file, and in further ones only where one cannot go on."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from streamer.errors import OutputWriteFailed
from streamer.frame import StreamInfo
from streamer.sinks.atomic import check_output
from streamer.sinks.segments import Segments

log = logging.getLogger(__name__)

_LONGEST_S = 24 * 3600
"""The index of a file is in memory until it is closed: that of a day takes about 100 MB."""


class LiveFile(Segments):
    """Implements ``stages.Sink``; to be used within :class:`~streamer.sinks.queued.Queued`.

    Writes ``path``, which plays at any moment, also after a kill. After a day, a pause of more than six hours, or a failure (a
    full disk, a size limit of the file system, a folder that was removed) it goes on in ``NAME-2.mp4`` and so on, with the
    next free number, and says so in the log. Raises ``OutputRefused`` at construction.
    """

    def __init__(self, path: Path, info: StreamInfo, *, overwrite: bool = False) -> None:
        check_output(path, overwrite=overwrite)
        super().__init__(path.parent, info, name=path.stem, segment_s=_LONGEST_S)
        self.path = path
        self.name = f"record {path.name}"
        self._replace = overwrite

    def finish(self) -> None:
        """Complete the file. Raises ``OutputWriteFailed`` when recording had failed and did not get going again."""
        super().finish()
        if self._error:
            raise OutputWriteFailed(f"{self.path}: {self._error}", hint="what was recorded before that plays")

    def abandon(self) -> None:
        """The same, without raising: what was recorded is true and stays."""
        super().finish()

    def _path(self, start: datetime, again: int) -> Path:  # noqa: ARG002  # segments are named by it, this file is not
        if self._replace:
            self._replace = False
            self.path.unlink(missing_ok=True)
        path = self.path if again == 0 else self.path.with_stem(f"{self.path.stem}-{again + 1}")
        if again and not path.exists():
            log.warning("%s: goes on in %s", self.name, path, extra=self._extra)
        return path
