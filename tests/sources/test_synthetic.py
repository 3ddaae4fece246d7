"""The synthetic scene: exact, the same each time, a source like others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamer.errors import SourceUnsupported
from streamer.render.masks import binary_crop
from streamer.sources.synthetic import Synthetic, SyntheticScene


def small(**changes: Any) -> SyntheticScene:
    return SyntheticScene(**{"width": 192, "height": 128, "frames": 12, "objects": 4, **changes})


def test_the_same_scene_twice() -> None:
    assert np.array_equal(small().picture(5), small().picture(5))
    assert not np.array_equal(small().picture(5), small(seed=8).picture(5))


def test_truth_is_what_is_to_be_seen() -> None:
    scene = small()
    _, masks = scene.masks(3)
    truth = scene.truth(3)
    assert len(truth) == len(masks) > 2
    assert masks.sum(axis=0).max() == 1, "no pixel belongs to two"
    for mask, crop, box in zip(masks, truth.masks, truth.boxes_xyxy, strict=True):  # type: ignore[arg-type]  # it has masks
        drawn = np.zeros_like(mask)
        x, y, part = binary_crop(crop, box, scene.width, scene.height)
        drawn[y : y + part.shape[0], x : x + part.shape[1]] = part
        assert (drawn & mask).sum() / (drawn | mask).sum() > 0.97


def test_objects_look_unlike_what_is_behind_them() -> None:
    scene = small(objects=1)
    bare = small(objects=0)
    _, (mask,) = scene.masks(0)
    difference = np.abs(scene.picture(0).astype(int) - bare.picture(0).astype(int)).sum(axis=2)
    assert np.median(difference[mask]) > 20 or difference.max() > 20
    assert difference.max() > 0


def test_halfway_there_is_another_scene() -> None:
    scene = small()
    within = np.abs(scene.picture(4).astype(int) - scene.picture(5).astype(int)).mean()
    over = np.abs(scene.picture(5).astype(int) - scene.picture(6).astype(int)).mean()
    assert over > 3 * within
    before, after = scene.truth(5).track_ids, scene.truth(6).track_ids
    assert not set(before.tolist()) & set(after.tolist())


def test_as_a_source() -> None:
    source = Synthetic(small(), clock=lambda: 4.0)
    info = source.open()
    frames = list(source.frames())
    source.close()
    assert (info.width, info.height, info.frames, info.source) == (192, 128, 12, "test:")
    assert [frame.index for frame in frames] == list(range(12))
    assert frames[5].time_s == pytest.approx(0.2)
    assert frames[5].captured_at == 4.0


def test_it_can_be_interrupted() -> None:
    source = Synthetic(small())
    frames = source.frames()
    next(frames)
    source.interrupt()
    assert list(frames) == []


def test_odd_sizes_and_nonsense_are_refused() -> None:
    with pytest.raises(SourceUnsupported):
        Synthetic(small(width=193)).open()
    with pytest.raises(ValueError, match="expected at least"):
        small(frames=0)
