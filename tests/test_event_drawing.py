"""Drawing an event's records onto its footage: joined by the world's clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.events.store import EventStore
from streamer.frame import plane_views
from streamer.instances import Instances
from streamer.recording.segment_file import start_note
from streamer.sinks.records import Records
from tests.events.happenings import START_UTC, ended
from tests.fakes import INFO, LABELS, annotated
from tests.media import ffmpeg

RATE = 10
BEGAN_UTC = START_UTC - 3.0
"""The footage's first picture."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of events with one of four seconds, and ten seconds of footage with a key frame every second."""
    with EventStore(tmp_path / "events.db") as store:
        store.record(ended(0))
    footage = tmp_path / "footage"
    footage.mkdir()
    began = datetime.fromtimestamp(BEGAN_UTC, UTC)
    ffmpeg(
        *("-f", "lavfi", "-i", f"color=gray:s=128x96:r={RATE}:d=10", "-g", str(RATE), "-bf", "0"),
        *("-metadata", f"comment={start_note(began, camera_clock=False)}", "-pix_fmt", "yuv420p"),
        footage / f"gate-{began:%Y%m%dT%H%M%SZ}.mp4",
    )
    return tmp_path


def write_records(path: Path, width: int = 128, *, from_s: float = 0.0, to_s: float = 10.0, private: bool = False) -> None:
    """Records, captured 10 ms after the footage, of a box that is black where the second is even, else at another place."""
    info = replace(INFO, width=width, height=width * 3 // 4)
    sink = Records(path, info, LABELS, "fake", about={"privacy": {"classes": {}}} if private else None)
    for index in range(int(from_s * RATE), int(to_s * RATE)):
        left = 0.25 * width if index // RATE % 2 == 0 else 0.625 * width
        box = np.array([[left, 0.25 * width, left + 0.25 * width, 0.5 * width]], np.float32)
        found = Instances(boxes_xyxy=box, scores=np.array([0.9], np.float32), class_ids=np.array([1]))
        sink.write(annotated(index, found, utc_s=BEGAN_UTC + index / RATE + 0.01))
    sink.finish()


def drawn(folder: Path, *options: str) -> tuple[str, list[bool]]:
    """What is said of the drawn clip, and for each of its frames whether the left place differs from what was recorded."""
    with EventStore(folder / "events.db") as store:
        (event,) = store.events(limit=1)
    output = folder / "drawn.mp4"
    arguments = ["events", "render", str(folder), event.id, "--record", str(folder / "footage"), "-o", str(output)]
    records = ["--from", str(folder / "found.jsonl")]
    done = CliRunner().invoke(app, [*arguments, *records, "--before", "1", "--after", "1", "--draw", "boxes", *options])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".event")) == []
    with av.open(str(output)) as container:
        left = [plane_views(frame)[0][32:64, 32:34].astype(int) for frame in container.decode(video=0)]
    return done.output, [bool(np.abs(edge - 126).mean() > 20) for edge in left]


@pytest.mark.parametrize("width", [128, 64])
def test_each_picture_shows_what_was_found_then(folder: Path, width: int) -> None:
    write_records(folder / "found.jsonl", width)
    said, left = drawn(folder)
    assert said == ""
    # From the second before the event, at a key frame, to the second after its end.
    second = 2
    assert left[:10] == [second % 2 == 0] * 10
    assert left == [(second + index // RATE) % 2 == 0 for index in range(len(left))]
    assert len(left) >= 6 * RATE


def test_what_has_no_records_is_counted(folder: Path) -> None:
    write_records(folder / "found.jsonl", from_s=4.0)
    said, left = drawn(folder)
    assert "of 61 frames are without records" in said or "of 62 frames are without records" in said
    assert not any(left[:10])


def test_where_something_was_covered_nothing_is_shown_without_records(folder: Path) -> None:
    write_records(folder / "found.jsonl", from_s=4.0, private=True)
    _, left = drawn(folder, "--draw", "none")
    assert all(left[:10])


def test_records_of_another_time_are_refused(folder: Path) -> None:
    write_records(folder / "found.jsonl", to_s=1.0)
    with EventStore(folder / "events.db") as store:
        (event,) = store.events(limit=1)
    options = ["--record", str(folder / "footage"), "--from", str(folder / "found.jsonl"), "-o", str(folder / "drawn.mp4")]
    done = CliRunner().invoke(app, ["events", "render", str(folder), event.id, *options, "--before", "1"])
    assert done.exit_code == 2
    assert "holds nothing of the time of the event; name the file that detections of gate wrote then" in done.output
    assert not (folder / "drawn.mp4").exists()
    (folder / "drawn.mp4").write_bytes(b"of an earlier run")
    assert (
        CliRunner().invoke(app, ["events", "render", str(folder), event.id, *options, "--before", "1", "--overwrite"]).exit_code
        == 2
    )
    assert (folder / "drawn.mp4").read_bytes() == b"of an earlier run"
