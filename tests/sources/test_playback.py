"""Recordings at their own pace."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from fractions import Fraction

import av
import pytest

from streamer.errors import SourceUnavailable
from streamer.frame import Frame, StreamInfo
from streamer.sources.live_timestamps import TIME_BASE
from streamer.sources.playback import RealtimePlayback
from streamer.sources.playback_clock import PlaybackClock


class Clip:
    """A recording of three frames at 10 a second that starts at 7 s."""

    def __init__(self) -> None:
        self.interrupted = False
        self.closed = 0

    def open(self) -> StreamInfo:
        return StreamInfo(source="clip", width=16, height=16, time_base=Fraction(1, 10), rate=Fraction(10), frames=3)

    def frames(self) -> Iterator[Frame]:
        for index in range(3):
            yield Frame(av.VideoFrame(16, 16), index, 70 + index, Fraction(1, 10), "clip", captured_at=0.0)

    def interrupt(self) -> None:
        self.interrupted = True

    def close(self) -> None:
        self.closed += 1


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def wait(self, _event: threading.Event, seconds: float) -> None:
        self.now += seconds


def test_frames_come_at_their_times_and_loops_go_on() -> None:
    time = Time()
    clips: list[Clip] = []

    def make() -> Clip:
        clips.append(Clip())
        return clips[-1]

    playback = RealtimePlayback(make, loop=True, clock=lambda: time.now, utc=lambda: 5.0, wait=time.wait)
    info = playback.open()
    assert (info.live, info.time_base, info.frames) == (True, TIME_BASE, None)
    frames = list(itertools.islice(playback.frames(), 8))
    playback.close()
    assert [frame.pts for frame in frames] == [9000 * index for index in range(8)]
    assert [frame.index for frame in frames] == list(range(8))
    assert [frame.captured_at for frame in frames] == pytest.approx([100 + 0.1 * index for index in range(8)])
    assert frames[0].utc_s == 5.0
    assert [clip.closed for clip in clips] == [1, 1, 1]


def test_ends_with_the_recording() -> None:
    time = Time()
    playback = RealtimePlayback(Clip, clock=lambda: time.now, wait=time.wait)
    playback.open()
    assert len(list(playback.frames())) == 3
    playback.close()


def test_interrupt_ends_the_wait() -> None:
    playback = RealtimePlayback(Clip, clock=lambda: 0.0)
    playback.open()
    frames = playback.frames()
    next(frames)
    playback.interrupt()
    assert list(frames) == []
    playback.close()


def test_has_to_be_opened() -> None:
    with pytest.raises(SourceUnavailable):
        next(RealtimePlayback(Clip).frames())


def test_the_pace_moves_with_what_comes_late_and_forgets_jumps() -> None:
    clock = PlaybackClock(late_s=0.2, jump_s=10.0)
    assert clock.wait_s(5.0, now=100.0) == 0.0
    assert clock.wait_s(5.5, now=100.1) == pytest.approx(0.4)
    assert clock.wait_s(6.0, now=101.1) == 0.0, "a little late: the pace stays"
    assert clock.wait_s(6.5, now=101.2) == pytest.approx(0.3)
    assert clock.wait_s(7.0, now=105.0) == 0.0, "very late: the pace goes on from here"
    assert clock.wait_s(7.5, now=105.0) == pytest.approx(0.5)
    assert clock.wait_s(900.0, now=105.5) == pytest.approx(0.5), "a jump ahead: as the frame before"
    assert clock.wait_s(3.0, now=106.0) == pytest.approx(0.5), "and back"
    assert clock.wait_s(3.1, now=106.5) == pytest.approx(0.1)
