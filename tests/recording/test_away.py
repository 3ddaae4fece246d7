"""Cameras that go away and come back: what was recorded before, and what clips hold of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import pytest

from streamer.recording.clips import cut_clip
from streamer.recording.recorder import PacketRecorder
from streamer.sources.packets import CameraPacket
from streamer.sources.whole_pictures import is_key
from tests.camera import RATE, encode_video, essence, units_in
from tests.media import frame_times
from tests.recording.test_recorder_disk import START_S, STREAMS, packets
from tests.waiting import wait_until

__all__ = ["packets"]

HOUR_S = 3600.0


def later(packets: Sequence[CameraPacket], seconds: float) -> list[CameraPacket]:
    """The same pictures, of a camera that was away for so long."""
    return [replace(each, utc_s=each.utc_s + seconds, arrived_s=each.arrived_s + seconds) for each in packets]


def hand(recorder: PacketRecorder, packets: Sequence[CameraPacket]) -> None:
    for packet in packets:
        recorder.take(packet)
    recorder._awake.set()
    wait_until(lambda: not recorder.status().queued and not recorder._queued_bytes)


def pictures(folder: Path, packets: Sequence[CameraPacket]) -> list[list[int]]:
    """Of each file, which pictures it holds, by number."""
    numbers = {essence("h264", packet.data): index for index, packet in enumerate(packets)}
    found = []
    for path in sorted(folder.iterdir()):
        with av.open(str(path)) as container:
            data = [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]
        found.append([numbers.get(essence("h264", each, prefixed=True), -1) for each in data])
    return found


def test_what_came_before_a_new_connection_belongs_to_an_event_after_it(tmp_path: Path, packets: list[CameraPacket]) -> None:
    recorder = PacketRecorder(tmp_path, "gate", mode="events", preroll_s=5.0, utc=lambda: START_S)
    recorder.begin(STREAMS)
    hand(recorder, packets[: 2 * RATE])
    recorder.begin(STREAMS)
    hand(recorder, later(packets[:RATE], 3.0))
    assert not list(tmp_path.iterdir())
    recorder.hold(START_S + 1.2)
    hand(recorder, later(packets[RATE : 2 * RATE], 3.0))
    recorder.finish(10)
    assert pictures(tmp_path, packets) == [list(range(RATE, 2 * RATE)), list(range(2 * RATE))]


def test_what_came_before_a_new_size_belongs_to_an_event_after_it(tmp_path: Path, packets: list[CameraPacket]) -> None:
    units = tmp_path / "other.units"
    encode_video(units, seconds=2, size=(256, 128), shade=99)
    other = [
        replace(before, data=unit, key=is_key("h264", unit))
        for before, unit in zip(packets[RATE:], units_in(units), strict=False)
    ]
    folder = tmp_path / "files"
    recorder = PacketRecorder(folder, "gate", mode="events", preroll_s=5.0, utc=lambda: START_S)
    recorder.begin(STREAMS)
    hand(recorder, [*packets[:RATE], *other[:RATE]])
    recorder.hold(START_S + 0.5)
    hand(recorder, other[RATE:])
    recorder.finish(10)
    assert pictures(folder, [*packets[:RATE], *other]) == [list(range(RATE)), list(range(RATE, 3 * RATE))]


@pytest.mark.parametrize("away_s", [HOUR_S, 20.0])
def test_a_clip_holds_nothing_from_before_a_long_absence(tmp_path: Path, packets: list[CameraPacket], away_s: float) -> None:
    folder = tmp_path / "files"
    recorder = PacketRecorder(folder, "gate", utc=lambda: START_S)
    recorder.begin(STREAMS)
    hand(recorder, packets[: 2 * RATE])
    recorder.begin(STREAMS)
    hand(recorder, later(packets, away_s))
    recorder.finish(10)
    back_s = START_S + away_s
    clip = cut_clip(folder, "gate", back_s - 3, back_s + 4, tmp_path / "clip.mp4")
    assert (clip.start_utc_s, clip.end_utc_s) == pytest.approx((back_s, back_s + 4 + 1 / RATE), abs=0.002)
    assert len(frame_times(clip.paths[0])) == 4 * RATE + 1
    assert not cut_clip(folder, "gate", back_s - 9, back_s - 4, tmp_path / "nothing.mp4").paths


def test_an_event_after_a_long_absence_is_recorded_from_the_return_on(tmp_path: Path, packets: list[CameraPacket]) -> None:
    recorder = PacketRecorder(tmp_path, "gate", mode="events", preroll_s=5.0, utc=lambda: START_S)
    recorder.begin(STREAMS)
    hand(recorder, packets[: 2 * RATE])
    recorder.begin(STREAMS)
    hand(recorder, later(packets[: 2 * RATE], HOUR_S))
    recorder.hold(START_S + HOUR_S - 3)
    hand(recorder, later(packets[2 * RATE : 3 * RATE], HOUR_S))
    recorder.finish(10)
    assert pictures(tmp_path, packets) == [list(range(3 * RATE))]


def test_files_keep_their_order_where_the_cameras_clock_tells_that_pictures_came_late(
    tmp_path: Path, packets: list[CameraPacket]
) -> None:
    recorder = PacketRecorder(tmp_path, "gate", segment_s=1.0, utc=lambda: START_S)
    recorder.begin(STREAMS)
    late = [replace(each, utc_s=each.utc_s + 1.1 * (each.utc_s - START_S), camera_clock=False) for each in packets[: 3 * RATE]]
    hand(recorder, [*late, *packets[3 * RATE :]])
    recorder.finish(10)
    assert list(itertools.chain(*pictures(tmp_path, packets))) == list(range(8 * RATE))
