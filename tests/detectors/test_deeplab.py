"""DeepLab on a picture with a published mask, and the sampling of its cells."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors.deeplab import CLASSES, MEMBERS, DeepLab, softmax
from streamer.detectors.labels import COCO
from streamer.detectors.weights import verified

PICTURES = Path(__file__).parent / "pictures"
NAME = "outlines/deeplab_v3_mnv2_dm05_257.tflite"
CELLS = 96
WINDOWS = [(180, 150, 340, 330)]
"""Parts of the bird's picture that it fills: left, top, right, bottom."""


@pytest.fixture(scope="module")
def deeplab() -> DeepLab:
    return DeepLab(verified(NAME), NAME)


def pixels(mask: NDArray[np.float32], box: tuple[int, int, int, int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    left, top, right, bottom = box
    whole = np.zeros(shape, np.bool_)
    whole[top:bottom, left:right] = np.asarray(cv2.resize(mask, (right - left, bottom - top))) > 0.5
    return whole


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_bird_is_outlined_as_its_published_mask_is(deeplab: DeepLab, mirrored: bool) -> None:
    picture = np.asarray(cv2.imread(str(PICTURES / "bird.png")), np.uint8)[..., ::-1]
    truth = np.asarray(cv2.imread(str(PICTURES / "bird_mask.png"), cv2.IMREAD_GRAYSCALE)) > 0
    if mirrored:
        picture, truth = picture[:, ::-1], truth[:, ::-1]
    rows, columns = np.nonzero(truth)
    box = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    seen = deeplab(np.ascontiguousarray(picture), np.array(box, np.float32), CELLS)
    np.testing.assert_allclose(seen.classes.sum(axis=-1), 1.0, atol=1e-5)
    outlined = pixels(seen.outline("bird"), box, truth.shape)
    assert (outlined & truth).sum() / (outlined | truth).sum() > 0.89


@pytest.mark.parametrize("window", WINDOWS)
def test_a_bird_that_the_pictures_edges_cut_is_outlined(deeplab: DeepLab, window: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = window
    picture = np.asarray(cv2.imread(str(PICTURES / "bird.png")), np.uint8)[top:bottom, left:right, ::-1]
    truth = np.asarray(cv2.imread(str(PICTURES / "bird_mask.png"), cv2.IMREAD_GRAYSCALE))[top:bottom, left:right] > 0
    box = 0, 0, right - left, bottom - top
    seen = deeplab(np.ascontiguousarray(picture), np.array(box, np.float32), CELLS)
    outlined = pixels(seen.outline("bird"), box, truth.shape)
    assert (outlined & truth).sum() / (outlined | truth).sum() > 0.6


def test_a_bird_is_outlined_in_the_dark(deeplab: DeepLab) -> None:
    picture = np.asarray(cv2.imread(str(PICTURES / "bird.png")), np.uint8)[..., ::-1] // 7
    truth = np.asarray(cv2.imread(str(PICTURES / "bird_mask.png"), cv2.IMREAD_GRAYSCALE)) > 0
    rows, columns = np.nonzero(truth)
    box = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    seen = deeplab(np.ascontiguousarray(picture), np.array(box, np.float32), CELLS)
    outlined = pixels(seen.outline("bird"), box, truth.shape)
    assert (outlined & truth).sum() / (outlined | truth).sum() > 0.7


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (-50, -50, 20, 20), (600, 10, 900, 30), (0, 0, 513, 2)])
def test_any_box_gives_probabilities(deeplab: DeepLab, box: tuple[int, int, int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (513, 513, 3), dtype=np.uint8)
    seen = deeplab(picture, np.array(box, np.float32), 7)
    assert seen.classes.shape == (7, 7, len(CLASSES))
    for values in (seen.classes, seen.luma, seen.outline("car")):
        assert ((values >= 0) & (values <= 1)).all()


def test_members_are_classes_of_coco() -> None:
    assert set(MEMBERS) <= set(COCO.values())
    assert [CLASSES[at] for at in MEMBERS["truck"]] == ["car", "bus", "train"]
    assert [CLASSES[at] for at in MEMBERS["person"]] == ["person"]


def test_the_softmax_does_not_overflow() -> None:
    np.testing.assert_allclose(softmax(np.array([1000.0, 1000.0], np.float32)), [0.5, 0.5])
