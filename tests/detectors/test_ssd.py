"""Anchors, decoding and suppression."""

from __future__ import annotations

import numpy as np

from streamer.detectors import ssd


def test_anchors_of_the_lowest_and_of_the_highest_layer() -> None:
    anchors = ssd.anchors()
    assert anchors.shape == (1917, 4)
    np.testing.assert_allclose(anchors[0], [0.5 / 19, 0.5 / 19, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(anchors[1, 2:], [0.2 / np.sqrt(2), 0.2 * np.sqrt(2)], rtol=1e-6)
    np.testing.assert_allclose(anchors[3, :2], [0.5 / 19, 1.5 / 19], rtol=1e-6)
    np.testing.assert_allclose(anchors[-1], [0.5, 0.5, np.sqrt(0.95), np.sqrt(0.95)], rtol=1e-6)


def test_decoding_nothing_gives_the_anchor_and_scales_apply() -> None:
    anchor = np.array([[0.5, 0.25, 0.2, 0.1]], np.float32)
    np.testing.assert_allclose(ssd.decode(np.zeros((1, 4), np.float32), anchor), [[0.2, 0.4, 0.3, 0.6]], atol=1e-6)
    moved = ssd.decode(np.array([[10.0, 0.0, 0.0, 5 * np.log(2)]], np.float32), anchor)
    np.testing.assert_allclose(moved, [[0.15, 0.6, 0.35, 0.8]], atol=1e-6)


def test_suppression_is_per_class_and_strictly_above_the_threshold() -> None:
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 1.9], [0, 0, 2, 1.9], [0, 0, 2, 1], [5, 5, 6, 6]], np.float32)
    classes = np.array([1, 1, 2, 1, 1])
    assert ssd.suppress(boxes, classes, 0.5, 10) == [0, 2, 3, 4]
    assert ssd.suppress(boxes, classes, 0.5, 2) == [0, 2]
    assert ssd.suppress(boxes[:0], classes[:0], 0.5, 10) == []
