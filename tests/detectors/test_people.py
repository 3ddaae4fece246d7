"""The built-in detector against what a correct implementation finds."""

from __future__ import annotations

import numpy as np

from streamer.detectors.people import PeopleDetector


def test_an_empty_picture_holds_nothing() -> None:
    detector = PeopleDetector(score_threshold=0.5, threads=1)
    found = detector.detect(np.zeros((48, 64, 3), np.uint8))
    detector.close()
    assert len(found) == 0
    assert detector.labels[4] == "person"
