"""Many outputs as one: they end together, fail alone, and say how they are."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from streamer.errors import OutputWriteFailed
from streamer.instances import Instances
from streamer.live.outputs import Failures, FileSink, Outputs, OutputSet
from streamer.sinks.queued import Queued
from streamer.stages import Annotated, OutputStatus, State
from tests.fakes import FakeSink, frame
from tests.waiting import wait_until


class FakeView(FakeSink):
    """A window for the tests."""

    closed = False

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def idle(self, text: str) -> None:
        self.texts.append(text)

    def status(self) -> OutputStatus:
        return OutputStatus(name="window", frames=len(self.written))


def item(index: int) -> Annotated:
    return Annotated(frame(index), Instances.empty())


def fail(_index: int) -> None:
    raise OutputWriteFailed("rtsp://u:hunter2@192.0.2.1/ is gone")


def test_every_output_gets_every_frame_and_only_views_hear_that_none_comes() -> None:
    failures = Failures("gate")
    sinks, view = [FakeSink(), FakeSink()], FakeView()
    outputs = Outputs(OutputSet([Queued(sink, capacity=8) for sink in sinks], windows=[view]), failures)
    for index in range(5):
        outputs.write(item(index))
    outputs.idle("reconnecting, 3 s")
    outputs.finish()
    assert [sink.written for sink in sinks] == [list(range(5))] * 2
    assert view.written == list(range(5))
    assert view.texts == ["reconnecting, 3 s"]
    assert [sink.ends for sink in (*sinks, view)] == [["finish"]] * 3
    assert [status.frames for status in outputs.statuses()] == [5, 5, 5]


def test_one_failing_output_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures("gate")
    good, bad = FakeSink(), FakeSink(at=fail)
    queued = [Queued(good, capacity=8), Queued(bad, on_failure=failures("publish"))]
    outputs = Outputs(OutputSet(queued), failures)
    with caplog.at_level(logging.ERROR):
        outputs.write(item(0))
        wait_until(lambda: failures.errors)
        outputs.write(item(1))
        outputs.finish()
    assert good.written == [0, 1]
    assert [record.getMessage() for record in caplog.records] == ["gate: publish failed: rtsp://u:***@192.0.2.1/ is gone"]
    assert [status.state for status in outputs.statuses()] == ["ended", "failed"]


def test_when_the_last_output_has_failed_the_line_ends_with_its_error() -> None:
    failures = Failures("gate")
    outputs = Outputs(OutputSet([Queued(FakeSink(at=fail), on_failure=failures("publish"))]), failures)
    outputs.write(item(0))
    wait_until(lambda: failures.errors)
    with pytest.raises(OutputWriteFailed, match="is gone"):
        outputs.write(item(1))
    outputs.abandon()


def test_a_window_that_is_still_open_keeps_the_line_going() -> None:
    failures = Failures("gate")
    view = FakeView()
    outputs = Outputs(OutputSet([Queued(FakeSink(at=fail), on_failure=failures("publish"))], windows=[view]), failures)
    outputs.write(item(0))
    wait_until(lambda: failures.errors)
    outputs.write(item(1))
    view.closed = True
    with pytest.raises(OutputWriteFailed):
        outputs.write(item(2))
    outputs.abandon()
    assert view.written == [0, 1]


def test_outputs_end_at_the_same_time() -> None:
    # Each can only end while the other ends as well.
    together = threading.Barrier(3)

    class Slow(FakeSink):
        def finish(self) -> None:
            together.wait(timeout=10)
            super().finish()

    failures = Failures("gate")
    sinks = [Slow() for _ in range(3)]
    outputs = Outputs(OutputSet([Queued(sink, finish_timeout_s=10) for sink in sinks]), failures)
    outputs.write(item(0))
    outputs.finish()
    assert [sink.ends for sink in sinks] == [["finish"]] * 3


def test_a_file_says_how_large_it_is_while_it_grows_and_after(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    partial = tmp_path / ".out.partial-abc.mp4"
    sink = FileSink(FakeSink(), path)
    assert sink.status() == OutputStatus(name="fake out.mp4", state=State.STARTING)
    partial.write_bytes(b"1234")
    sink.write(item(0))
    assert sink.status() == OutputStatus(name="fake out.mp4", state=State.RUNNING, frames=1, bytes=4)
    partial.rename(path)
    sink.finish()
    assert sink.status() == OutputStatus(name="fake out.mp4", state=State.ENDED, frames=1, bytes=4)
