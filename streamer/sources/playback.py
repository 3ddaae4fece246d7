"""A recording played in real time, as if it were a camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from streamer.errors import SourceUnavailable
from streamer.frame import Frame, StreamInfo
from streamer.sources.live_timestamps import TIME_BASE
from streamer.sources.playback_clock import PlaybackClock
from streamer.stages import Source


class RealtimePlayback:
    """Implements ``stages.Source``: hands out the frames of another source when their time has come.

    ``make`` makes that source; with ``loop`` it is made anew at its end, and the time line goes on. A taker that is slow
    loses nothing here: after a frame that is late by more than 0.2 s the others come later, too.
    """

    def __init__(
        self,
        make: Callable[[], Source],
        *,
        loop: bool = False,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        """``wait`` waits for the event at most so many seconds."""
        self._make = make
        self._loop = loop
        self._clock = clock
        self._utc = utc
        self._wait = wait
        self._stop = threading.Event()
        self._source: Source | None = None
        self._info: StreamInfo | None = None

    def open(self) -> StreamInfo:
        """Open the recording. Raises a ``SourceError``."""
        self._source = self._make()
        self._info = replace(self._source.open(), time_base=TIME_BASE, frames=None, duration_s=None, live=True)
        return self._info

    def frames(self) -> Iterator[Frame]:
        """Yield the frames at their times, their pts from 0 on in ticks of 1/90000 s."""
        if self._info is None:
            raise SourceUnavailable("the recording is not open", hint="call open() first")
        clock = PlaybackClock()
        usual = round(1 / (self._info.rate or 25) / TIME_BASE)
        index, begin, out = 0, 0, -1
        while True:
            first: int | None = None
            for frame in self._take():
                ticks = round(frame.pts * frame.time_base / TIME_BASE)
                if first is None:
                    first = ticks
                out = max(out + 1, begin + ticks - first)
                self._wait(self._stop, clock.wait_s(float(out * TIME_BASE), self._clock()))
                if self._stop.is_set():
                    return
                frame.index, frame.pts, frame.time_base, frame.duration = index, out, TIME_BASE, 0
                frame.captured_at, frame.utc_s = self._clock(), self._utc()
                index += 1
                yield frame
            if self._stop.is_set() or not self._loop or first is None:
                return
            begin = out + usual
            self._reopen()

    def interrupt(self) -> None:
        """From any thread: make ``frames`` end at once."""
        self._stop.set()
        if (source := self._source) is not None:
            source.interrupt()

    def close(self) -> None:
        """Let go of the recording. May be called twice."""
        if self._source is not None:
            self._source.close()

    def _take(self) -> Iterator[Frame]:
        return iter(()) if self._source is None else self._source.frames()

    def _reopen(self) -> None:
        self.close()
        self._source = self._make()
        self._source.open()
        if self._stop.is_set():
            self._source.interrupt()
