"""Result files that get their names together: when all is well, or never."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from streamer.sinks.atomic import PendingFile


class Together:
    """The places of files that grow under their own names otherwise, as records do.

    ``places`` maps each result's path to where it is written: a temporary file beside it. :meth:`commit` names them all,
    :meth:`discard` removes them.
    """

    def __init__(self, paths: list[Path], *, overwrite: bool) -> None:
        """Raises ``OutputRefused``."""
        self._pending: list[PendingFile] = []
        try:
            for path in paths:
                self._pending.append(PendingFile(path, overwrite=overwrite))
        except BaseException:
            self.discard()
            raise
        self.places: Mapping[Path, Path] = {each.path: each.temporary for each in self._pending}

    def commit(self) -> None:
        """Raises ``OutputWriteFailed``, or ``OutputRefused`` for a name that was taken meanwhile."""
        for each in self._pending:
            each.commit()

    def discard(self) -> None:
        """Remove what has no name yet. Never raises."""
        for each in self._pending:
            each.discard()

    def named(self, text: str) -> str:
        """A text for people, without temporary names."""
        for path, place in self.places.items():
            text = text.replace(str(place), str(path))
        return text
