"""What an exporter is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, runtime_checkable

from streamer.datasets.stored_frame import StoredFrame

VIDEO = "data/video.mp4"
"""The copy at a constant rate, where a format counts the frames of a video."""
_RATE = Fraction(25)
"""Frames per second where the recording says none."""
_FINEST = 60_000
"""Ticks of a second, at most, by which a copy counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What is the same for all frames."""

    folder: Path
    """Where the files go; it is there and empty."""
    source: str
    """Name of the recording, one line, without credentials."""
    width: int
    """Width of the displayed picture, pixels."""
    height: int
    labels: Mapping[int, str]
    """Class ids to names as they are to be written, no two alike. Those that the detector does not name are added before a
    frame that has them."""
    rate: Fraction | None
    """Frames per second on average."""
    every: int
    """Each so many frames one is there."""
    pictures: bool
    """Whether the frames' pictures are there."""

    @property
    def copy_rate(self) -> Fraction:
        """Frames per second of a copy of the frames that are written; above 0."""
        return ((self.rate or _RATE) / self.every).limit_denominator(_FINEST) or Fraction(1, _FINEST)


class Dataset(Protocol):
    """Writes one format, frame by frame: memory does not grow with the recording."""

    lost: Counter[str]
    """What the format cannot hold, in words, and how many objects had it."""

    def add(self, frame: StoredFrame) -> None:
        """Write a frame. Frames come in the order of presentation, also those without objects. Raises ``OSError``."""
        ...

    def finish(self) -> None:
        """Complete the files. Raises ``OSError``."""
        ...

    def close(self) -> None:
        """Let go of files. May be called twice."""
        ...


@runtime_checkable
class HasPictures(Protocol):
    """A dataset with a picture for each frame. One without has a video: a copy of the recording at a constant rate."""

    def picture(self, frame: StoredFrame) -> Path:
        """Where the picture of a frame belongs, as a JPEG."""
        ...
