"""One camera's line: what it counts, how it starts, heals and ends, and what a slow detector does to it."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from streamer.config.live import CameraConfig
from streamer.errors import ConfigError, SourceLost, SourceUnavailable, StageFailed
from streamer.frame import Frame, StreamInfo
from streamer.live.camera import Camera
from streamer.live.outputs import Failures, OutputSet, item_room
from streamer.live.parts import Parts
from streamer.live.shared_detector import SharedDetector
from streamer.live.watchdog import Watchdog
from streamer.perception.selection import Selection
from streamer.perception.waiting import Waiting
from streamer.pipeline import Render
from streamer.sinks.queued import Queued
from streamer.sources.state import SourceStats
from streamer.stages import Sink, Source, State
from tests.fakes import FakeDetector, FakeSink, FakeSource, draw_nothing, frame
from tests.waiting import wait_until


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fake_parts(
    sources: Iterable[Source],
    sinks: Sequence[Sink],
    *,
    recordings: Sequence[Sink] = (),
    patience_s: float | None = None,
    render: Render = draw_nothing,
) -> Parts:
    """Sources and sinks of the test's, the real waiting perception."""
    following = iter(sources)

    def outputs(_info: StreamInfo, figures: Callable[[], Sequence[str]], failures: Failures) -> OutputSet:
        assert figures() == []
        streams = [Queued(sink, capacity=10_000, on_failure=failures(sink.name)) for sink in sinks]
        room = item_room(5.0)
        return OutputSet([Queued(sink, room=room, on_failure=failures(sink.name)) for sink in recordings], streams)

    return Parts(
        source=lambda _on_state: next(following),
        perception=lambda client, _info: Waiting(client, Selection(), patience_s=patience_s),
        renderer=lambda _info: render,
        outputs=outputs,
    )


def camera(
    parts: Parts,
    detector: FakeDetector | None = None,
    *,
    patient: bool = False,
    clock: Clock | None = None,
    **options: object,
) -> tuple[Camera, SharedDetector]:
    config = CameraConfig.model_validate({"source": "lavfi:testsrc2", "follow": False, **options})
    if clock is None:
        shared = SharedDetector(detector or FakeDetector())
        return Camera("gate", config, shared.client("gate"), parts, Watchdog(), patient=patient), shared
    shared = SharedDetector(detector or FakeDetector(), clock=clock)
    return Camera("gate", config, shared.client("gate"), parts, Watchdog(clock=clock), patient=patient, clock=clock), shared


def balanced(line: Camera) -> bool:
    status = line.status()
    return status.frames_in == status.frames_out + sum(status.dropped.values())


def test_a_line_from_start_to_end_and_what_it_says(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    source, sink = FakeSource(frame(index) for index in range(50)), FakeSink()
    line, shared = camera(fake_parts([source], [sink]))
    assert line.status().state == "starting"
    line.run()
    shared.close()
    status = line.status()
    assert status.state == "ended"
    assert status.frames_in == 50
    assert balanced(line)
    assert sink.written == sorted(set(sink.written))
    assert len(sink.written) == status.frames_out == status.detections == shared.detector.calls  # type: ignore[attr-defined]  # a fake one
    assert sink.written[-1] == 49, "the newest frame is never the one that is dropped"
    assert sink.ends == ["finish"]
    assert source.closed
    assert [(output.name, output.frames) for output in status.outputs] == [("fake", status.frames_out)]
    assert (status.width, status.height) == (64, 48)
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0] == "gate: running"
    assert messages[1].startswith("gate: ended (50 captured, ")
    assert len(messages) == 2


def test_damaged_frames_are_shown_but_not_given_to_the_detector() -> None:
    steps = threading.Semaphore(0)
    source = FakeSource((frame(index, damaged=True) for index in range(5)), at=lambda _index: steps.acquire())
    sink = FakeSink(at=lambda _index: steps.release())
    detector = FakeDetector()
    line, shared = camera(fake_parts([source], [sink]), detector)
    steps.release()
    line.run()
    shared.close()
    assert detector.calls == 0
    assert line.status().frames_out == 5
    assert line.status().damaged_frames == 5


class Failing(FakeSource):
    """Cannot be opened."""

    error: Exception = SourceUnavailable("rtsp://u:hunter2@192.0.2.7/ refused")

    def open(self) -> StreamInfo:
        raise self.error


def test_a_source_that_is_not_there_at_the_start_is_an_error_at_once() -> None:
    failing = Failing([])
    line, shared = camera(fake_parts([failing], [FakeSink()]))
    with pytest.raises(SourceUnavailable, match="refused"):
        line.run()
    shared.close()
    assert failing.closed
    status = line.status()
    assert status.state == "failed"
    assert status.reason == "rtsp://u:***@192.0.2.7/ refused"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Failing.error, "rtsp://u:***@192.0.2.7/ refused"),
        (ZeroDivisionError("a mistake of ours"), "ZeroDivisionError: a mistake of ours"),
    ],
)
def test_a_patient_camera_waits_for_its_source_and_says_so_once(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Failing, "error", error)
    sink = FakeSink()
    sources = [*(Failing([]) for _ in range(5)), FakeSource(frame(index) for index in range(3))]
    line, shared = camera(fake_parts(sources, [sink]), patient=True, reconnect_initial_delay=0.001, reconnect_max_delay=0.002)
    line.run()
    shared.close()
    assert balanced(line)
    assert sink.written[-1] == 2
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        f"gate: cannot be opened, trying again: {reason}"
    ]


def test_wrong_settings_are_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failing, "error", ConfigError("no such format"))
    line, shared = camera(fake_parts([Failing([])], []), patient=True)
    with pytest.raises(ConfigError, match="no such format"):
        line.run()
    shared.close()
    assert line.status().state == "failed"


def test_a_camera_that_waits_for_its_source_can_be_stopped() -> None:
    def failing() -> Iterator[Source]:
        while True:
            yield Failing([])

    parts = fake_parts(failing(), [])
    line, shared = camera(parts, patient=True, reconnect_initial_delay=30.0)
    worker = threading.Thread(target=line.run)
    worker.start()
    wait_until(lambda: line.status().reason)
    line.stop()
    worker.join(5.0)
    assert not worker.is_alive()
    assert line.status().state == "ended"
    shared.close()


def test_the_first_failure_ends_the_line_with_its_stage() -> None:
    def fail(index: int) -> None:
        if index == 7:
            raise SourceLost("gone for good")

    sink = FakeSink()
    line, shared = camera(fake_parts([FakeSource((frame(index) for index in range(50)), fail)], [sink]))
    with pytest.raises(StageFailed, match="capture failed: gone for good"):
        line.run()
    shared.close()
    assert line.status().state == "failed"
    assert balanced(line)
    assert sink.ends == ["finish"]


def test_damage_and_a_silent_detector_are_said_and_shown_until_they_are_over(caplog: pytest.LogCaptureFixture) -> None:
    clock, release, hanging = Clock(), threading.Event(), threading.Event()
    steps = threading.Semaphore(0)
    source = FakeSource(
        (frame(index, damaged=index % 5 == 0 and 0 < index < 40) for index in range(200)), lambda _i: steps.acquire()
    )
    sink = FakeSink()

    def hang(call: int) -> None:
        if call == 1:
            hanging.set()
            release.wait(10)

    line, shared = camera(fake_parts([source], [sink]), FakeDetector(hang), clock=clock)
    worker = threading.Thread(target=line.run)
    worker.start()

    def until(captured: int) -> None:
        while line.status().frames_in < captured:
            steps.release()
            wait_until(lambda: steps._value == 0)

    line.sample(clock())
    until(1)
    hanging.wait(10)
    clock.now += 6.0
    until(40)
    line.sample(clock())
    assert line.status().problems == ("the detector has not answered for 6 s", "18% of the frames are damaged")
    release.set()
    wait_until(lambda: not line.status().detector_error)
    until(199)
    for _ in range(12):
        clock.now += 1.0
        line.sample(clock())
    assert line.status().problems == ()
    steps.release(10)
    worker.join(10)
    shared.close()
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "gate: the detector has not answered for 6 s",
        "gate: 18% of the frames are damaged",
        "gate: the detector answers again",
        "gate: hardly any frames are damaged any more",
    ]


class HealingSource(FakeSource):
    """Goes away after ten frames, until it is told to come back."""

    def __init__(self, clock: Clock) -> None:
        super().__init__([])
        self.stats = SourceStats()
        self.state = State.RUNNING
        self.since_s = clock()
        self.since_utc_s = 5.0
        self.reason = ""
        self.back = threading.Event()
        self._clock = clock

    def frames(self) -> Iterator[Frame]:
        for index in range(10):
            self.stats.last_frame_at = self._clock()
            yield frame(index, captured_at=self._clock())
        self.state, self.since_s, self.reason = State.RECONNECTING, self._clock(), "rtsp://u:hunter2@h/ is gone"
        self.back.wait(10)
        self.stats.reconnects += 1
        self.state, self.reason = State.RUNNING, ""
        yield frame(10, captured_at=self._clock())


class EyesSink(FakeSink):
    """Is told when no frame comes."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def idle(self, text: str) -> None:
        self.texts.append(text)


def test_while_the_source_is_away_eyes_are_told_and_files_get_nothing() -> None:
    clock = Clock()
    source, eyes, file = HealingSource(clock), EyesSink(), FakeSink()
    line, shared = camera(fake_parts([source], [eyes, file]), clock=clock)
    worker = threading.Thread(target=line.run)
    worker.start()
    wait_until(lambda: source.state is State.RECONNECTING)
    clock.now += 12.0
    wait_until(lambda: "reconnecting, 12 s" in eyes.texts)
    status = line.status()
    assert (status.state, status.state_s, status.since_utc_s) == ("reconnecting", 12.0, 5.0)
    assert status.reason == "rtsp://u:***@h/ is gone"
    assert status.frame_age_s == 12.0
    source.back.set()
    worker.join(10)
    shared.close()
    assert line.status().reconnects == 1
    assert file.written == eyes.written
    assert file.written[-1] == 10


def test_a_source_that_calls_itself_running_without_frames_is_stuck() -> None:
    clock = Clock()
    source = HealingSource(clock)
    line, shared = camera(fake_parts([source], [FakeSink()]), clock=clock)
    worker = threading.Thread(target=line.run)
    worker.start()
    wait_until(lambda: source.state is State.RECONNECTING)
    source.state = State.RUNNING
    assert line.status().healthy
    clock.now += 60.0
    assert line.status().stuck == "capture"
    assert not line.status().healthy
    source.back.set()
    worker.join(10)
    shared.close()


@pytest.mark.slow
@pytest.mark.parametrize("stream_s", [10, 300])
def test_behind_a_detector_ten_times_too_slow_the_picture_is_one_inference_and_one_frame_old(stream_s: int) -> None:
    """Ten frames come during each call of the detector; the clock is the stream's."""
    clock = Clock()
    frame_s, per_call = 0.04, 10
    permits, taken, written = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(1)
    captured: list[float] = []
    latencies: list[float] = []
    count = round(stream_s / frame_s)

    def live_frames() -> Iterator[Frame]:
        for index in range(count):
            permits.acquire()
            clock.now += frame_s
            captured.append(clock.now)
            yield frame(index, captured_at=clock.now)
            # Asked for the next one: this one is in the channel.
            taken.release()
        taken.release(2 * per_call)  # nothing more comes: the last calls wait for nothing

    def detect(_call: int) -> None:
        # Not before the last answer is on the screen: drawing takes no time here.
        written.acquire()
        permits.release(per_call)
        for _ in range(per_call):
            taken.acquire()

    def write(index: int) -> None:
        latencies.append(clock.now - captured[index])
        written.release()

    line, shared = camera(fake_parts([FakeSource(live_frames())], [FakeSink(at=write)]), FakeDetector(detect), clock=clock)
    permits.release()
    line.run()
    shared.close()
    assert balanced(line)
    assert line.status().frames_in == count
    assert len(latencies) == pytest.approx(count / per_call, abs=2)
    assert max(latencies) <= (per_call + 1) * frame_s + 1e-6
    assert not line.status().dropped.get("stale")
    shown = latencies[2:-2]
    assert max(shown) - min(shown) <= frame_s + 1e-6, "the same at the end as at the beginning"


def test_every_frame_is_recorded_whatever_the_detector_sees() -> None:
    """Fifty frames come during the first call of the detector, as after a stall of the network."""
    captured = threading.Event()
    count = 50

    def bunch() -> Iterator[Frame]:
        yield from (frame(index) for index in range(count))
        captured.set()

    window, file, records = FakeSink(), FakeSink(), FakeSink()
    parts = fake_parts([FakeSource(bunch())], [window], recordings=[file, records])
    line, shared = camera(parts, FakeDetector(lambda _call: captured.wait(10)))
    line.run()
    shared.close()
    assert file.written == records.written == list(range(count))
    assert len(window.written) < count
    assert window.written[-1] == count - 1
    status = line.status()
    assert (status.frames_in, status.frames_out, sum(status.dropped.values())) == (count, count, 0)
    assert status.detections < count


def test_a_detector_that_does_not_answer_holds_up_no_recording() -> None:
    recorded, done, count = threading.Semaphore(0), threading.Event(), 30

    def frames() -> Iterator[Frame]:
        for index in range(count):
            yield frame(index)
            if index:
                # One after the other: each is recorded although the detector still works on the first one.
                assert recorded.acquire(timeout=10)
        done.set()

    window, file = FakeSink(), FakeSink(at=lambda _index: recorded.release())
    parts = fake_parts([FakeSource(frames())], [window], recordings=[file], patience_s=0.01)
    line, shared = camera(parts, FakeDetector(lambda _call: done.wait(20)))
    line.run()
    shared.close()
    assert file.written == list(range(count))
    assert balanced(line)


def test_frames_that_are_too_old_to_be_shown_are_recorded() -> None:
    clock = Clock()
    old = [frame(index, captured_at=clock.now - 1.0) for index in range(5)]
    window, file = FakeSink(), FakeSink()
    parts = fake_parts([FakeSource([*old, frame(5, captured_at=clock.now)])], [window], recordings=[file])
    line, shared = camera(parts, clock=clock, max_staleness=0.5)
    line.run()
    shared.close()
    assert file.written == list(range(6))
    assert window.written == [5]
    assert (line.status().frames_out, line.status().dropped.get("stale", 0)) == (6, 0)


def test_no_more_frames_a_second_than_asked_for_and_the_rest_is_counted() -> None:
    source = FakeSource(frame(index) for index in range(100))
    line, shared = camera(fake_parts([source], [FakeSink()]), max_fps=5)
    line.run()
    shared.close()
    status = line.status()
    assert status.frames_in == 100
    assert status.dropped["max_fps"] == 80
    assert balanced(line)


def test_rates_and_figures_follow_the_counters() -> None:
    clock = Clock()
    source = HealingSource(clock)
    line, shared = camera(fake_parts([source], [FakeSink()]), clock=clock)
    assert line.figures() == []
    line.sample(0.0)
    worker = threading.Thread(target=line.run)
    worker.start()
    wait_until(lambda: source.state is State.RECONNECTING)
    wait_until(lambda: balanced(line) and line.status().frames_in == 10)
    line.sample(2.0)
    assert line.status().camera_fps == 5.0
    assert line.figures()[0] == f"5.0 fps in, {line.status().process_fps:.1f} out"
    source.back.set()
    worker.join(10)
    shared.close()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory from /proc: needs Linux")
def test_memory_is_flat_over_thirty_thousand_frames() -> None:
    found = subprocess.run([sys.executable, "-m", "tests.live.memory_main"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert float(found.stdout) < 100, f"{found.stdout} bytes a frame"
