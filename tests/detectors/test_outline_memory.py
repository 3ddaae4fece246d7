"""What still looks the same keeps its outline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.opinion import Opinion
from streamer.detectors.outline_memory import MOST_CARRIED, MOST_MISSED, MOST_USES, OutlineMemory, Remembered, difference, patch

BOX = np.array([20, 30, 80, 90], np.float32)


def scene(at: int = 0, light: int = 0) -> NDArray[np.uint8]:
    """A picture of noise with a bright square, ``at`` pixels further right."""
    picture = np.random.default_rng(1).integers(60, 120, (120, 160, 3), dtype=np.uint8)
    picture[40:80, 30 + at : 70 + at] = 200
    return picture + np.uint8(light)


def remembering(picture: NDArray[np.uint8]) -> OutlineMemory:
    memory = OutlineMemory()
    memory.recall(picture, np.zeros((0, 4), np.float32), [])
    memory.keep([Remembered("car", BOX, patch(picture, BOX), Opinion(None, "car"))])
    return memory


def recalled(memory: OutlineMemory, picture: NDArray[np.uint8], box: NDArray[np.float32] = BOX, name: str = "car") -> bool:
    (known,) = memory.recall(picture, box[None], [name])
    memory.keep([] if known is None else [known])
    return known is not None and not known.due


def test_the_same_object_is_recalled_also_in_another_light() -> None:
    memory = remembering(scene())
    assert recalled(memory, scene())
    assert recalled(memory, scene(light=20))


def test_what_moved_in_its_box_is_looked_at_again() -> None:
    assert not recalled(remembering(scene()), scene(at=10))


def test_an_outline_stays_on_its_pixels_when_the_box_shakes() -> None:
    mask = np.zeros((60, 60), np.float32)
    mask[10:50, 10:50] = 1.0  # the square
    memory = OutlineMemory()
    memory.recall(scene(), np.zeros((0, 4), np.float32), [])
    memory.keep([Remembered("car", BOX, patch(scene(), BOX), Opinion(mask, "car"))])
    shaken = BOX + np.array([-6, -6, 6, 6], np.float32)
    (known,) = memory.recall(scene(), shaken[None], ["car"])
    assert known is not None
    moved = known.opinion_in(shaken).mask
    assert moved is not None
    square = np.nonzero(moved.mean(axis=0) > 0.3)[0]
    left, right = shaken[0] + np.array([square[0], square[-1] + 1]) / 60 * 72
    assert abs(left - 30) <= 1.5
    assert abs(right - 70) <= 1.5


def test_an_outline_moves_with_its_object_for_a_few_frames_and_stays_due() -> None:
    mask = np.zeros((60, 60), np.float32)
    mask[10:50, 10:50] = 1.0
    memory = OutlineMemory()
    memory.keep([Remembered("car", BOX, patch(scene(), BOX), Opinion(mask, "car"))])
    for frame in range(1, MOST_CARRIED + 2):
        box = BOX + np.array([10, 0, 10, 0], np.float32) * min(frame, 3)  # it moves, then stands
        (known,) = memory.recall(scene(at=10 * min(frame, 3)), box[None], ["car"])
        assert known is not None
        assert known.due == frame
        memory.keep([known])
        shown = known.opinion_in(box).mask
        if frame <= MOST_CARRIED:
            assert shown is not None
            np.testing.assert_allclose(shown, mask, atol=1e-5)
        else:
            assert shown is None


def test_in_the_dark_less_change_is_a_change() -> None:
    dark = scene() // 12
    moved = scene(at=10) // 12
    assert not recalled(remembering(dark), moved)


def test_another_class_or_place_is_another_object() -> None:
    assert not recalled(remembering(scene()), scene(), name="bus")
    assert not recalled(remembering(scene()), scene(), box=BOX + 40)


def test_an_object_is_given_to_one_box_only() -> None:
    memory = remembering(scene())
    first, second = memory.recall(scene(), np.stack([BOX, BOX]), ["car", "car"])
    assert first is not None
    assert second is None


def test_an_outline_is_asked_for_anew_now_and_then() -> None:
    memory = remembering(scene())
    assert [recalled(memory, scene()) for _ in range(MOST_USES + 1)] == [True] * MOST_USES + [False]


def test_what_is_missed_for_a_moment_is_known_still() -> None:
    nothing = np.zeros((0, 4), np.float32)
    for missed, known in ((MOST_MISSED, True), (MOST_MISSED + 1, False)):
        memory = remembering(scene())
        for _ in range(missed):
            memory.recall(scene(), nothing, [])
            memory.keep([])
        assert recalled(memory, scene()) is known


def test_a_patch_takes_any_box() -> None:
    for box in ([0, 0, 0, 0], [-50, -50, -10, -10], [0, 0, 1e6, 2]):
        assert np.isfinite(patch(scene(), np.array(box, np.float32))).all()
    assert difference(patch(scene(), BOX), patch(scene(), BOX)) == 0.0
