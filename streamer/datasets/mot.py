"""MOTChallenge: boxes with identities, one line each, in ``gt/gt.txt``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from streamer.datasets.dataset import DatasetInfo
from streamer.datasets.stored_frame import StoredFrame


class MotDataset:
    """Implements ``Dataset``: a sequence's folder with ``gt/gt.txt``, ``seqinfo.ini`` and pictures in ``img1``.

    Frames are counted from 1, in the order in which they are there. Pixels are counted from 0, as TrackEval and most readers
    do; motmetrics takes 1 away from left and top. The class is written as 1 for all: evaluation knows persons only.
    """

    def __init__(self, info: DatasetInfo) -> None:
        self.lost: Counter[str] = Counter()
        self._info = info
        self._frames = 0
        (info.folder / "gt").mkdir()
        self._lines = (info.folder / "gt" / "gt.txt").open("x", encoding="ascii")

    def picture(self, frame: StoredFrame) -> Path:  # noqa: ARG002  # it counts by itself
        """In ``img1``, by its number in the sequence."""
        return self._info.folder / "img1" / f"{self._frames + 1:06d}.jpg"

    def add(self, frame: StoredFrame) -> None:
        """Write the lines of a frame."""
        self._frames += 1
        for one in frame.objects:
            if one.track_id is None:
                self.lost["left out, since they have no track"] += 1
                continue
            if one.mask is not None:
                self.lost["without their mask"] += 1
            self.lost["without their class and score"] += 1
            left, top, right, bottom = one.box_xyxy
            box = f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f}"
            self._lines.write(f"{self._frames},{one.track_id},{box},1,1,1\n")

    def finish(self) -> None:
        """Write ``seqinfo.ini``."""
        self.close()
        write_sequence(self._info, self._frames)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def write_sequence(info: DatasetInfo, frames: int) -> None:
    """Write ``seqinfo.ini`` of a sequence of so many frames. Raises ``OSError``."""
    rate = 0 if info.rate is None else info.rate / info.every
    said = {
        "name": Path(info.source).stem or "sequence",
        "imDir": "img1",
        "frameRate": f"{float(rate):g}",
        "seqLength": frames,
        "imWidth": info.width,
        "imHeight": info.height,
        "imExt": ".jpg",
    }
    text = "[Sequence]\n" + "".join(f"{key}={value}\n" for key, value in said.items())
    (info.folder / "seqinfo.ini").write_text(text, encoding="utf-8", errors="replace")
