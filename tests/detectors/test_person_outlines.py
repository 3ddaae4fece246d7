"""What the person network is shown, and where its answer lies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.person_outlines import INPUT_PX, outline

CELLS = 96


def test_the_network_sees_people_in_their_shape() -> None:
    """A disc in a tall box stays round: stretched people are not found."""
    rows, columns = np.mgrid[:240, :320]
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[(rows - 100) ** 2 + (columns - 150) ** 2 < 15**2] = 255
    seen: list[NDArray[np.uint8]] = []

    def segment(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(crop)
        return np.zeros((INPUT_PX, INPUT_PX), np.float32)

    outline(segment, picture, np.array([130, 40, 170, 160], np.float32), CELLS)
    assert [crop.shape for crop in seen] == [(INPUT_PX, INPUT_PX, 3)]
    bright = seen[0][..., 0] > 127
    wide, high = bright.any(axis=0).sum(), bright.any(axis=1).sum()
    assert abs(wide - high) <= 2
    assert abs(wide - 30 / 144 * INPUT_PX) <= 2


def test_a_mask_cut_by_the_edge_lies_on_its_person() -> None:
    """A network that answers with the crop itself: the mask is then the bright part of the picture, wherever the box is."""
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[60:160, :50] = 255
    box = np.array([-30.0, 40.0, 70.0, 180.0], np.float32)
    mask = outline(lambda crop: (crop[:, :, 0] > 192).astype(np.float32), picture, box, CELLS)
    x = box[0] + (np.arange(CELLS) + 0.5) / CELLS * 100
    y = box[1] + (np.arange(CELLS) + 0.5) / CELLS * 140
    bright = ((y > 60) & (y < 160))[:, None] & ((x > 0) & (x < 50))
    wrong = (mask > 0.5) != bright
    near_y = (np.abs(y - 60) < 1.5) | (np.abs(y - 160) < 1.5)
    near_x = (np.abs(x) < 1.5) | (np.abs(x - 50) < 1.5)
    assert not wrong[~near_y][:, ~near_x].any()
