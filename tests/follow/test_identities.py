"""Ids are given once, and the memory of ended tracks is bounded."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.follow import identities
from streamer.follow.identities import Identities
from streamer.follow.tracks import Detection, Track, start


def track() -> Track:
    box, appearance = np.array([0.0, 0.0, 10.0, 20.0]), np.zeros((3, 3, 16), np.float32)
    return start(Detection(box_xyxy=box, score=0.9, class_id=1, mask=None, appearance=appearance), 0, 0.0, box)


def test_a_track_is_named_once() -> None:
    ids, first, second = Identities(), track(), track()
    for named in (first, second, first):
        ids.name(named)
    assert (first.track_id, second.track_id) == (1, 2)


def test_an_ended_track_stays_in_the_summary_and_its_id_is_not_used_again() -> None:
    ids, first, second = Identities(), track(), track()
    ids.name(first)
    ids.retire([])
    ids.name(second)
    assert [summary.track_id for summary in ids.summary()] == [1, 2]


def test_the_oldest_ended_tracks_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "SUMMARIES_KEPT", 2)
    ids = Identities()
    for _ in range(5):
        ids.name(track())
    ids.retire([])
    assert [summary.track_id for summary in ids.summary()] == [4, 5]
