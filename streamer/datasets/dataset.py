"""What an exporter is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from streamer.datasets.stored_frame import StoredFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What is the same for all frames."""

    folder: Path
    """Where the files go; it is there and empty."""
    source: str
    """Name of the recording, without credentials."""
    width: int
    """Width of the displayed picture, pixels."""
    height: int
    labels: Mapping[int, str]
    """Class ids to names; those that the detector does not name are added before a frame that has them."""
    rate: Fraction | None
    """Frames per second on average."""
    every: int
    """Each so many frames one is there."""
    pictures: bool
    """Whether the frames' pictures are there."""


class Dataset(Protocol):
    """Writes one format, frame by frame: memory does not grow with the recording."""

    lost: Counter[str]
    """What the format cannot hold, in words, and how many objects had it."""

    def picture(self, frame: StoredFrame) -> Path:
        """Where the picture of a frame belongs, as a JPEG."""
        ...

    def add(self, frame: StoredFrame) -> None:
        """Write a frame. Frames come in the order of presentation, also those without objects. Raises ``OSError``."""
        ...

    def finish(self) -> None:
        """Complete the files. Raises ``OSError``."""
        ...

    def close(self) -> None:
        """Let go of files. May be called twice."""
        ...
