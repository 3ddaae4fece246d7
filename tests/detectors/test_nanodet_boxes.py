"""Scaling into the network, decoding and suppression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.detectors.nanodet import SIZES, weights_file
from streamer.detectors.nanodet_boxes import Boxes, BoxNetwork, best_fit, logit, suppress
from streamer.detectors.weights import verified


def boxes(rows: Sequence[Sequence[float]], classes: list[int]) -> Boxes:
    scores = np.linspace(0.9, 0.5, len(rows), dtype=np.float32)
    return Boxes(np.array(rows, np.float32).reshape(-1, 4), scores, np.array(classes, np.intp))


def test_suppression_is_strict_within_a_class_and_lenient_across() -> None:
    rows = [[0, 0, 10, 10], [0, 0, 10, 7], [0, 0, 10, 7], [0, 0, 10, 9], [20, 20, 30, 30], [0, 0, 10, 4]]
    found = boxes(rows, [1, 1, 2, 2, 1, 1])
    # IoU with the first: 0.7 of its own class, 0.7 and 0.9 of another one, none, 0.4.
    assert suppress(found, 10).tolist() == [0, 2, 4, 5]
    assert suppress(found, 2).tolist() == [0, 2]


def test_boxes_without_area_are_left_out() -> None:
    found = boxes([[5, 5, 5, 9], [1, 1, 1, 1], [0, 0, 2, 2]], [0, 0, 0])
    assert suppress(found, 10).tolist() == [2]
    assert suppress(boxes([], []), 10).tolist() == []


def test_slivers_at_the_edge_of_the_picture_are_left_out() -> None:
    """`Instances.usable` would leave them out, too, and tell the user that the detector is at fault."""
    found = boxes([[340, 271.993, 626, 272], [1.998, 0, 2, 1.9], [0, 0, 2, 2]], [1, 1, 1])
    assert suppress(found, 10).tolist() == [2]


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((768, 576), (512, 384)),
        ((1920, 1080), (576, 320)),
        ((1080, 1920), (320, 576)),
        ((100, 100), (512, 384)),
        ((3, 4000), (320, 576)),
    ],
)
def test_the_input_follows_the_shape_of_the_picture(picture: tuple[int, int], expected: tuple[int, int]) -> None:
    assert best_fit(SIZES["nanodet"], *picture) == expected


@pytest.fixture(scope="module")
def network() -> BoxNetwork:
    name = weights_file((512, 384))
    return BoxNetwork(verified(name), 1, name)


@given(width=st.integers(1, 4000), height=st.integers(1, 3000))
@settings(max_examples=40, deadline=None)
def test_a_picture_of_any_size_is_scaled_whole(network: BoxNetwork, width: int, height: int) -> None:
    """A ramp from black to white ends at the far edge of what is used, within the pixels that halving leaves out."""
    ramp = np.broadcast_to(np.linspace(0, 255, width, dtype=np.uint8)[None, :, None], (height, width, 3))
    across, down = network.put(np.ascontiguousarray(ramp))
    scale = min(network.width / width, network.height / height)
    for got, side in ((across, width), (down, height)):
        # Whole pixels are used, and one at least; halving an odd size twice leaves out up to three of a side.
        used = max(1.0, scale * side)
        assert (used - 0.5) / side <= got <= (used + 0.5) / max(1, side - 3)


def test_the_logit_is_the_inverse_of_the_sigmoid() -> None:
    assert logit(0.0) == -np.inf
    assert logit(1.0) == np.inf
    assert 1 / (1 + np.exp(-logit(0.3))) == pytest.approx(0.3)
