"""Text files with a line for each object, read frame by frame: memory holds 32 bytes a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamer.datasets.spans_by_frame import SpansByFrame


class LinesByFrame:
    """Lines may come in any order; empty ones are left out."""

    def __init__(self, path: Path, frame_of: Callable[[str], int]) -> None:
        """``frame_of`` a line. Raises ``OSError``, and ``ValueError`` for a line that has no frame, with its number."""
        self._spans = SpansByFrame(path)
        at = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    try:
                        self._spans.add(frame_of(_text(line)), at, len(line))
                    except (ValueError, OverflowError) as error:
                        raise ValueError(f"line {number}: {error}") from error
                at += len(line)
        self._spans.finish()

    @property
    def frames(self) -> set[int]:
        """The frames that have a line."""
        return self._spans.frames

    def lines(self, frame: int) -> list[str]:
        """The lines of a frame, in their order. Raises ``OSError``."""
        return [_text(piece.content).strip() for piece in self._spans.pieces(frame)]


def _text(line: bytes) -> str:
    # Only the first line may begin with the mark of UTF-8; elsewhere it would be no number either way.
    return line.decode("utf-8-sig")
