"""Covering what must not be seen: on scenes with exact truth, with a detector that is slow, silent, blind or failing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from streamer.frame import Frame, plane_views
from streamer.instances import NO_TRACK, Instances
from streamer.perception.following import Following
from streamer.perception.interval import Interval
from streamer.perception.privacy import NOT_YET, PrivacyRules, Private, widened
from streamer.perception.selection import Selection
from streamer.render.cover import Cover
from streamer.sources.synthetic import Synthetic, SyntheticScene
from streamer.stages import Annotated
from tests import fakes

ALL = PrivacyRules({1: "fill", 2: "fill"})
SELECT = Selection(score_threshold=0.4)


def untracked(found: Instances) -> Instances:
    return replace(found, track_ids=np.full(len(found), NO_TRACK))


class Late:
    """A detector service that answers with the truth, ``latency`` frames after it began; or never again after ``silent``."""

    def __init__(self, scene: SyntheticScene, latency: int, silent: int | None = None) -> None:
        self.scene, self.latency, self.silent = scene, latency, silent
        self.begun: tuple[Frame, ...] = ()
        self.answers: deque[tuple[int, Frame]] = deque()
        self.now = -1

    def submit(self, frame: Frame) -> None:
        self.now = frame.index
        if not self.answers and (self.silent is None or frame.index < self.silent):
            self.begun = (frame,)
            self.answers.append((frame.index + self.latency, frame))

    def poll(self) -> tuple[Frame, Instances] | None:
        if self.answers and self.answers[0][0] <= self.now + 1:
            _, frame = self.answers.popleft()
            return frame, untracked(self.scene.truth(frame.index))
        return None

    def close(self) -> None:
        pass


def frames(scene: SyntheticScene) -> Iterator[Frame]:
    """The scene's frames, captured at their own times."""
    for frame in Synthetic(scene).frames():
        frame.captured_at = frame.time_s
        yield frame


def seen_pixels(scene: SyntheticScene, item: Annotated) -> int:
    """How many pixels of true masks can be seen."""
    if is_whole(item):
        return 0  # but for the words of why
    _, masks = scene.masks(item.frame.index)
    luma = plane_views(item.clean())[0]
    return int((luma[masks.any(axis=0)] != 64).sum()) if len(masks) else 0


def is_whole(item: Annotated) -> bool:
    return isinstance(item.cover, Cover) and bool(item.cover.whole)


@pytest.mark.parametrize(("latency", "pan"), [(0, (0.0, 0.0)), (1, (0.04, -0.02)), (3, (0.0, 0.0)), (7, (0.0, 0.0))])
def test_no_pixel_of_a_true_mask_is_seen_while_the_detector_is_slow(latency: int, pan: tuple[float, float]) -> None:
    scene = SyntheticScene(320, 180, frames=50, rate=10, seed=latency, pan=pan)
    private = Private(Following(Late(scene, latency), widened(SELECT, ALL)), ALL, SELECT)
    items = [item for frame in frames(scene) for item in private.push(frame)]
    assert len(items) == 50
    assert sum(seen_pixels(scene, item) for item in items) == 0
    assert is_whole(items[0])
    if latency < 7 and pan == (0.0, 0.0):
        shown = [float((plane_views(item.clean())[0] != 64).mean()) for item in items[6:24]]
        assert min(shown) > 0.1, "a picture that is always covered would be no proof"


class Truth:
    """A detector of ``Interval``: it is asked by frame, and misses an object in every third one."""

    def __init__(self, scene: SyntheticScene) -> None:
        self.scene = scene

    def __call__(self, _detector: object, frame: Frame, _select: Selection) -> Instances:
        found = untracked(self.scene.truth(frame.index))
        return found[1:] if frame.index % 3 == 2 else found


@pytest.mark.parametrize("interval", [1, 5])
def test_a_recording_is_covered_before_the_first_and_after_the_last_detection(interval: int) -> None:
    scene = SyntheticScene(320, 180, frames=60, rate=10, seed=3, pan=(0.0, 0.0))
    finding = Interval(fakes.FakeDetector(), interval, widened(SELECT, ALL), detect=Truth(scene))
    private = Private(finding, ALL, SELECT, ahead=True)
    items = [*(item for frame in frames(scene) for item in private.push(frame)), *private.finish()]
    private.close()
    assert [item.frame.index for item in items] == list(range(60))
    assert sum(seen_pixels(scene, item) for item in items) == 0
    assert not any(is_whole(item) for item in items)


class Scripted:
    """A perception that hands on what it is told."""

    def __init__(self, found: dict[int, Instances], looked: bool = True) -> None:
        self.found, self.looked = found, looked

    def push(self, frame: Frame) -> Iterable[Annotated]:
        return [self.skip(frame)]

    def skip(self, frame: Frame) -> Annotated:
        return Annotated(frame, self.found.get(frame.index, Instances.empty()), looked_s=frame.time_s if self.looked else None)

    def finish(self) -> Iterable[Annotated]:
        return []

    def close(self) -> None:
        pass


def one(x: float, track: int = 1, class_id: int = 1, score: float = 0.9) -> Instances:
    return Instances(
        boxes_xyxy=np.array([[x, 20, x + 20, 60]], np.float32),
        scores=np.array([score], np.float32),
        class_ids=np.array([class_id]),
        track_ids=np.array([track]),
    )


def covered_columns(item: Annotated) -> tuple[int, int]:
    """First and last covered column of the picture's row 40; (-1, -1) where nothing is."""
    columns = np.flatnonzero(plane_views(item.clean())[0][40] == 64)
    return (int(columns[0]), int(columns[-1])) if len(columns) else (-1, -1)


def still(index: int) -> Frame:
    return fakes.frame(index, 160, 80, fps=10.0)


def test_the_margin_of_time_holds_on_both_sides_in_a_recording_and_after_it_live() -> None:
    found = {i: one(50.0) for i in range(10, 15)}
    for ahead, expected in ((True, range(5, 20)), (False, range(10, 20))):
        private = Private(Scripted(found), ALL, SELECT, ahead=ahead)
        items = [*(item for i in range(30) for item in private.push(still(i))), *private.finish()]
        assert [item.frame.index for item in items if covered_columns(item) != (-1, -1)] == list(expected)


def test_what_is_not_shown_is_covered_all_the_same() -> None:
    rules = PrivacyRules({1: "fill"})
    select = Selection(score_threshold=0.5, class_ids=frozenset({2}), max_instances=1)
    assert widened(select, rules) == Selection(score_threshold=0.2, class_ids=frozenset({1, 2}), wanted_score=0.5)
    private = Private(Scripted({0: one(50.0, score=0.3)}), rules, select)
    (item,) = private.push(still(0))
    assert len(item.instances) == 0
    assert covered_columns(item)[0] in range(30, 50)


def test_what_was_sure_once_is_shown_until_it_is_hardly_there_and_covered_all_the_time() -> None:
    scores = (0.6, 0.35, 0.22)
    private = Private(Scripted({i: one(50.0, score=score) for i, score in enumerate(scores)}), ALL, SELECT)
    items = [item for i in range(len(scores)) for item in private.push(still(i))]
    assert [item.instances.scores.tolist() for item in items] == [pytest.approx([0.6]), pytest.approx([0.4]), []]
    assert all(covered_columns(item) != (-1, -1) for item in items)


def test_what_stands_within_another_box_is_shown_as_without_privacy() -> None:
    """A bicycle under its rider: the detector is sure of both."""
    both = Instances(
        boxes_xyxy=np.array([[40, 10, 100, 70], [45, 30, 95, 65]], np.float32),
        scores=np.array([0.9, 0.6], np.float32),
        class_ids=np.array([1, 3]),
    )

    def shown(rules: PrivacyRules | None) -> list[list[float]]:
        wanted = SELECT if rules is None else widened(SELECT, rules)
        finding = Interval(fakes.FakeDetector(), 1, wanted, detect=lambda *_: both)
        perception = finding if rules is None else Private(finding, rules, SELECT, ahead=True)
        items = [*(item for i in range(6) for item in perception.push(still(i))), *perception.finish()]
        perception.close()
        return [item.instances.scores.tolist() for item in items]

    assert shown(ALL) == shown(None)
    assert {len(scores) for scores in shown(ALL)} == {2}


def test_without_a_look_in_the_dark_and_when_damaged_all_is_covered() -> None:
    (item,) = Private(Scripted({}, looked=False), ALL, SELECT).push(still(0))
    assert item.cover is NOT_YET
    damaged = still(1)
    damaged.damaged = True
    (item,) = Private(Scripted({}), ALL, SELECT).push(damaged)
    assert is_whole(item)
    assert is_whole(Private(Scripted({}, looked=False), ALL, SELECT).skip(still(2)))


def test_what_follows_a_damaged_frame_is_covered_up_to_the_next_key_frame() -> None:
    private = Private(Scripted({}), ALL, SELECT)
    encoder = av.CodecContext.create("mpeg4", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base, encoder.gop_size = 160, 80, "yuv420p", Fraction(1, 10), 5
    packets = [packet for i in range(8) for packet in encoder.encode(still(i).picture)] + encoder.encode(None)
    decoder = av.CodecContext.create("mpeg4", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.extradata = encoder.extradata
    pictures = [picture for packet in packets for picture in decoder.decode(packet)]
    assert [picture.key_frame for picture in pictures[:8]] == [index in (0, 5) for index in range(8)]
    covered = []
    for index, picture in enumerate(pictures[:8]):
        frame = still(index)
        frame.picture, frame.damaged = picture, index == 2
        covered += [is_whole(item) for item in private.push(frame)]
    assert covered == [False, False, True, True, True, False, False, False]


def test_frames_between_looks_that_are_further_apart_than_the_margin_are_compared_all_the_same() -> None:
    class Sparse(Scripted):
        """Looks at every tenth frame and hands on those before it together with it."""

        def __init__(self) -> None:
            super().__init__({})
            self.held: list[Annotated] = []

        def push(self, frame: Frame) -> Iterable[Annotated]:
            looked = frame.index // 10 * 10
            item = Annotated(frame, Instances.empty(), looked_s=looked / 10)
            if looked != frame.index:
                self.held.append(item)
                return []
            ready, self.held = [*self.held, item], []
            return ready

    private = Private(Sparse(), ALL, SELECT, ahead=True)
    items = [*(item for i in range(31) for item in private.push(still(i))), *private.finish()]
    assert [is_whole(item) for item in items] == [False] * 31


def test_a_silent_detector_has_all_covered_in_the_end() -> None:
    scene = SyntheticScene(320, 180, frames=60, rate=10, seed=5, pan=(0.0, 0.0))
    scene.cut_at = 60
    following = Following(Late(scene, 1, silent=20), widened(SELECT, ALL), max_mask_age_s=1.0)
    private = Private(following, ALL, SELECT)
    items = [item for frame in frames(scene) for item in private.push(frame)]
    assert [is_whole(item) for item in items[2:20]] == [False] * 18
    assert all(is_whole(item) for item in items[31:])
    assert sum(seen_pixels(scene, item) for item in items) == 0


def test_zones_are_covered_whatever_happens_and_nothing_else_where_no_class_is_named() -> None:
    rules = PrivacyRules({}, zones=(((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)),))
    (item,) = Private(Scripted({}, looked=False), rules, SELECT).push(still(0))
    luma = plane_views(item.clean())[0]
    assert (luma[:, 80:] == 64).all()
    assert (luma[:, :72] == 128).all()


def test_another_size_and_time_that_goes_back_begin_anew() -> None:
    private = Private(Scripted({0: one(50.0)}), ALL, SELECT, ahead=True)
    ready = [*private.push(still(0)), *private.push(fakes.frame(1, 64, 48)), *private.push(still(0)), *private.finish()]
    assert [(item.frame.width, covered_columns(item) != (-1, -1)) for item in ready] == [(160, True), (64, False), (160, True)]
