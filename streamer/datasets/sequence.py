"""A sequence's folder as MOTChallenge has it: ``gt/gt.txt``, ``seqinfo.ini`` and pictures in ``img1``."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from streamer.datasets.dataset import DatasetInfo

TWICE = "left out, since a surer object of their frame has the same track"


class Sequence:
    """Frames are counted from 1, in the order in which they are there."""

    def __init__(self, info: DatasetInfo) -> None:
        self.frames = 0
        """How many were begun."""
        self._info = info
        (info.folder / "gt").mkdir()
        self._lines = (info.folder / "gt" / "gt.txt").open("x", encoding="ascii")

    @property
    def next_picture(self) -> Path:
        """Where the picture of the frame goes that is begun next."""
        return self._info.folder / "img1" / f"{self.frames + 1:06d}.jpg"

    def begin_frame(self) -> None:
        """The lines that come are of the next frame."""
        self.frames += 1

    def write(self, line: str) -> None:
        """Write a line about an object, behind the frame's number. Raises ``OSError``."""
        self._lines.write(f"{self.frames}{line}\n")

    def finish(self) -> None:
        """Complete ``gt.txt`` and write ``seqinfo.ini``. Raises ``OSError``."""
        self.close()
        info = self._info
        rate = Fraction(0) if info.rate is None else info.rate / info.every
        said = {
            "name": Path(info.source).stem or "sequence",
            "imDir": "img1",
            "frameRate": max(1, round(rate)),  # readers want a whole number, and divide by it
            "seqLength": self.frames,
            "imWidth": info.width,
            "imHeight": info.height,
            "imExt": ".jpg",
        }
        text = "[Sequence]\n" + "".join(f"{key}={value}\n" for key, value in said.items())
        (info.folder / "seqinfo.ini").write_text(text, encoding="utf-8", errors="replace")

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def lines_of(path: Path) -> Path:
    """The file with the lines of a sequence: ``gt/gt.txt`` where ``path`` is its folder, else ``path`` itself."""
    return path / "gt" / "gt.txt" if path.is_dir() else path
