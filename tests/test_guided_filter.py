"""Values follow the edges of their guides."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from streamer.guided_filter import linear_model

SMOOTHNESS = 1e-4
cells = arrays(np.float32, (12, 12, 3), elements=st.floats(0, 1, width=32))


def filtered(values: NDArray[np.float32], guides: list[NDArray[np.float32]], radius: int = 3) -> NDArray[np.float32]:
    slopes, offset = linear_model(values, guides, radius, SMOOTHNESS)
    return np.asarray(sum((slope * guide for slope, guide in zip(slopes, guides, strict=True)), offset), np.float32)


def test_without_an_edge_in_its_guides_a_mask_is_smoothed() -> None:
    mask = np.zeros((40, 40), np.float32)
    mask[10:30, 10:30] = 1.0
    smooth = filtered(mask, [np.full_like(mask, 0.3), np.full_like(mask, 0.7)])
    np.testing.assert_allclose(smooth[18:22, 18:22], 1.0, atol=1e-4)
    np.testing.assert_allclose(smooth[:3, :3], 0.0, atol=1e-4)
    assert 0.3 < smooth[10, 20] < 0.7
    assert (np.diff(smooth[4:17, 20]) >= -1e-4).all()


def test_an_edge_that_only_one_guide_shows_is_found() -> None:
    luma, red = np.full((40, 40), 0.5, np.float32), np.full((40, 40), 0.2, np.float32)
    red[12:28, 12:28] = 0.8
    mask = np.zeros_like(red)
    mask[10:30, 10:30] = 1.0  # too large by two cells on each side
    found, truth = filtered(mask, [luma, red], radius=6) > 0.5, red > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.97
    assert truth.sum() / mask.sum() < 0.7


@given(values=cells, guides=st.lists(cells, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_many_pictures_at_once_are_as_each_alone(values: NDArray[np.float32], guides: list[NDArray[np.float32]]) -> None:
    together = filtered(values, guides)
    assert np.isfinite(together).all()
    for i in range(values.shape[2]):
        alone = filtered(np.ascontiguousarray(values[..., i]), [np.ascontiguousarray(guide[..., i]) for guide in guides])
        np.testing.assert_allclose(together[..., i], alone, atol=1e-2)
