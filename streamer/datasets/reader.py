"""What a reader of another tool's annotations is."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from streamer.datasets.corrected import CorrectedObject


class Reader(Protocol):
    """Reads one format. Frames are told by their index in the recording, or by their place in the records, from 0."""

    lost: Counter[str]
    """What cannot be held by records, in words, and how many objects had it."""

    @property
    def by_place(self) -> bool:
        """Whether frames are told by their place in the records, else by their index in the recording."""
        ...

    @property
    def frames(self) -> set[int]:
        """The frames that the file has."""
        ...

    @property
    def names_empty_frames(self) -> bool:
        """Whether frames without objects are among them: then one that is not there was not looked at."""
        ...

    def objects(self, frame: int) -> list[CorrectedObject]:
        """The objects of a frame. Raises ``ValueError`` and the like for a file that is damaged, and ``SourceError``."""
        ...
