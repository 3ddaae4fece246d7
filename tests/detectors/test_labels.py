"""COCO's names."""

from __future__ import annotations

from streamer.detectors.labels import COCO


def test_coco_has_80_names_with_the_known_holes() -> None:
    assert len(COCO) == 80
    assert set(range(1, 91)) - set(COCO) == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert (COCO[1], COCO[13], COCO[44], COCO[62], COCO[90]) == ("person", "stop sign", "bottle", "chair", "toothbrush")
    assert len(set(COCO.values())) == 80
