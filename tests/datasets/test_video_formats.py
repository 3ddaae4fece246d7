"""Formats that count the frames of a video, and Datumaro's: the files that their own readers were asked about."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.datasets.export import export
from streamer.errors import ConfigError
from tests.datasets.scene import PTS
from tests.datasets.test_export import OF_A_VIDEO, write_records
from tests.media import ffmpeg

GOLDEN = Path(__file__).parent / "golden"
"""What the formats' own readers take: ``tools/judge-datasets`` asks them."""
FILES = {"datumaro": "annotations/default.json", "label-studio": "tasks.json", "fiftyone": "labels/video.json"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of a variable rate, at the times of the records, each darker than the one before."""
    path = tmp_path_factory.mktemp("clip") / "in.mp4"
    times = "+".join(f"eq(N,{number})*{pts}" for number, pts in enumerate(PTS))
    source = f"color=white:s=64x48:r=25:d=0.2,format=gray,geq=lum='230-40*N',format=yuv420p,settb=1/90000,setpts='{times}'"
    ffmpeg("-f", "lavfi", "-i", source, "-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-video_track_timescale",
           "90000", "-c:v", "libx264", "-bf", "0", "-crf", "1", path)  # fmt: skip
    return path


@pytest.mark.parametrize("to", FILES)
def test_files_are_those_that_the_judges_read(clip: Path, tmp_path: Path, to: str) -> None:
    export(write_records(tmp_path / "found.jsonl"), tmp_path / "out", to, video=clip)
    made = (tmp_path / "out" / FILES[to]).read_text()
    assert json.loads(made) == json.loads((GOLDEN / f"{to}.json").read_text())
    assert made == (GOLDEN / f"{to}.json").read_text(), "the same, written otherwise"
    if to == "label-studio":
        assert (tmp_path / "out" / "label_config.xml").read_text() == (GOLDEN / "label-studio.xml").read_text()


@pytest.mark.parametrize("to", sorted(OF_A_VIDEO))
@pytest.mark.parametrize("every", [1, 2])
def test_the_copy_has_each_frame_once_at_a_constant_rate(clip: Path, tmp_path: Path, to: str, every: int) -> None:
    done = export(write_records(tmp_path / "found.jsonl"), tmp_path / "out", to, video=clip, every=every)
    with av.open(str(tmp_path / "out" / "data" / "video.mp4")) as copy:
        frames = list(copy.decode(video=0))
        assert len(frames) == done.frames
        shades = [float(frame.to_ndarray(format="gray").mean()) for frame in frames]
        rate = copy.streams.video[0].average_rate
        assert rate is not None
        assert [frame.time for frame in frames] == pytest.approx([number / float(rate) for number in range(len(frames))])
    assert np.diff(shades) == pytest.approx([-40 * every] * (len(frames) - 1), abs=3)


@pytest.mark.parametrize("to", sorted(OF_A_VIDEO))
def test_a_copy_of_one_frame_a_month(clip: Path, tmp_path: Path, to: str) -> None:
    done = export(write_records(tmp_path / "found.jsonl"), tmp_path / "out", to, video=clip, every=10**8)
    with av.open(str(tmp_path / "out" / "data" / "video.mp4")) as copy:
        assert len(list(copy.decode(video=0))) == done.frames == 1


@pytest.mark.parametrize("to", sorted(OF_A_VIDEO))
def test_without_the_recording_they_are_refused(tmp_path: Path, to: str) -> None:
    with pytest.raises(ConfigError, match="give --video"):
        export(write_records(tmp_path / "found.jsonl"), tmp_path / "out", to)
    assert [path.name for path in tmp_path.iterdir()] == ["found.jsonl"]


def test_what_is_lost(clip: Path, tmp_path: Path) -> None:
    found = write_records(tmp_path / "found.jsonl")
    notes = {to: set(export(found, tmp_path / to, to, video=clip).notes) for to in FILES}
    assert notes == {
        "datumaro": {"4 of 16 objects are boxes, since they have no mask"},
        "label-studio": {
            "4 of 16 objects are a region of one frame each, since they have no track of their own",
            "12 of 16 objects are without their mask",
        },
        "fiftyone": {"4 of 16 objects are without a mask"},
    }


def test_label_studio_ends_a_stretch_and_counts_from_1(clip: Path, tmp_path: Path) -> None:
    export(write_records(tmp_path / "found.jsonl"), tmp_path / "out", "label-studio", video=clip)
    (task,) = json.loads((tmp_path / "out" / "tasks.json").read_text())
    person = next(one for one in task["predictions"][0]["result"] if one["meta"].get("track_id") == 1)
    assert person["id"] == "track1-class1"
    told = [(one["frame"], one["enabled"]) for one in person["value"]["sequence"]]
    assert told == [(1, True), (2, False), (4, True), (5, False)]
    assert person["value"]["sequence"][1]["x"] == pytest.approx(100 * 6 / 64)
    assert '<Label value="person"/>' in (tmp_path / "out" / "label_config.xml").read_text()
