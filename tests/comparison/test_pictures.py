"""The worst frames, drawn twice: real recordings, also turned ones and of a variable rate."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from streamer.annotation import annotate
from streamer.comparison.comparing import compare
from streamer.errors import RecordsDiffer
from tests.media import ffmpeg


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A turned clip of a variable rate, its records, and the same with a frame in which something else was found."""
    folder = tmp_path_factory.mktemp("recording")
    plain, clip = folder / "plain.mp4", folder / "clip.mp4"
    slower = "select='not(eq(mod(n,3),1))',setpts=PTS+gt(N\\,4)*1/TB"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1", "-vf", slower, "-fps_mode", "vfr", plain)
    ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v", "rotate=90", clip)
    truth = folder / "truth.jsonl"
    annotate(clip, folder / "drawn.mp4", detections=truth, detector="tests.comparison.pretended:Pretended")
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    frames = [line for line in lines if line["type"] == "frame"]
    frames[5]["instances"][0]["class"] = "dog"
    frames[5]["instances"][0]["class_id"] = 4
    found = folder / "found.jsonl"
    found.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return clip, truth, found


def test_both_are_drawn_side_by_side(recording: tuple[Path, Path, Path], tmp_path: Path) -> None:
    clip, truth, found = recording
    done = compare(truth, found, video=clip, output=tmp_path / "worst", worst=3)
    (picture,) = sorted((tmp_path / "worst").iterdir())
    assert picture.name == "001-frame_000005.png"
    drawn = cv2.imread(str(picture))
    assert drawn is not None
    assert drawn.shape == (24 + 96, 2 * 64 + 4, 3)
    assert (drawn[24:, :64] != drawn[24:, 68:]).any(), "classes have colours"
    assert [one.frame for one in done.worst] == [5]


def test_no_wrong_frames_make_an_empty_folder(recording: tuple[Path, Path, Path], tmp_path: Path) -> None:
    clip, truth, _ = recording
    compare(truth, truth, video=clip, output=tmp_path / "worst")
    assert list((tmp_path / "worst").iterdir()) == []


def test_another_recording_is_refused_and_leaves_nothing(recording: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, truth, found = recording
    with pytest.raises(RecordsDiffer, match="is of another recording"):
        compare(truth, found, video=recording[0].with_name("plain.mp4"), output=tmp_path / "worst")
    assert list(tmp_path.iterdir()) == []
