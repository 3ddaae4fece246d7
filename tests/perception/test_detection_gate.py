"""Which frames the detector is asked about."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.channel import Closed
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.detection_gate import DetectionGate, GatedDetector, GatedPerception
from streamer.perception.motion_gate import MotionGate
from streamer.stages import Annotated
from tests import fakes

FPS = 10
SIZE = (640, 360)
RNG = np.random.default_rng(5)
SCENE = np.kron(RNG.integers(40, 200, (12, 20)), np.ones((30, 32))).astype(np.float32)
"""A wall of gray tiles."""


def frame(index: int, luma: NDArray[np.float32], fps: float = FPS) -> Frame:
    made = fakes.frame(index, *SIZE, fps=fps)
    plane = made.picture.planes[0]
    stored = np.zeros((SIZE[1], plane.line_size), np.uint8)
    stored[:, : SIZE[0]] = np.clip(luma, 16, 235)
    plane.update(stored.tobytes())
    return made


def noisy(luma: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return luma + RNG.normal(0, sigma, luma.shape).astype(np.float32)


def with_person(luma: NDArray[np.float32], x: float, height: int = 30, shade: float = 30) -> NDArray[np.float32]:
    changed = luma.copy()
    changed[200 : 200 + height, int(x) : int(x) + height // 3] = shade
    return changed


def looks(pictures: list[NDArray[np.float32]], fps: float | None = None) -> list[int]:
    gate = DetectionGate(fps, MotionGate())
    return [index for index, luma in enumerate(pictures) if gate.wants(frame(index, luma))]


@pytest.mark.parametrize(("rate", "wanted"), [(5.0, 50), (10.0, 100), (12.5, 125), (25.0, 250), (60.0, 250)])
def test_no_more_frames_a_second_than_asked_for(rate: float, wanted: int) -> None:
    gate = DetectionGate(rate)
    taken = [index for index in range(250) if gate.wants(fakes.frame(index, fps=25))]
    assert len(taken) == pytest.approx(wanted, abs=1)
    assert max(np.diff(taken)) <= np.ceil(25 / rate)
    assert gate.held_back == 250 - len(taken)


def test_time_that_goes_back_or_stands_still_for_long_does_not_close_it() -> None:
    gate = DetectionGate(1.0)
    times = [0, 1, 2, 500, 501, 3, 4]
    assert all(gate.wants(fakes.frame(index, pts=90_000 * at)) for index, at in enumerate(times))


def test_a_still_scene_is_looked_at_as_often_as_is_asked_for() -> None:
    gate = DetectionGate(None, MotionGate(), longest_s=0.75)
    found = [index for index in range(10 * FPS) if gate.wants(frame(index, noisy(SCENE, 3.0)))]
    later = [index for index in found if index > 3 * FPS]
    assert set(np.diff(later)) == {8}
    assert gate.longest_pause_s == 0.75


@pytest.mark.parametrize("sigma", [0.0, 3.0, 10.0])
def test_a_still_scene_is_looked_at_every_three_seconds(sigma: float) -> None:
    found = looks([noisy(SCENE, sigma) for _ in range(30 * FPS)])
    later = [index for index in found if index > 3 * FPS]
    assert max(np.diff([0, *later, 30 * FPS])) <= 6 * FPS
    assert len(later) <= 10


@pytest.mark.parametrize("sigma", [0.0, 4.0])
@pytest.mark.parametrize(("step", "shade"), [(1.0, 30.0), (6.0, 220.0), (20.0, 30.0)])
def test_a_small_person_that_comes_is_seen_at_once(step: float, shade: float, sigma: float) -> None:
    still = 10 * FPS
    pictures = [noisy(SCENE, sigma) for _ in range(still)]
    pictures += [noisy(with_person(SCENE, 100 + step * index, shade=shade), sigma) for index in range(2 * FPS)]
    found = looks(pictures)
    assert set(range(still + 2, still + 2 * FPS)) <= set(found)


def test_the_light_is_no_motion() -> None:
    dark = 0.35 * SCENE + 10
    pictures = [noisy(SCENE, 2) for _ in range(10 * FPS)]
    pictures += [noisy(dark, 2) for _ in range(10 * FPS)]
    pictures += [noisy(SCENE, 2) for _ in range(10 * FPS)]
    pictures += [noisy(SCENE * (1 - 0.5 * index / 200), 2) for index in range(20 * FPS)]
    found = [index for index in looks(pictures) if index > 3 * FPS]
    assert len(found) <= 50 // 3 + 3


def test_a_change_of_the_whole_picture_is_looked_at_and_then_is_the_background() -> None:
    other = SCENE[::-1, ::-1].copy()
    found = looks([SCENE] * (10 * FPS) + [other] * (10 * FPS))
    after = [index for index in found if index >= 10 * FPS]
    assert after[0] == 10 * FPS
    assert len(after) <= 2 * FPS + 4


class _Detector:
    def __init__(self) -> None:
        self.begun: tuple[Frame, ...] = ()
        self.frames: list[int] = []
        self.answers: deque[tuple[Frame, Instances]] = deque()

    def submit(self, frame: Frame) -> None:
        self.frames.append(frame.index)
        self.begun = (frame,)
        self.answers.append((frame, Instances.empty()))

    def poll(self) -> tuple[Frame, Instances] | None:
        return self.answers.popleft() if self.answers else None

    def close(self) -> None:
        if self.frames == [-1]:
            raise Closed
        self.frames = [-1]


def test_only_wanted_frames_reach_the_detector() -> None:
    detector = _Detector()
    gated = GatedDetector(detector, DetectionGate(5.0))
    for index in range(25):
        gated.submit(fakes.frame(index, fps=25))
    assert detector.frames == [0, 5, 10, 15, 20]
    assert gated.begun == detector.begun
    answer = gated.poll()
    assert answer is not None
    assert answer[0].index == 0
    gated.close()
    assert detector.frames == [-1]


class _Perception(fakes.FakePerception):
    def skip(self, frame: Frame) -> Annotated:
        return Annotated(frame, fakes.person_and_car())


def test_frames_that_are_not_wanted_have_what_was_known() -> None:
    gated = GatedPerception(_Perception(), DetectionGate(5.0))
    found = [len(item.instances) for index in range(10) for item in gated.push(fakes.frame(index, fps=25))]
    assert found == [0, 2, 2, 2, 2, 0, 2, 2, 2, 2]
