from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.instances import Instances
from streamer.render.rounding import LEVELS, levels_of, mask_of, rounded
from tests import strategies


@given(strategies.sizes(), st.data())
def test_a_second_time_changes_nothing(size: tuple[int, int], data: st.DataObject) -> None:
    width, height = size
    found = data.draw(strategies.instances(width, height))
    once = rounded(found, width, height).usable(width, height)
    twice = rounded(once, width, height)
    for name in ("boxes_xyxy", "scores", "class_ids", "has_mask", "track_ids", "mask_age_s", "followed", "opacity"):
        np.testing.assert_array_equal(getattr(once, name), getattr(twice, name), name)
    assert (once.masks is None) == (twice.masks is None)
    if once.masks is not None and twice.masks is not None:
        np.testing.assert_array_equal(once.masks, twice.masks)


def test_the_outline_stays_where_it_is() -> None:
    ramp = np.linspace(0, 1, 1001, dtype=np.float32)
    kept = mask_of(levels_of(ramp))
    np.testing.assert_array_equal(kept > 0.5, ramp > 0.5)
    near = (ramp > 0.27) & (ramp < 0.73)
    assert np.abs(kept - ramp)[near].max() <= 0.5 / (LEVELS - 1) / 2 + 1e-6
    assert set(kept[[0, -1]].tolist()) == {0.0, 1.0}


def test_small_objects_need_few_cells() -> None:
    y, x = (np.mgrid[0:96, 0:96] + 0.5) / 96 - 0.5
    disc = np.clip(0.5 + (0.4 - np.hypot(x, y)) * 20, 0, 1).astype(np.float32)
    found = Instances(
        boxes_xyxy=np.array([[10, 10, 30, 28]], np.float32),
        scores=np.ones(1, np.float32),
        class_ids=np.ones(1, np.int64),
        masks=disc[None],
    )
    small = rounded(found, 100, 100).masks
    assert small is not None
    assert small.shape == (1, 24, 24)
    assert abs(float(small.mean() - disc.mean())) < 0.02
