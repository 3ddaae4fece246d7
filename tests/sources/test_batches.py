"""How long a connection may be left alone."""

from __future__ import annotations

import pytest

from streamer.sources.batches import Batches


@pytest.mark.parametrize("fps", [5, 25, 30, 60, 120])
def test_reading_stays_close_to_the_camera_and_wakes_up_seldom(fps: int) -> None:
    batches, now, wakes = Batches(), 0.0, 0
    behind = []
    for index in range(20 * fps):
        sent = index / fps
        if sent > now:
            now, wakes = sent, wakes + 1
        behind.append(now - sent)
        pause_s = batches.pause_s(sent + 1000.0, now)
        now, wakes = now + pause_s, wakes + (pause_s > 0)
    assert max(behind) <= 0.21
    assert wakes <= 20 * 2 * 13


@pytest.mark.parametrize("fps", [25, 50])
def test_reordered_pictures_do_not_make_reading_fall_behind(fps: int) -> None:
    batches, now = Batches(), 0.0
    behind = []
    for index in range(60 * fps):
        sent = index / fps
        now = max(now, sent)
        behind.append(now - sent)
        now += batches.pause_s((index + (2, -1, -1)[index % 3]) / fps, now)
    assert max(behind) <= 0.3


def test_a_stream_that_is_behind_is_read_without_pauses() -> None:
    batches = Batches()
    assert batches.pause_s(0.0, 100.0) > 0
    assert [batches.pause_s(index / 25, 105.0) for index in range(1, 50)] == [0.0] * 49


@pytest.mark.parametrize("jump", [-3.0, 1000.0])
def test_time_that_jumps_begins_anew(jump: float) -> None:
    batches = Batches()
    batches.pause_s(10.0, 100.0)
    assert batches.pause_s(10.04 + jump, 100.04) > 0
