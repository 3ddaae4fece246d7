"""Times of packets: the camera's own, without jumps."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest

from streamer.recording.times import PacketTimes
from streamer.sources.packets import CameraPacket, Kind

RTP = Fraction(1, 90_000)
FRAME = 3600


def packet(pts: int | None, arrived_s: float, kind: Kind = "video", time_base: Fraction = RTP) -> CameraPacket:
    return CameraPacket(
        kind=kind,
        data=b"",
        pts=pts,
        dts=None,
        time_base=time_base,
        key=False,
        arrived_s=arrived_s,
        utc_s=arrived_s,
        camera_clock=False,
    )


def placed(stamps: Sequence[int | None], depth: int = 0) -> list[tuple[int, int]]:
    times = PacketTimes(Fraction(25))
    times.reorder(depth)
    made = [times.place(packet(pts, index / 25)) for index, pts in enumerate(stamps)]
    return [(each.pts, each.dts) for each in made]


def test_the_spacing_of_the_camera_is_kept_and_begins_at_nought() -> None:
    assert placed([5000, 8600, 12_300]) == [(0, 0), (3600, 3600), (7300, 7300)]


@pytest.mark.parametrize("wrap", [1 << 32, 1 << 33])
def test_time_stamps_that_wrap_go_on(wrap: int) -> None:
    assert placed([wrap - 3600, 0, 3600]) == [(0, 0), (3600, 3600), (7200, 7200)]


@pytest.mark.parametrize("jump", [-200_000, 9_000_000])
def test_after_a_jump_the_time_that_passed_stands_in(jump: int) -> None:
    assert placed([0, 3600, 7200 + jump, 10_800 + jump]) == [(0, 0), (3600, 3600), (7200, 7200), (10_800, 10_800)]


@pytest.mark.parametrize(("rate", "gap"), [(Fraction(25), FRAME), (None, 45_000)])
def test_a_first_picture_without_a_time_stamp_is_a_picture_before_the_next(rate: Fraction | None, gap: int) -> None:
    times = PacketTimes(rate)
    made = [times.place(packet(pts, arrived_s)).pts for pts, arrived_s in ((None, 0.0), (700_000, 0.5), (703_600, 0.5))]
    assert made == [0, gap, gap + FRAME]  # by its arrival where the rate is not known


def test_pictures_that_are_sent_before_earlier_ones_get_times_of_decoding() -> None:
    shown = [FRAME * index for index in (0, 3, 1, 2, 6, 4, 5)]
    made = placed(shown, depth=2)
    decoded = [dts for _, dts in made]
    assert decoded == sorted(set(decoded))
    assert all(dts <= pts for pts, dts in made)
    assert [pts - made[0][0] for pts, _ in made] == shown


def test_sound_stays_with_its_picture_over_a_jump() -> None:
    times = PacketTimes(Fraction(25))
    apart = []
    for index in range(100):
        jump = 100.0 if index >= 50 else 0.0
        now = index / 25
        video = times.place(packet(round((now + jump) * 90_000), now))
        sound = times.place(packet(round((now + jump + 0.01) * 8000), now + 0.001, "audio", Fraction(1, 8000)))
        apart.append((sound.pts - video.pts) / 90_000)
    assert apart == pytest.approx([0.01] * 100, abs=1e-4)
    assert times.jumps == 1


def test_sound_that_begins_late_is_placed_by_its_time_stamp() -> None:
    times = PacketTimes(Fraction(25))
    for index in range(10):
        times.place(packet(index * FRAME, index / 25))
    assert times.place(packet(3200, 0.41, "audio", Fraction(1, 8000))).pts == 36_000
