"""Where time stamps begin anew, picture and sound go on together, in files joined in all the ways that people join them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamer.sources.clock import Clock
from tests.media import ffmpeg, frame_times, packet_times
from tests.road import reencode

pytestmark = pytest.mark.slow

FRAME_S = Fraction(1, 25)


@dataclass
class Packet:
    """As much of a packet as a clock looks at; times in thousandths of a second."""

    dts: int
    kind: str = "video"
    duration: int = 40
    time_base: Fraction = Fraction(1, 1000)
    pts: int | None = None
    stream: Any = field(init=False)

    def __post_init__(self) -> None:
        self.pts = self.dts if self.pts is None else self.pts
        self.stream = SimpleNamespace(type=self.kind)

    @property
    def stream_index(self) -> int:
        return ("video", "audio", "subtitle").index(self.kind)


def lead(clock: Clock, dts: int) -> int:
    packet = Packet(dts)
    clock.lead(packet)  # type: ignore[arg-type]  # it looks like one
    return packet.dts


def follow(clock: Clock, dts: int, kind: str = "audio", *, ended: bool = False) -> int | None:
    packet = Packet(dts, kind)
    return packet.dts if clock.follow(packet, ended=ended) else None  # type: ignore[arg-type]  # it looks like one


def test_a_steady_clock_is_left_alone() -> None:
    clock = Clock(forward=True)
    for at in range(0, 20_000, 40):
        assert lead(clock, at) == at
        assert follow(clock, at + 10) == at + 10
    assert clock.stretches == 1


def test_sound_that_comes_before_the_picture_of_its_stretch_waits_for_it() -> None:
    clock = Clock(forward=True)
    for at in (0, 40, 80, 2000):
        lead(clock, at)
        follow(clock, at)
    assert follow(clock, 0) is None
    assert lead(clock, 20) == 2040
    assert follow(clock, 0) == 2020


def test_sound_of_the_stretch_before_may_come_late() -> None:
    clock = Clock(forward=True)
    for at in range(0, 3000, 40):
        lead(clock, at)
        follow(clock, at)
    assert lead(clock, 0) == 3000
    assert follow(clock, 3000) == 3000
    assert follow(clock, 10) == 3010


@pytest.mark.parametrize(("forward", "expected"), [(True, 120), (False, 100_000)])
def test_a_long_jump_forward_is_a_new_clock_only_where_the_format_has_them(forward: bool, expected: int) -> None:
    clock = Clock(forward=forward)
    for at in (0, 40, 80):
        lead(clock, at)
        follow(clock, at)
    assert lead(clock, 100_000) == expected
    assert follow(clock, 100_000) == expected


def test_a_pause_of_all_streams_stays() -> None:
    clock = Clock(forward=True)
    lead(clock, 0)
    follow(clock, 0)
    assert lead(clock, 9000) == 9000
    assert follow(clock, 9000) == 9000


def test_a_jump_of_the_sound_alone_is_closed_when_the_picture_has_gone_on() -> None:
    clock = Clock(forward=True)
    for at in range(0, 4000, 40):
        lead(clock, at)
        follow(clock, at)
    assert follow(clock, 900_000) is None
    for at in range(4000, 5960, 40):
        lead(clock, at)
    assert follow(clock, 900_000) is None
    lead(clock, 6000)
    assert follow(clock, 900_000) == 3960


def test_subtitles_may_pause_for_long_and_one_picture_of_a_wrong_time_changes_nothing() -> None:
    clock = Clock(forward=True)
    lead(clock, 0)
    assert follow(clock, 0, "subtitle") == 0
    for at in range(40, 60_000, 40):
        lead(clock, at)
    assert follow(clock, 60_000, "subtitle") == 60_000
    assert lead(clock, 5_000) == 60_000
    assert lead(clock, 60_040) == 60_040
    assert follow(clock, 60_040, "subtitle") == 60_040


def clip(path: Path, seconds: float, tone: int, *, start: float = 0, sound: bool = True) -> Path:
    audio = ("-f", "lavfi", "-i", f"sine={tone}:r=48000:d={seconds}") if sound else ()
    ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=s=64x64:r=25:d={seconds}", *audio, "-c:v", "libx264", "-preset", "ultrafast",
        "-bf", "2", "-g", "12", "-c:a", "aac", "-output_ts_offset", str(start), path,
    )  # fmt: skip
    return path


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1000), (1000, 0), (95_443, 0), (95_440, 50), (10, 11)])
def test_joined_transport_streams_keep_picture_and_sound_together(first: float, second: float, tmp_path: Path) -> None:
    """Clocks that begin at 0, elsewhere, wrap at 2^33 ticks (95443.7 s) in the middle, or overlap."""
    joined = tmp_path / "joined.ts"
    parts = [clip(tmp_path / "a.ts", 3, 440, start=first), clip(tmp_path / "b.ts", 3, 880, start=second)]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    reencode(joined, tmp_path / "out.mp4")
    times = [float(time) for time in frame_times(tmp_path / "out.mp4")]
    assert len(times) == 150
    assert {round(later - earlier, 3) for earlier, later in pairwise(times)} == {0.04}
    sound = [float(time) for time in packet_times(tmp_path / "out.mp4", "a:0")]
    heard = len(packet_times(parts[0], "a:0")) + len(packet_times(parts[1], "a:0"))
    assert len(sound) >= heard - 2
    assert sound[-1] - sound[0] == pytest.approx(6, abs=0.1)
    assert sound[0] == pytest.approx(times[0], abs=0.1)


def test_a_part_without_sound_leaves_a_pause(tmp_path: Path) -> None:
    joined = tmp_path / "joined.ts"
    parts = [clip(tmp_path / "a.ts", 2, 440), clip(tmp_path / "b.ts", 3, 0, sound=False), clip(tmp_path / "c.ts", 2, 880)]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    reencode(joined, tmp_path / "out.mp4")
    assert len(frame_times(tmp_path / "out.mp4")) == 175
    sound = [float(time) for time in packet_times(tmp_path / "out.mp4", "a:0")]
    (pause,) = [(earlier, later) for earlier, later in pairwise(sound) if later - earlier > 0.1]
    first = float(frame_times(tmp_path / "out.mp4")[0])
    assert [time - first for time in pause] == pytest.approx([2, 5], abs=0.1)


def test_a_cut_of_joined_recordings_counts_from_their_start(tmp_path: Path) -> None:
    joined = tmp_path / "joined.ts"
    parts = [clip(tmp_path / f"{n}.ts", 2, 440) for n in range(3)]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    reencode(joined, tmp_path / "out.mp4", start_s=2.5, end_s=5)
    times = [float(time) for time in frame_times(tmp_path / "out.mp4")]
    assert len(times) == pytest.approx(62, abs=1)
    sound = [float(time) for time in packet_times(tmp_path / "out.mp4", "a:0")]
    assert sound[0] == pytest.approx(times[0], abs=0.1)
    assert sound[-1] == pytest.approx(times[-1], abs=0.1)


def test_a_list_of_parts_with_clocks_of_their_own_plays_on(tmp_path: Path) -> None:
    clip(tmp_path / "a.ts", 2, 440)
    clip(tmp_path / "b.ts", 2, 880, start=50)
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:2.0,\na.ts\n"
        "#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\nb.ts\n#EXT-X-ENDLIST\n"
    )
    reencode(tmp_path / "list.m3u8", tmp_path / "out.mp4")
    assert len(frame_times(tmp_path / "out.mp4")) == 100
    sound = [float(time) for time in packet_times(tmp_path / "out.mp4", "a:0")]
    assert sound[-1] - sound[0] == pytest.approx(4, abs=0.1)
