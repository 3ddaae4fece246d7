"""Where the cells of a person's mask are read."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.detectors.person_outlines import INPUT_PX, Segment, outline

CELLS = 96
spans = st.tuples(st.floats(-40, 300), st.floats(1.5, 400))


@given(horizontal=spans, vertical=spans)
@settings(max_examples=60, deadline=None)
def test_cells_are_read_where_they_lie(horizontal: tuple[float, float], vertical: tuple[float, float]) -> None:
    """The crop's network answers with ramps, so each cell says where it was read."""

    def ramp(axis: int) -> Segment:
        steps = np.arange(INPUT_PX, dtype=np.float32)
        field = np.broadcast_to(steps if axis == 0 else steps[:, None], (INPUT_PX, INPUT_PX))
        return lambda _crop: np.ascontiguousarray(field)

    picture = np.zeros((240, 320, 3), np.uint8)
    (left, width), (top, height) = horizontal, vertical
    box = np.array([left, top, left + width, top + height], np.float32)
    for axis, size in enumerate((320, 240)):
        start, end = float(box[axis]), float(box[axis + 2])
        read = outline(ramp(axis), picture, box, CELLS)
        along = read[0] if axis == 0 else read[:, 0]
        margin = (end - start) * 0.1
        low = min(max(int(start - margin), 0), size - 1)
        high = max(min(int(end + margin), size), low + 1)
        at_px = start + (np.arange(CELLS) + 0.5) / CELLS * (end - start)
        expected = np.clip((at_px - low) / (high - low) * INPUT_PX - 0.5, 0, INPUT_PX - 1)
        assert np.abs(along - expected).max() <= 0.05


def test_the_network_sees_the_whole_crop_at_its_size() -> None:
    seen: list[NDArray[np.uint8]] = []

    def segment(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(crop)
        return np.zeros((INPUT_PX, INPUT_PX), np.float32)

    outline(segment, np.zeros((240, 320, 3), np.uint8), np.array([10, 10, 50, 90], np.float32), CELLS)
    assert [crop.shape for crop in seen] == [(INPUT_PX, INPUT_PX, 3)]


def test_a_mask_cut_by_the_edge_lies_on_its_person() -> None:
    """A network that answers with the crop itself: the mask is then the bright part of the picture, wherever the box is."""
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[60:160, :50] = 255
    box = np.array([-30.0, 40.0, 70.0, 180.0], np.float32)
    mask = outline(lambda crop: (crop[:, :, 0] / 255).astype(np.float32), picture, box, CELLS)
    x = box[0] + (np.arange(CELLS) + 0.5) / CELLS * 100
    y = box[1] + (np.arange(CELLS) + 0.5) / CELLS * 140
    bright = ((y > 60) & (y < 160))[:, None] & (x < 50)
    wrong = (mask > 0.5) != bright
    near = (np.abs(y - 60) < 1) | (np.abs(y - 160) < 1)
    assert not wrong[~near][:, np.abs(x - 50) > 1].any()
