"""Stored records in place of a detector: a source whose frames are matched with them, and a perception that hands them out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from fractions import Fraction
from typing import Any, Protocol

from streamer.errors import RecordsDiffer
from streamer.frame import Frame, StreamInfo
from streamer.perception.selection import Selection, class_ids
from streamer.sinks.stored import StoredRecords
from streamer.sources.fingerprint import fingerprint
from streamer.sources.opening import shown
from streamer.sources.video import VideoFile
from streamer.stages import Annotated


class MatchedFrames:
    """Implements ``stages.Source``: the frames of a recording for which there is a line in records, each at that very time.

    Lines before the first frame and after the last one are passed over where the recording is cut. A run that was interrupted
    has left no line for what came later: there it ends.
    """

    def __init__(self, source: VideoFile, stored: StoredRecords, on_read: Callable[[float], None] | None = None) -> None:
        """``on_read`` is told how much of the records was read, 0..1."""
        self._source = source
        self._on_read = on_read
        self._stored = stored
        self.lines: deque[dict[str, Any]] = deque()
        """The lines of the frames that were handed out, until the perception takes them."""

    def open(self) -> StreamInfo:
        """What the recording says of itself, once it is open."""
        return self._source.info

    def frames(self) -> Iterator[Frame]:
        """The recording's frames. Raises ``RecordsDiffer`` at the first one that has no line, and a ``SourceError``."""
        stored, source = self._stored, self._source
        lines = stored.frames(on_read=self._on_read)
        line = next(lines, None)
        first = True
        for frame in source.frames():
            time_s = frame.pts * frame.time_base + source.shift_s
            while first and source.start_s is not None and line is not None and stored.time_s(line) < time_s:
                line = next(lines, None)
            first = False
            if line is None:
                if not stored.whole:
                    source.interrupt()
                    return
                raise _differ(stored, f"the recording goes on after the last of the records, at {_seconds(time_s)}")
            if stored.time_s(line) != time_s:
                raise _differ(
                    stored,
                    f"frame {frame.index} is at {_seconds(time_s)}, its line in the records at {_seconds(stored.time_s(line))}",
                )
            self.lines.append(line)
            line = next(lines, None)
            yield frame
        if line is not None and source.end_s is None and not source.interrupted:
            raise _differ(stored, f"the records go on after the last frame, at {_seconds(stored.time_s(line))}")

    def interrupt(self) -> None:
        """As the recording's own."""
        self._source.interrupt()

    def close(self) -> None:
        """Let go of the recording."""
        self._source.close()


class Recorded:
    """Implements ``stages.Perception``: what the records say of each frame."""

    def __init__(self, matched: MatchedFrames, stored: StoredRecords, select: Selection) -> None:
        self._matched = matched
        self._stored = stored
        self._select = select

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """The frame with what was found in it. Raises ``StreamerError`` for a damaged line."""
        line = self._matched.lines.popleft()
        found = self._select(self._stored.instances(line))
        cover, cut = self._stored.cover(line), bool(line.get("cut", False))
        return [Annotated(frame, found, looked_s=line.get("looked_s"), cut=cut, cover=cover)]

    def finish(self) -> Iterable[Annotated]:
        """Nothing is held back."""
        return ()

    def close(self) -> None:
        """There is nothing to let go of."""


class ChosenSettings(Protocol):
    """The settings that choose among stored instances."""

    @property
    def score_threshold(self) -> float | None: ...
    @property
    def classes(self) -> Collection[str] | None: ...
    @property
    def max_instances(self) -> int | None: ...


def stored_selection(config: ChosenSettings, stored: StoredRecords) -> Selection:
    """Which of the stored instances are drawn: all where the settings say nothing. Raises ``ConfigError``."""
    return Selection(
        score_threshold=config.score_threshold or 0.0,
        class_ids=None if config.classes is None else class_ids(config.classes, stored.labels, stored.name),
        max_instances=config.max_instances,
    )


def refuse_another_recording(stored: StoredRecords, path: str) -> None:
    """Raise ``RecordsDiffer`` where the records are of another file than that at ``path``, as far as both can be told."""
    then, now = stored.stream.get("fingerprint"), fingerprint(path)
    if then is None or now is None or then == now:
        return
    then_bytes, now_bytes = (mark.split("-")[0] for mark in (then, now))
    how = "its content differs" if then_bytes == now_bytes else f"it has {now_bytes} bytes, that one had {then_bytes}"
    raise RecordsDiffer(
        f"{stored.path} is of another recording than {shown(path)}: {how}",
        hint=f"give {stored.stream['source']} as it was when the records were written",
    )


def refuse_another_stream(stored: StoredRecords, info: StreamInfo) -> None:
    """Raise ``RecordsDiffer`` where the recording's size or clock is not that of the records."""
    differences = [
        f"its {what} is {now}, in the records {then}"
        for what, now, then in (
            ("size", f"{info.width}x{info.height}", "{}x{}".format(*stored.size)),
            ("time base", str(info.time_base), str(stored.time_base)),
        )
        if now != then
    ]
    if differences:
        raise RecordsDiffer(
            f"{stored.path} is of another recording than {info.source}: {', '.join(differences)}",
            hint=f"give {stored.stream['source']} as it was when the records were written",
        )


def _differ(stored: StoredRecords, how: str) -> RecordsDiffer:
    return RecordsDiffer(f"{stored.path} is not of this recording: {how}", hint="give the recording that the run was given")


def _seconds(time_s: Fraction) -> str:
    return f"{float(time_s):.6f} s"
