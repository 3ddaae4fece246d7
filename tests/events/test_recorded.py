"""Events of a recording."""

from __future__ import annotations

import errno
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import pytest

from streamer.annotation import annotate
from streamer.errors import ConfigError, DetectorError, OutputRefused, OutputWriteFailed, StageFailed
from streamer.events.event import Event
from streamer.events.store import open_existing
from streamer.recording.segment_file import read_start_note
from tests.media import packet_times

RATE = 25


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gray from 0.1 to 0.9 over ten seconds: what ``tests.bright:Dusk`` sees is there from about 1.6 to 4.1 s."""
    path = tmp_path_factory.mktemp("recording") / "yard.mp4"
    source = f"nullsrc=s=64x64:r={RATE}:d=10,geq=lum='25+20*T':cb=128:cr=128"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-metadata", "creation_time=2026-01-31T12:00:00Z"]
    subprocess.run([*command, "-c:v", "libx264", "-g", "25", "-bf", "2", str(path)], check=True)
    return path


def events_of(folder: Path) -> list[Event]:
    with open_existing(folder) as store:
        return list(store.all_events())


def run(recording: Path, tmp_path: Path, **options: Any) -> tuple[Path, tuple[str, ...]]:
    said: dict[str, Any] = {
        "detector": "tests.bright:Dusk",
        "event_pre_capture": 1.0,
        "event_post_capture": 2.0,
        "overwrite": True,
        **options,
    }
    summary = annotate(recording, tmp_path / "out.mp4", events=tmp_path / "events", **said)
    return tmp_path / "events", summary.notes


def test_a_recording_has_its_events_with_pictures_and_clips(recording: Path, tmp_path: Path) -> None:
    folder, notes = run(recording, tmp_path)
    (event,) = events_of(folder)
    assert notes == ()
    assert event.camera == "yard.mp4"
    assert event.end_s is not None
    assert event.end_utc is not None
    taken = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()
    assert event.start_utc == pytest.approx(taken + event.start_s)
    assert event.end_utc == pytest.approx(taken + event.end_s)
    assert 1.0 < event.start_s < 3.0 < event.end_s < 5.0
    assert event.snapshot is not None
    assert event.snapshot.exists()
    assert event.clip is not None
    with av.open(str(event.clip)) as clip:
        shown = [float(frame.time) for frame in clip.decode(video=0) if frame.time is not None]
    lasts_s = shown[-1] - shown[0]
    assert event.end_s - event.start_s + 3.0 - 1 / RATE <= lasts_s <= event.end_s - event.start_s + 4.5


def test_a_clip_says_when_it_begins_and_one_that_is_short_is_told(recording: Path, tmp_path: Path) -> None:
    folder, notes = run(recording, tmp_path, event_pre_capture=60.0)
    (event,) = events_of(folder)
    assert notes == ("1 clip is shorter than asked: the recording begins or ends there",)
    assert event.clip is not None
    with av.open(str(event.clip)) as clip:
        noted = read_start_note(clip.metadata)
    assert noted is not None
    assert noted[0] == datetime(2026, 1, 31, 12, tzinfo=UTC), "the beginning of the recording"


def test_a_part_has_events_at_the_same_times(recording: Path, tmp_path: Path) -> None:
    (whole,) = events_of(run(recording, tmp_path)[0])
    folder, _ = run(recording, tmp_path, start=2.0, end=8.0)
    (part,) = events_of(folder)
    assert part.end_utc == pytest.approx(whole.end_utc)
    assert part.id != whole.id, "it was replaced"
    assert part.clip is not None
    assert sorted(path.name for path in part.clip.parent.iterdir()) == sorted(
        f"{part.id}{ending}" for ending in (".jpg", "-clean.jpg", ".mp4")
    )


def test_events_are_not_replaced_unasked_and_pictures_have_none(recording: Path, tmp_path: Path) -> None:
    run(recording, tmp_path)
    with pytest.raises(OutputRefused, match=r"holds events of yard\.mp4 already"):
        annotate(recording, tmp_path / "other.mp4", events=tmp_path / "events", detector="tests.bright:Dusk")
    photo = tmp_path / "photo.png"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(recording), "-frames:v", "1", str(photo)], check=True)
    with pytest.raises(ConfigError, match="is a picture: events need a recording"):
        annotate(photo, tmp_path / "out.png", events=tmp_path / "events", detector="tests.bright:Dusk")


def test_with_privacy_there_are_no_clips_and_that_is_said(recording: Path, tmp_path: Path) -> None:
    folder, notes = run(recording, tmp_path, privacy_zones=["0,0 1,0 1,1 0,1"])
    (event,) = events_of(folder)
    assert event.clip is None
    assert any("events have no clips" in note for note in notes)


def test_a_run_that_fails_before_its_first_frame_leaves_earlier_events(recording: Path, tmp_path: Path) -> None:
    (before,) = events_of(run(recording, tmp_path)[0])
    with pytest.raises(DetectorError):
        run(recording, tmp_path, detector="tests.bright:Cold")
    assert [event.id for event in events_of(tmp_path / "events")] == [before.id]
    assert before.snapshot is not None
    assert before.snapshot.exists()


@pytest.mark.parametrize(
    ("broken", "error", "told"),
    [
        ("streamer.events.recorded.cut_file", OutputWriteFailed("the disk is full"), "1 clips"),
        ("streamer.events.output._write_jpeg", OSError(errno.ENOSPC, "No space left on device"), "1 pictures"),
    ],
)
def test_what_is_missing_of_events_is_a_failure_and_all_else_is_written(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, error: Exception, told: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(broken, full)
    with pytest.raises(StageFailed, match=f"lack {told}") as failed:
        run(recording, tmp_path)
    assert "out.mp4" in failed.value.hint
    assert len(packet_times(tmp_path / "out.mp4", "v:0")) == 10 * RATE
    (event,) = events_of(tmp_path / "events")
    assert event.end_s is not None
    monkeypatch.undo()
    run(recording, tmp_path)
    (event,) = events_of(tmp_path / "events")
    assert event.clip is not None
    assert event.clip.exists()
