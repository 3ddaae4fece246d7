"""The line: order, ends, and a fault in each stage."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable

import pytest

from streamer.channel import Overflow, Room
from streamer.errors import DetectorTimeout, SourceLost, StageFailed
from streamer.frame import Frame
from streamer.pipeline import Pipeline, Recording
from streamer.runtime.early_thread import EarlyThread
from streamer.stages import Annotated, GivenUp
from tests.fakes import FakePerception, FakeSink, FakeSource, draw_nothing, frame, nothing, raise_at

WAIT_S = 10.0


def test_every_frame_reaches_every_sink_once_and_in_order() -> None:
    source, perception = FakeSource(100), FakePerception()
    sinks = [FakeSink("a"), FakeSink("b")]
    seen: list[int] = []
    stats = Pipeline(source, perception, draw_nothing, sinks, on_item=lambda item: seen.append(item.frame.index)).run()
    assert sinks[0].written == sinks[1].written == seen == list(range(100))
    assert [sink.ends for sink in sinks] == [["finish"], ["finish"]]
    assert (stats.frames_in, stats.frames_out, sum(stats.dropped.values())) == (100, 100, 0)
    assert all(stats.latencies[stage].count == 100 for stage in stats.latencies)
    assert source.closed >= 1
    assert perception.closed == 1


def test_drawing_runs_a_frame_ahead_of_writing_and_no_further() -> None:
    drawn: list[int] = []
    ahead: list[int] = []
    third_is_drawn = threading.Event()

    def render(item: Annotated) -> None:
        draw_nothing(item)
        drawn.append(item.frame.index)
        if item.frame.index == 2:
            third_is_drawn.set()

    def written(index: int) -> None:
        if index == 0:  # one waits drawn, and one is in the hands of the thread that drew it
            assert third_is_drawn.wait(WAIT_S)
        ahead.append(len(drawn) - 1 - index)

    sink = FakeSink(at=written)
    stats = Pipeline(FakeSource(50), FakePerception(), render, [sink]).run()
    assert drawn == sink.written == list(range(50))
    assert max(ahead) == 2
    assert stats.frames_out == 50


def test_a_thread_that_is_ready_draws() -> None:
    drawn: set[str] = set()

    def render(item: Annotated) -> None:
        draw_nothing(item)
        drawn.add(threading.current_thread().name)

    early = EarlyThread("early", lambda: None)
    Pipeline(FakeSource(5), FakePerception(), render, [FakeSink()], early=early).run()
    assert drawn == {"early"}
    assert not early.is_alive()


def test_what_was_drawn_before_drawing_failed_is_written() -> None:
    begun = threading.Event()

    def render(item: Annotated) -> None:
        if item.frame.index == 2:
            begun.set()
            raise ZeroDivisionError
        draw_nothing(item)

    def written(index: int) -> None:
        if index == 0:
            assert begun.wait(WAIT_S)

    sink = FakeSink(at=written)
    pipeline = Pipeline(FakeSource(None), FakePerception(), render, [sink])
    with pytest.raises(StageFailed, match="render"):
        pipeline.run()
    assert sink.written == [0, 1]
    assert sink.ends == ["finish"]
    assert pipeline.stats.frames_in == 2 + sum(pipeline.stats.dropped.values())


def test_an_empty_source_still_finishes_its_sinks() -> None:
    sink = FakeSink()
    stats = Pipeline(FakeSource(0), FakePerception(), draw_nothing, [sink]).run()
    assert sink.ends == ["finish"]
    assert stats.frames_out == 0


def test_stop_works_off_what_was_read_and_finishes() -> None:
    pipeline: Pipeline
    sink = FakeSink(at=lambda index: pipeline.stop() if index == 10 else None)
    pipeline = Pipeline(FakeSource(None), FakePerception(), draw_nothing, [sink])
    stats = pipeline.run()
    assert pipeline.interrupted
    assert not pipeline.abandoned
    assert sink.ends == ["finish"]
    assert sink.written == list(range(stats.frames_in))


def test_abandon_discards_and_accounts_for_every_frame() -> None:
    pipeline: Pipeline
    sink = FakeSink(at=lambda index: pipeline.abandon() if index == 10 else None)
    pipeline = Pipeline(FakeSource(None), FakePerception(), draw_nothing, [sink])
    stats = pipeline.run()
    assert sink.ends == ["abandon"]
    assert stats.frames_in == stats.frames_out + sum(stats.dropped.values())


def _fails(where: str, error: BaseException) -> Pipeline:
    at = raise_at(5, error)

    def render(item: Annotated) -> None:
        if where == "render":
            at(item.frame.index)
        draw_nothing(item)

    def on_finish() -> None:
        if where == "finish":
            raise error

    return Pipeline(
        FakeSource(None if where != "finish" else 9, at if where == "capture" else nothing),
        FakePerception(at if where == "inference" else nothing),
        render,
        [FakeSink("first"), FakeSink("sink", at if where == "sink" else nothing, on_finish)],
    )


@pytest.mark.parametrize(
    ("where", "stage"),
    [("capture", "capture"), ("inference", "inference"), ("render", "render"), ("sink", "sink"), ("finish", "sink")],
)
@pytest.mark.parametrize("error", [SourceLost("the cable is cut", hint="mend it"), ZeroDivisionError("oops\ntwo lines")])
def test_a_failure_reaches_the_caller_with_its_stage_and_cause(where: str, stage: str, error: Exception) -> None:
    with pytest.raises(StageFailed) as caught:
        _fails(where, error).run()
    assert caught.value.__cause__ is error
    assert caught.value.stage == stage
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", ["capture", "inference", "render", "sink"])
def test_after_a_failure_the_frames_before_it_are_completed(where: str) -> None:
    pipeline = _fails(where, ZeroDivisionError("oops"))
    with pytest.raises(StageFailed):
        pipeline.run()
    first, second = pipeline._sinks
    assert isinstance(first, FakeSink)
    assert isinstance(second, FakeSink)
    assert first.written == list(range(6 if where == "sink" else 5))
    assert first.ends == ["finish"]
    assert second.ends == ["abandon" if where == "sink" else "finish"]
    assert pipeline.completed == ([first] if where == "sink" else [first, second])
    assert pipeline.interrupted


def test_a_failure_on_the_first_frame_leaves_nothing() -> None:
    sink = FakeSink()
    pipeline = Pipeline(FakeSource(None), FakePerception(raise_at(0, ZeroDivisionError())), draw_nothing, [sink])
    with pytest.raises(StageFailed):
        pipeline.run()
    assert sink.ends == ["abandon"]


def test_after_a_failure_no_sink_is_left_open() -> None:
    first, second, third = (
        FakeSink("first"),
        FakeSink("second", on_finish=lambda: (_ for _ in ()).throw(OSError("full"))),
        FakeSink("third"),
    )
    with pytest.raises(StageFailed):
        Pipeline(FakeSource(3), FakePerception(), draw_nothing, [first, second, third]).run()
    assert (first.ends, second.ends, third.ends) == (["finish"], ["abandon"], ["finish"])


def test_a_detector_that_hangs_while_closing_costs_no_frame_and_is_reported() -> None:
    release = threading.Event()
    sink = FakeSink()
    pipeline = Pipeline(
        FakeSource(3), FakePerception(on_close=lambda: release.wait(WAIT_S)), draw_nothing, [sink], join_timeout_s=0.05
    )
    with pytest.raises(StageFailed, match="closing the detector") as caught:
        pipeline.run()
    assert isinstance(caught.value.__cause__, DetectorTimeout)
    assert sink.written == [0, 1, 2]
    assert sink.ends == ["finish"]
    release.set()


def test_a_detector_that_hangs_in_a_call_does_not_hold_up_abandon() -> None:
    release, hanging = threading.Event(), threading.Event()

    def hang(index: int) -> None:
        if index == 2:
            hanging.set()
            release.wait(WAIT_S)

    def abandon() -> None:
        hanging.wait(WAIT_S)
        pipeline.abandon()

    pipeline = Pipeline(FakeSource(None), FakePerception(hang), draw_nothing, [FakeSink()], join_timeout_s=0.05)
    threading.Thread(target=abandon).start()
    with pytest.raises(StageFailed, match="frame 2"):
        pipeline.run()
    release.set()


def test_abandon_reaches_a_sink_that_is_finishing() -> None:
    pipeline: Pipeline

    class Slow(FakeSink):
        given_up = False

        def give_up(self) -> None:
            self.given_up = True

        def finish(self) -> None:
            pipeline.abandon()  # the second Ctrl-C comes while it copies
            if self.given_up:
                raise GivenUp

    slow, next_one = Slow("slow"), FakeSink("next")
    pipeline = Pipeline(FakeSource(5), FakePerception(), draw_nothing, [slow, next_one])
    pipeline.run()
    assert pipeline.abandoned
    assert (slow.ends, next_one.ends) == (["abandon"], ["abandon"])


def test_stale_frames_are_dropped_and_counted() -> None:
    now = 100.0
    pipeline = Pipeline(
        FakeSource(frame(index, captured_at=99.0) for index in range(4)),
        FakePerception(),
        draw_nothing,
        [sink := FakeSink()],
        max_staleness_s=0.5,
        clock=lambda: now,
    )
    stats = pipeline.run()
    assert sink.written == []
    assert stats.dropped == {"stale": 4}


def test_a_full_live_line_drops_and_counts() -> None:
    first_is_in, source_is_done = threading.Event(), threading.Event()

    def perceive(_: int) -> None:
        first_is_in.set()
        assert source_is_done.wait(WAIT_S)

    def produce(index: int) -> None:
        if index == 1:
            assert first_is_in.wait(WAIT_S)
        if index == 19:
            source_is_done.set()

    sink = FakeSink()
    stats = Pipeline(
        FakeSource(20, produce), FakePerception(perceive), draw_nothing, [sink], overflow=Overflow.DROP_OLDEST, capacity=2
    ).run()
    assert sink.written[-1] == 19
    assert stats.dropped["queue_full"] >= 15
    assert stats.frames_in == stats.frames_out + sum(stats.dropped.values())


def test_idle_is_told_while_nothing_comes() -> None:
    told = threading.Event()
    pipeline = Pipeline(
        FakeSource(1, lambda _: told.wait(WAIT_S)),
        FakePerception(),
        draw_nothing,
        [FakeSink()],
        on_idle=told.set,
        idle_interval_s=0.01,
    )
    assert pipeline.run().frames_out == 1
    assert told.is_set()


@pytest.mark.slow
def test_a_thousand_faults_in_random_stages_end_every_time_and_lose_count_of_nothing() -> None:
    rng = random.Random(7)
    for _ in range(1000):
        where = rng.choice(["capture", "inference", "render", "sink", "stop", "abandon", "none"])
        at = rng.randrange(12)
        overflow = rng.choice(list(Overflow))
        boom = raise_at(at, RuntimeError(where))
        pipeline: Pipeline

        def write(index: int, where: str = where, at: int = at, boom: Callable[[int], object] = boom) -> None:
            if where == "sink":
                boom(index)
            elif index == at and where in {"stop", "abandon"}:
                getattr(pipeline, where)()  # noqa: B023  # called within this round only

        def render(item: Annotated, where: str = where, boom: Callable[[int], object] = boom) -> None:
            if where == "render":
                boom(item.frame.index)
            draw_nothing(item)

        sink = FakeSink(at=write)
        pipeline = Pipeline(
            FakeSource(12, boom if where == "capture" else nothing),
            FakePerception(boom if where == "inference" else nothing),
            render,
            [sink],
            overflow=overflow,
            capacity=rng.randrange(1, 5),
        )
        try:
            pipeline.run()
        except StageFailed as failure:
            assert str(failure.__cause__) == where  # noqa: PT017  # whether it raises depends on what was dropped
        assert len(sink.ends) == 1
        lost = pipeline.stats.frames_in - pipeline.stats.frames_out - sum(pipeline.stats.dropped.values())
        # A frame that a failing stage held in its hands is neither shown nor dropped.
        assert 0 <= lost <= (1 if where in {"inference", "render", "sink"} else 0), (where, pipeline.stats)


def test_a_signal_handler_may_stop_it_from_a_one_shot_thread() -> None:
    pipeline: Pipeline
    previous = signal.signal(signal.SIGUSR1, lambda *_: threading.Thread(target=pipeline.stop).start())
    try:
        for _ in range(200):
            sink = FakeSink(at=lambda index: signal.raise_signal(signal.SIGUSR1) if index == 3 else None)
            pipeline = Pipeline(FakeSource(None), FakePerception(), draw_nothing, [sink])
            pipeline.run()
            assert sink.ends == ["finish"]
    finally:
        signal.signal(signal.SIGUSR1, previous)


def room(seconds: float = 60.0) -> Room[Frame]:
    return Room(seconds=seconds, size_bytes=2**30, time_s=lambda frame: frame.time_s, bytes_of=lambda _frame: 1)


def test_a_picture_is_drawn_once_by_the_thread_that_needs_it_first() -> None:
    drawn: list[int] = []

    def render(item: Annotated) -> None:
        drawn.append(item.frame.index)
        item.picture = item.frame.picture

    recorded: list[Annotated] = []
    sink = FakeSink()
    recording = Recording(record=recorded.append, room=room())
    stats = Pipeline(FakeSource(20), FakePerception(), render, [sink], overflow=Overflow.DROP_OLDEST, recording=recording).run()
    assert [item.frame.index for item in recorded] == list(range(20))
    assert drawn == [], "nobody asked for a picture"
    for item in (*recorded, *recorded):
        assert item.drawn() is item.frame.picture
    assert drawn == list(range(20))
    assert (stats.frames_out, stats.latencies["render"].count, sum(stats.dropped.values())) == (20, 20, 0)


@pytest.mark.parametrize("where", ["inference", "render"])
def test_what_fails_beside_a_recording_costs_it_no_frame(where: str) -> None:
    error = ZeroDivisionError("odd masks")
    at = raise_at(5, error)

    def render(item: Annotated) -> None:
        if where == "render":
            at(item.frame.index)
        draw_nothing(item)

    recorded: list[int] = []
    unrecorded = threading.Semaphore(10)  # the source is never so far ahead that the queue is full

    def record(item: Annotated) -> None:
        item.drawn()
        recorded.append(item.frame.index)
        unrecorded.release()

    pipeline = Pipeline(
        FakeSource(None, lambda _index: unrecorded.acquire()),
        FakePerception(at if where == "inference" else nothing),
        render,
        [sink := FakeSink()],
        overflow=Overflow.DROP_OLDEST,
        recording=Recording(record=record, room=room()),
    )
    with pytest.raises(StageFailed, match=f"{where} failed: ZeroDivisionError: odd masks"):
        pipeline.run()
    assert recorded == list(range(pipeline.stats.frames_in))
    assert len(recorded) > 5
    assert pipeline.stats.frames_out == pipeline.stats.frames_in
    assert len(sink.ends) == 1


def test_frames_that_wait_too_long_for_perception_are_counted() -> None:
    captured = threading.Event()
    recorded: list[int] = []
    source = FakeSource(101, at=lambda index: captured.set() if index == 100 else None)
    pipeline = Pipeline(
        source,
        FakePerception(lambda _index: captured.wait(WAIT_S)),
        draw_nothing,
        [FakeSink()],
        overflow=Overflow.DROP_OLDEST,
        recording=Recording(record=lambda item: recorded.append(item.frame.index), room=room(seconds=1.0)),
    )
    stats = pipeline.run()
    assert recorded[-25:] == list(range(76, 101)), "25 frames are a second"
    assert stats.dropped == {"queue_full": 101 - len(recorded)}
    assert stats.frames_out == len(recorded)
