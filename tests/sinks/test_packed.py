from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.render.cover import Cover, Shape
from streamer.render.rounding import LEVELS, mask_of
from streamer.sinks.packed import pack_cover, pack_masks, unpack_cover, unpack_masks


@given(st.integers(1, 40), st.integers(0, 1000))
def test_masks_come_back(side: int, seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, LEVELS, (side, side)).astype(np.uint8)
    mask = mask_of(levels)
    np.testing.assert_array_equal(unpack_masks(json.loads(json.dumps(pack_masks(mask[None]))))[0], mask)


@pytest.mark.parametrize("text", ["", "nonsense", "~", "\x00"])
def test_anything_else_is_no_mask(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the message is zlib's or base64's own
        unpack_masks([text])


def test_covers_come_back() -> None:
    mask = np.zeros((3, 11), np.uint8)
    mask[1, 2:] = 255
    cover = Cover((Shape(4, 0, mask, "pixelate", 16), Shape(0, 9, mask[:2], "fill", 8)))
    again = unpack_cover(json.loads(json.dumps(pack_cover(cover))))
    assert len(again.shapes) == 2
    for one, other in zip(again.shapes, cover.shapes, strict=True):
        assert (one.x, one.y, one.method, one.cell_px) == (other.x, other.y, other.method, other.cell_px)
        np.testing.assert_array_equal(one.mask, other.mask)
    whole = Cover(whole="privacy: damaged picture")
    assert unpack_cover(pack_cover(whole)) == whole
