"""Many cameras at once: one dies alone, all end together, nothing hangs and nothing leaks, whatever fails."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from streamer.config.live import CameraConfig
from streamer.errors import OutputWriteFailed, SourceLost, SourceUnavailable
from streamer.frame import Frame, StreamInfo
from streamer.live.camera import Camera
from streamer.live.copied_camera import CopiedCamera
from streamer.live.outputs import Failures, OutputSet
from streamer.live.parts import Parts
from streamer.live.shared_detector import SharedDetector
from streamer.live.status import CameraStatus
from streamer.live.supervisor import Cameras
from streamer.perception.selection import Selection
from streamer.perception.waiting import Waiting
from streamer.runtime.signals import SighupHandler
from streamer.sinks.queued import Queued
from streamer.stages import Annotated, Source
from tests.fakes import FakeDetector, FakeSink, FakeSource, frame
from tests.waiting import wait_until

STAGES = ("open", "capture", "detector", "render", "write", "finish", "stop", "abandon", "close", "nothing")


class Fault(Exception):
    """Thrown by a stage that was told to."""


@dataclass
class Plan:
    """What happens to one camera: which stage fails at which frame."""

    stage: str = "nothing"
    at: int = 0
    frames: int = 12
    sink: FakeSink = field(default_factory=FakeSink)
    act: Callable[[], object] = lambda: None

    def fail(self, stage: str, index: int) -> None:
        if stage == self.stage and index >= self.at:
            if stage in ("stop", "abandon"):
                self.act()
            else:
                raise Fault(stage)


class FaultySource(FakeSource):
    def __init__(self, name: str, plan: Plan) -> None:
        super().__init__(frame(index, source=name) for index in range(plan.frames))
        self.plan = plan

    def open(self) -> StreamInfo:
        self.plan.fail("open", self.plan.at)
        return super().open()

    def frames(self) -> Iterator[Frame]:
        for item in super().frames():
            for stage in ("capture", "stop", "abandon"):
                self.plan.fail(stage, item.index)
            yield item

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.plan.fail("close", self.plan.at)


class FaultySink(FakeSink):
    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan

    def write(self, item: Annotated) -> None:
        self.plan.fail("write", item.frame.index)
        super().write(item)

    def finish(self) -> None:
        self.plan.fail("finish", self.plan.at)
        super().finish()


class Plans:
    """Says what makes a camera's parts, by plans."""

    def __init__(self, plans: dict[str, Plan], sources: dict[str, Source] | None = None) -> None:
        self.plans = plans
        self.sources = sources or {}

    def __call__(self, camera: str, _config: CameraConfig) -> Parts:
        plan = self.plans[camera]

        def render(item: Annotated) -> None:
            plan.fail("render", item.frame.index)
            item.picture = item.frame.picture

        def outputs(_info: StreamInfo, _figures: Callable[[], Sequence[str]], failures: Failures) -> OutputSet:
            plan.sink = FaultySink(plan)
            return OutputSet(streams=[Queued(plan.sink, capacity=1000, on_failure=failures("file"))])

        return Parts(
            source=lambda _on_state: self.sources.get(camera) or FaultySource(camera, plan),
            perception=lambda client, _info: Waiting(client, Selection()),
            renderer=lambda _info: render,
            outputs=outputs,
        )


class FaultyDetector(FakeDetector):
    """Fails when the plan of any camera says so."""

    def __init__(self, plans: dict[str, Plan]) -> None:
        super().__init__(self._fail)
        self.plans = plans

    def _fail(self, call: int) -> None:
        for plan in self.plans.values():
            plan.fail("detector", call)


def cameras_of(plans: dict[str, Plan], parts: Plans | None = None, **options: object) -> Cameras:
    options = {"max_staleness": 60.0, **options}  # a machine that stands still for a moment drops nothing
    configs = {name: CameraConfig.model_validate({"source": f"lavfi:{name}", **options}) for name in plans}
    return Cameras(configs, SharedDetector(FaultyDetector(plans)), parts or Plans(plans), patient=False)


def balanced(camera: Camera | CopiedCamera) -> bool:
    status = camera.status()
    return status.frames_in == status.frames_out + sum(status.dropped.values())


@pytest.mark.slow
def test_a_thousand_random_faults_neither_hang_nor_leak_and_every_frame_is_accounted_for() -> None:
    logging.disable(logging.CRITICAL)
    draw = random.Random(20260131)
    before = set(threading.enumerate())
    try:
        for turn in range(1000):
            plan = Plan(draw.choice(STAGES), draw.randrange(12), draw.randrange(1, 16))
            cameras = cameras_of({"gate": plan}, max_staleness=draw.choice([0.5, 0.0001]))
            (camera,) = cameras.cameras
            plan.act = camera.stop if plan.stage == "stop" else camera.abandon
            cameras.run()
            told = f"turn {turn}: {plan.stage} at {plan.at} of {plan.frames}"
            assert balanced(camera), f"{told}: {camera.status()}"
            assert camera.status().state in ("ended", "failed"), told
            assert len(plan.sink.ends) <= 1, told
    finally:
        logging.disable(logging.NOTSET)
    wait_until(lambda: set(threading.enumerate()) <= before)


@pytest.mark.parametrize("stage", ["open", "capture", "write", "finish", "close"])
def test_one_camera_that_dies_leaves_the_others_alone(stage: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    plans = {"gate": Plan(stage, at=3, frames=8), "door": Plan(frames=40), "yard": Plan(frames=40)}
    cameras = cameras_of(plans)
    cameras.run()
    states = {camera.name: camera.status().state for camera in cameras.cameras}
    assert states["door"] == states["yard"] == "ended"
    for name in ("door", "yard"):
        assert plans[name].sink.written[-1] == 39
        assert plans[name].sink.ends == ["finish"]
    gate = cameras.cameras[0]
    assert "gate" in cameras.failures or gate.failed_outputs.errors
    assert all(balanced(camera) for camera in cameras.cameras)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR and "gate" not in record.getMessage()]


@pytest.mark.parametrize("stage", ["detector", "render"])
def test_what_goes_wrong_with_masks_costs_no_picture(stage: str, caplog: pytest.LogCaptureFixture) -> None:
    plans = {"gate": Plan(stage, frames=30), "door": Plan(frames=30)}
    cameras = cameras_of(plans)
    cameras.run()
    assert not cameras.failures
    for camera in cameras.cameras:
        assert balanced(camera)
        assert camera.status().state == "ended"
        assert plans[camera.name].sink.ends == ["finish"]
        assert plans[camera.name].sink.written[-1] == 29
    gate, door = cameras.statuses()
    if stage == "detector":
        assert gate.detector_failures + door.detector_failures > 0
        expected = "the detector failed, frames go on without new masks: Fault: detector"
    else:
        assert gate.restarts > 0
        assert door.restarts == 0
        expected = "gate: rendering failed and is built anew, frames go on without masks"
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert said
    assert all(expected in line for line in said)
    assert len(said) == len(set(said)), "each camera says it once"


class EndlessSource(FakeSource):
    """Waits after three frames until it is interrupted, as a camera that shows a wall."""

    def __init__(self) -> None:
        super().__init__([])
        self.running = threading.Event()

    def frames(self) -> Iterator[Frame]:
        for index in range(3):
            yield frame(index)
        self.running.set()
        self.interrupted.wait(30)


def endless(names: Sequence[str]) -> tuple[Cameras, dict[str, Plan], list[EndlessSource]]:
    plans = {name: Plan() for name in names}
    sources = {name: EndlessSource() for name in names}
    return cameras_of(plans, Plans(plans, dict(sources))), plans, list(sources.values())


def when_running(sources: Sequence[EndlessSource], act: Callable[[], object]) -> threading.Thread:
    def wait() -> None:
        for source in sources:
            source.running.wait(10)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_ends_all_cameras_and_completes_their_outputs(number: signal.Signals) -> None:
    cameras, plans, sources = endless(["gate", "door", "yard"])
    thread = when_running(sources, lambda: os.kill(os.getpid(), number))
    cameras.run()
    thread.join()
    assert cameras.interrupted
    assert not cameras.failures
    assert [plan.sink.ends for plan in plans.values()] == [["finish"]] * 3
    assert all(balanced(camera) for camera in cameras.cameras)


def test_a_hangup_says_that_nothing_is_reloaded(caplog: pytest.LogCaptureFixture) -> None:
    cameras, plans, sources = endless(["gate"])

    def hang_up() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        wait_until(lambda: any("SIGHUP" in record.getMessage() for record in caplog.records))
        assert cameras.statuses()[0].state == "running"
        cameras.stop()

    thread = when_running(sources, hang_up)
    cameras.run()
    thread.join()
    assert [record.getMessage() for record in caplog.records if "SIGHUP" in record.getMessage()] == [
        "SIGHUP: nothing is reloaded; to change settings end this and start it again"
    ]
    assert plans["gate"].sink.ends == ["finish"]


def test_a_hangup_with_which_the_terminal_goes_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()
    answers = iter([True, False])
    monkeypatch.setattr(os, "isatty", lambda _descriptor: next(answers))
    before = signal.getsignal(signal.SIGHUP)
    with SighupHandler(stopped.set):
        os.kill(os.getpid(), signal.SIGHUP)
        assert stopped.wait(10)
    assert signal.getsignal(signal.SIGHUP) is before


class Stubborn(EndlessSource):
    """Hears no interrupt; ``in_close`` says whether not even closing it comes back."""

    def __init__(self, release: threading.Event, *, in_close: bool) -> None:
        super().__init__()
        self.release = release
        self.in_close = in_close

    def frames(self) -> Iterator[Frame]:
        yield frame(0)
        self.running.set()
        self.release.wait(30)

    def close(self) -> None:
        if self.in_close:
            self.release.wait(30)


@pytest.mark.slow
@pytest.mark.parametrize("in_close", [False, True])
def test_what_does_not_end_in_time_is_given_up_or_left_behind(
    in_close: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.live.supervisor._STOP_S", 0.2)
    release = threading.Event()
    plans = {"gate": Plan(), "door": Plan()}
    stubborn, source = Stubborn(release, in_close=in_close), EndlessSource()
    cameras = cameras_of(plans, Plans(plans, {"gate": stubborn, "door": source}))
    thread = when_running([stubborn, source], cameras.stop)
    cameras.run()
    thread.join()
    assert plans["door"].sink.ends == ["finish"]
    assert set(cameras.failures) == {"gate"}
    messages = [record.getMessage() for record in caplog.records]
    assert any("giving up what is left" in message for message in messages)
    assert any("gate does not end" in message for message in messages) == in_close
    release.set()


def test_a_detector_that_hangs_costs_no_file(caplog: pytest.LogCaptureFixture) -> None:
    hanging, release = threading.Event(), threading.Event()

    def hang(_call: int) -> None:
        hanging.set()
        release.wait(30)

    plans = {"gate": Plan()}
    source = EndlessSource()
    config = CameraConfig.model_validate({"source": "lavfi:gate"})
    cameras = Cameras({"gate": config}, SharedDetector(FakeDetector(hang)), Plans(plans, {"gate": source}), patient=False)

    def stop_when_hanging() -> None:
        hanging.wait(10)
        cameras.stop()

    thread = threading.Thread(target=stop_when_hanging)
    thread.start()
    cameras.run()
    thread.join()
    assert not cameras.failures
    assert plans["gate"].sink.ends == ["finish"]
    assert balanced(cameras.cameras[0])
    assert any("did not return within" in record.getMessage() for record in caplog.records)
    release.set()


def test_an_observer_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.live.supervisor._REPORT_S", 0.0)
    plans, source = {"gate": Plan()}, EndlessSource()
    shown: list[Sequence[CameraStatus]] = []

    def observe(statuses: Sequence[CameraStatus], _now: float) -> None:
        shown.append(statuses)
        raise OSError("the terminal\nhas gone")

    config = CameraConfig.model_validate({"source": "lavfi:gate"})
    parts = Plans(plans, {"gate": source})
    cameras = Cameras({"gate": config}, SharedDetector(FakeDetector()), parts, observe=observe, patient=False)

    def stop_when_told() -> None:
        wait_until(lambda: any("not shown any more" in record.getMessage() for record in caplog.records))
        cameras.stop()

    thread = when_running([source], stop_when_told)
    cameras.run()
    thread.join()
    assert [[status.name for status in statuses] for statuses in shown] == [["gate"]]
    assert plans["gate"].sink.ends == ["finish"]
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == ["the statuses are not shown any more: OSError: the terminal has gone"]


def test_statuses_of_cameras_that_have_not_begun_can_be_asked_for() -> None:
    plans = {"gate": Plan()}
    cameras = cameras_of(plans)
    assert [status.state for status in cameras.statuses()] == ["starting"]
    cameras.stop()
    cameras.run()
    assert [status.state for status in cameras.statuses()] == ["ended"]
    assert plans["gate"].sink.written == []


def test_errors_of_sources_and_outputs_keep_their_kind() -> None:
    class Refused(FakeSource):
        def open(self) -> StreamInfo:
            raise SourceUnavailable("refused")

    class Lost(FakeSource):
        def frames(self) -> Iterator[Frame]:
            yield frame(0)
            raise SourceLost("gone")

    plans = {"gate": Plan(), "door": Plan(), "yard": Plan("write", at=1)}
    cameras = cameras_of(plans, Plans(plans, {"gate": Refused([]), "door": Lost([])}))
    cameras.run()
    assert isinstance(cameras.failures["gate"], SourceUnavailable)
    assert isinstance(cameras.failures["door"].__cause__, SourceLost)
    assert isinstance(cameras.cameras[2].failed_outputs.errors[0], Fault)
    assert not isinstance(cameras.failures.get("yard"), OutputWriteFailed)
