"""Scaling is that of Pillow, to a level."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from streamer.detectors.exported.antialiased import Antialiased


@pytest.mark.parametrize("before", [(37, 61), (64, 48), (200, 31), (1, 1), (3, 500)])
@pytest.mark.parametrize("after", [(32, 32), (64, 48), (7, 90), (1, 1)])
def test_as_pillow_does(before: tuple[int, int], after: tuple[int, int]) -> None:
    image = np.random.default_rng(5).integers(0, 256, (before[1], before[0], 3), dtype=np.uint8)
    made = np.zeros((after[1], after[0], 3), np.uint8)
    Antialiased(before, after)(image, made)
    expected = np.asarray(Image.fromarray(image).resize(after, Image.Resampling.BILINEAR))
    differ = np.abs(made.astype(int) - expected.astype(int))
    # Pillow computes in whole numbers, and rounds otherwise.
    assert differ.max() <= 1
