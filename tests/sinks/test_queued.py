"""A queue and a thread for an output: it delays nobody, and nothing grows."""

from __future__ import annotations

import logging
import threading

import pytest

from streamer.channel import Room
from streamer.errors import OutputWriteFailed
from streamer.sinks.queued import Queued
from streamer.stages import Annotated, OutputStatus, State
from tests.fakes import FakeSink, raise_at
from tests.sinks import moving


class Stuck(FakeSink):
    """Hangs in its first ``write`` until it is let go, or interrupted where it can be."""

    def __init__(self) -> None:
        super().__init__("stuck", at=self.hang)
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def hang(self, _index: int) -> None:
        self.entered.set()
        assert self.let_go.wait(30)


class Interruptible(Stuck):
    def interrupt(self) -> None:
        self.let_go.set()


def test_all_is_written_in_order_when_the_sink_is_quick() -> None:
    sink = FakeSink()
    queued = Queued(sink, capacity=100)
    for index in range(50):
        queued.write(moving.item(index))
    queued.finish()
    assert sink.written == list(range(50))
    assert sink.ends == ["finish"]
    assert queued.status() == OutputStatus(name="fake", state=State.ENDED, frames=50)


def test_a_stalled_sink_delays_nobody_and_the_newest_win() -> None:
    sink = Stuck()
    queued = Queued(sink, capacity=2)
    queued.write(moving.item(0))
    assert sink.entered.wait(10)
    for index in range(1, 1000):
        queued.write(moving.item(index))
    assert queued.status().queued == 2
    sink.let_go.set()
    queued.finish()
    assert sink.written == [0, 998, 999]
    status = queued.status()
    assert status.frames + status.dropped == 1000


def test_finish_gives_up_on_a_sink_that_hangs_and_says_so() -> None:
    sink = Stuck()
    queued = Queued(sink, finish_timeout_s=0.05)
    queued.write(moving.item(0))
    assert sink.entered.wait(10)
    queued.write(moving.item(1))
    with pytest.raises(OutputWriteFailed, match=r"stuck did not finish within 0.05 s"):
        queued.finish()
    assert queued.status().state == "failed"
    assert queued.status().dropped == 1
    sink.let_go.set()


def test_a_waiting_sink_is_interrupted() -> None:
    sink = Interruptible()
    queued = Queued(sink, finish_timeout_s=0.05)
    queued.write(moving.item(0))
    assert sink.entered.wait(10)
    queued.finish()
    assert sink.ends == ["finish"]


def test_abandon_interrupts_discards_and_returns() -> None:
    sink = Interruptible()
    queued = Queued(sink)
    queued.write(moving.item(0))
    assert sink.entered.wait(10)
    queued.write(moving.item(1))
    queued.abandon()
    assert sink.ends == ["abandon"]
    assert queued.status().frames + queued.status().dropped == 2


def test_abandon_leaves_a_sink_that_hangs_behind(caplog: pytest.LogCaptureFixture) -> None:
    sink = Stuck()
    queued = Queued(sink)
    queued.write(moving.item(0))
    assert sink.entered.wait(10)
    queued.abandon()
    assert "stuck does not end" in caplog.text
    sink.let_go.set()


def test_a_sink_that_was_never_used_ends_as_well() -> None:
    finished, abandoned = FakeSink(), FakeSink()
    Queued(finished).finish()
    Queued(abandoned).abandon()
    assert (finished.ends, abandoned.ends) == (["finish"], ["abandon"])


def test_a_failure_ends_the_line_when_nobody_is_told() -> None:
    error = OutputWriteFailed("the disk is full")
    sink = FakeSink(at=raise_at(1, error))
    queued = Queued(sink, capacity=5)
    queued.write(moving.item(0))
    queued.write(moving.item(1))
    with pytest.raises(OutputWriteFailed, match="the disk is full"):
        queued.finish()
    with pytest.raises(OutputWriteFailed, match="the disk is full"):
        queued.write(moving.item(2))
    assert sink.ends == ["abandon"]
    assert (queued.status().frames, queued.status().dropped, queued.status().error) == (1, 1, "the disk is full")


def test_a_failure_that_somebody_is_told_of_does_not() -> None:
    told: list[BaseException] = []
    failed = threading.Event()

    def tell(error: BaseException) -> None:
        told.append(error)
        failed.set()

    queued = Queued(FakeSink(at=raise_at(0, OSError("rtsp://u:pass@h/x is gone"))), on_failure=tell)
    queued.write(moving.item(0))
    assert failed.wait(10)
    for index in range(1, 10):
        queued.write(moving.item(index))
    queued.finish()
    assert [str(error) for error in told] == ["rtsp://u:pass@h/x is gone"]
    assert queued.status().dropped == 10
    assert queued.status().error == "rtsp://u:***@h/x is gone"


class Eyes(FakeSink):
    def __init__(self) -> None:
        super().__init__("eyes")
        self.texts: list[str] = []

    def idle(self, text: str) -> None:
        self.texts.append(text)

    def status(self) -> OutputStatus:
        return OutputStatus(name="rtsp://there", state=State.RECONNECTING, frames=7, bytes=99, dropped=3, error="refused")


def test_only_sinks_for_eyes_hear_that_nothing_comes() -> None:
    eyes, recording = Eyes(), FakeSink()
    for sink in (eyes, recording):
        queued = Queued(sink, capacity=10)
        queued.write(moving.item(0))
        queued.idle("reconnecting, 1 s")
        queued.write(moving.item(1))
        queued.finish()
    assert eyes.texts == ["reconnecting, 1 s"]
    assert eyes.written == recording.written == [0, 1]


def test_what_a_sink_knows_of_itself_is_told() -> None:
    queued = Queued(Eyes(), capacity=4)
    assert queued.status() == OutputStatus(
        name="rtsp://there", state=State.RECONNECTING, frames=7, bytes=99, dropped=3, error="refused"
    )
    queued.abandon()
    assert queued.status().state == "ended"


def test_latency_is_from_capture_to_written() -> None:
    now = [12.5]
    queued = Queued(FakeSink(), clock=lambda: now[0])
    item: Annotated = moving.item(0, captured_at=12.0)
    queued.write(item)
    queued.finish()
    assert queued.latency.count == 1
    assert queued.latency.max_s == pytest.approx(0.5)


def second(size_bytes: int = 2**30) -> Room[Annotated]:
    """Room for a second of video."""
    return Room(seconds=1.0, size_bytes=size_bytes, time_s=lambda item: item.frame.time_s, bytes_of=lambda _item: 1)


def test_a_recording_waits_by_the_second_and_says_what_it_loses(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    sink = Stuck()
    queued = Queued(sink, room=second())
    queued.write(moving.item(0))
    assert sink.entered.wait(10)
    for index in range(1, 26):
        queued.write(moving.item(index))
    assert (queued.status().fill, queued.status().dropped, queued.status().error) == (1.0, 0, "")
    for index in range(26, 36):
        queued.write(moving.item(index))
    assert (queued.status().dropped, queued.status().error) == (10, "too slow, frames are lost")
    sink.let_go.set()
    queued.finish()
    assert sink.written == [0, *range(11, 36)]
    assert queued.status().error == ""
    assert [record.getMessage() for record in caplog.records] == [
        "stuck: too slow, frames are lost",
        "stuck: has caught up, 10 frames are lost",
    ]


def test_a_recording_that_cannot_write_all_in_time_is_completed_with_what_it_wrote(caplog: pytest.LogCaptureFixture) -> None:
    sink = Interruptible()
    queued = Queued(sink, room=second(), finish_timeout_s=0.05)
    for index in range(5):
        queued.write(moving.item(index))
    assert sink.entered.wait(10)
    queued.finish()
    assert (sink.written, sink.ends) == ([0], ["finish"])
    assert (queued.status().frames, queued.status().dropped, queued.status().state) == (1, 4, "ended")
    assert "stuck: 4 frames were still waiting at the end, and are lost" in caplog.text
