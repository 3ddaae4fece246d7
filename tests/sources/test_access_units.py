"""Putting pictures together from RTP's pieces."""

from __future__ import annotations

import pytest

from streamer.sources.access_units import AccessUnit, AccessUnits, nal_units

START = b"\x00\x00\x00\x01"
AUD, SPS, PPS, SEI = b"\x09\xf0", b"\x67\x42\x11", b"\x68\xce\x11", b"\x06\x05\x11"
FULL = 100


def first_slice(size: int = 50, *, key: bool = False) -> bytes:
    return (b"\x65" if key else b"\x41") + b"\x88" + b"\x11" * (size - 2)


def next_slice(size: int = 50, *, key: bool = False) -> bytes:
    return (b"\x65" if key else b"\x41") + b"\x11" * (size - 1)


def packets(unit: bytes) -> list[bytes]:
    """A NAL unit as the RTP reader hands it out: fragments of one full size, the first one with start code and header."""
    if len(unit) <= FULL + 1:
        return [START + unit]
    return [START + unit[: FULL + 1], *(unit[at : at + FULL] for at in range(FULL + 1, len(unit), FULL))]


def feed(units: AccessUnits, picture: list[bytes], pts: int | None) -> list[list[AccessUnit]]:
    """What comes out after each packet of ``picture``."""
    return [units.push(packet, pts) for unit in picture for packet in packets(unit)]


def joined(picture: list[bytes]) -> bytes:
    return b"".join(START + unit for unit in picture)


def test_a_picture_is_whole_when_the_next_one_begins() -> None:
    units = AccessUnits("h264")
    one, two = [SPS, PPS, first_slice(350, key=True), next_slice(80, key=True)], [AUD, first_slice()]
    assert not any(feed(units, one, 0))
    assert feed(units, two, 3000)[0] == [AccessUnit(joined(one), 0)]
    assert units.flush() == [AccessUnit(joined(two), 3000)]
    assert units.flush() == []


def test_parameter_sets_between_slices_are_left_out() -> None:
    units = AccessUnits("h264")
    feed(units, [AUD, SPS, PPS, first_slice(key=True), SPS, PPS, AUD, next_slice(key=True)], 0)
    assert units.flush() == [AccessUnit(joined([AUD, SPS, PPS, first_slice(key=True), next_slice(key=True)]), 0)]


def test_without_time_stamps_a_first_slice_begins_a_picture() -> None:
    units = AccessUnits("h264")
    out = [unit for index in range(3) for step in feed(units, [first_slice(40 + index)], None) for unit in step]
    assert [unit.data for unit in [*out, *units.flush()]] == [joined([first_slice(40 + index)]) for index in range(3)]


@pytest.mark.parametrize("slices", [[first_slice(250)], [first_slice(250), next_slice(130)], [first_slice(60), next_slice(30)]])
def test_once_the_habit_is_known_pictures_come_with_their_last_packet(slices: list[bytes]) -> None:
    units = AccessUnits("h264")
    picture = [AUD, *slices]
    for index in range(12):
        feed(units, picture, 3000 * index)
    steps = feed(units, picture, 99_000)
    assert steps[-1] == [AccessUnit(joined(picture), 99_000)]
    assert not any(steps[:-1])
    assert units.flush() == []
    assert units.mistakes == 0


def test_every_picture_comes_once_and_whole_whatever_the_sizes() -> None:
    units = AccessUnits("h264")
    pictures = [[AUD, first_slice(30 + 37 * index % 400), next_slice(20 + 53 * index % 300)] for index in range(60)]
    out = [unit for index, picture in enumerate(pictures) for step in feed(units, picture, index) for unit in step]
    assert [*out, *units.flush()] == [AccessUnit(joined(picture), index) for index, picture in enumerate(pictures)]
    assert units.mistakes == 0


def test_long_pictures_after_short_ones_are_foreseen_too() -> None:
    units = AccessUnits("h264")
    pictures = [[first_slice(120)] for _ in range(20)] + [[first_slice(120 + 97 * index)] for index in range(20)]
    late = 0
    for index, picture in enumerate(pictures):
        late += not feed(units, picture, index)[-1]
    assert units.mistakes == 0
    assert late <= 9


def test_an_encoder_without_habits_is_waited_for() -> None:
    units = AccessUnits("h264")
    pictures = [[first_slice(30), *[next_slice(40)] * (index * index % 3)] for index in range(60)]
    out = [unit for index, picture in enumerate(pictures) for step in feed(units, picture, index) for unit in step]
    assert [*out, *units.flush()] == [AccessUnit(joined(picture), index) for index, picture in enumerate(pictures)]


def test_a_broken_habit_costs_one_picture_and_is_not_trusted_for_ever() -> None:
    units = AccessUnits("h264")
    number = 0
    for _ in range(5):
        for _ in range(20):
            feed(units, [first_slice(60)], number)
            number += 1
        feed(units, [first_slice(60), next_slice(60)], number)
        number += 1
    assert units.mistakes == 2
    assert not any(feed(units, [first_slice(60)], number)[1:])


def test_a_lost_start_is_no_picture() -> None:
    units = AccessUnits("h264")
    assert units.push(b"\x11" * 80, 0) == []
    assert units.push(START + SEI, 0) == []
    assert units.flush() == []


def test_fragments_whose_first_part_was_lost_spoil_nothing() -> None:
    units = AccessUnits("h264")
    feed(units, [SPS, PPS], 0)
    units.push(b"\x22" * FULL, 0)
    feed(units, [first_slice(250)], 0)
    out = units.push(b"\x22" * FULL, 3000)
    out += units.push(b"\x22" * FULL, 3000)
    assert [*out, *units.flush()] == [AccessUnit(joined([SPS, PPS, first_slice(250)]), 0)]


def test_knows_h265() -> None:
    units = AccessUnits("hevc")
    vps, aud, begin, rest = b"\x40\x01\x11", b"\x46\x01\x50", b"\x26\x01\xaf\x11", b"\x26\x01\x11\x22"
    feed(units, [aud, vps, begin, vps, rest], 0)
    assert units.flush() == [AccessUnit(joined([aud, vps, begin, rest]), 0)]


def test_splits_byte_streams() -> None:
    assert list(nal_units(START + b"\x65\x11" + b"\x00\x00\x01" + b"\x41\x00\x22")) == [b"\x65\x11", b"\x41\x00\x22"]
    assert list(nal_units(b"\x11\x22")) == []
