"""Drawing again what a run has found: the same picture where nothing is changed, and refusals where it cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.annotation import annotate
from streamer.errors import ConfigError, RecordsDiffer, StageFailed
from streamer.frame import plane_views
from streamer.instances import Instances
from streamer.pipeline import Pipeline
from streamer.redrawing import render
from streamer.sinks.records import read_records
from streamer.stats import Stats
from tests.media import decoded_digest, ffmpeg, packet_digest

ZONES = "zones:\n  half: {polygon: [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}\n"
ONE_THREAD: dict[str, Any] = {"encoder": "libx264", "preset": "ultrafast", "crf": 20}


class Discs:
    """Finds the bright square, as a soft disc that reaches over the picture's left edge, and a box without a mask."""

    name = "discs"
    labels = {1: "person", 3: "car"}  # noqa: RUF012  # never written to
    input_size = None

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        ys, xs = np.nonzero(image[..., 1] > 150)
        if not len(xs):
            return Instances.empty()
        y, x = (np.mgrid[0:28, 0:28] + 0.5) / 28 - 0.5
        disc = 1 / (1 + np.exp((np.hypot(x, y) - 0.4) * 23.0))
        left = float(xs.min())
        return Instances(
            boxes_xyxy=np.array(
                [[left - 20.123, ys.min() - 3.3, left + 40.777, ys.max() + 1.4], [150.5, 20, 190, 60]], np.float32
            ),
            scores=np.array([0.87654321, 0.61234567], np.float32),
            class_ids=np.array([1, 3]),
            masks=np.stack([disc, np.zeros((28, 28))]).astype(np.float32),
            has_mask=np.array([True, False]),
        )

    def warm_up(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright square that goes from left to right, with sound, in 30 frames at a variable rate."""
    path = tmp_path_factory.mktemp("walk") / "walk.mkv"
    place = "[0][1]overlay=x='60*t':y=40:shortest=1,setpts='if(gte(N,15),PTS+0.4/TB,PTS)'"
    square = "color=white:s=40x60:r=25:d=1.2"
    ffmpeg(
        *("-f", "lavfi", "-i", "color=gray:s=200x144:r=25:d=1.2", "-f", "lavfi", "-i", square),
        *("-f", "lavfi", "-i", "sine=d=1.2", "-filter_complex", place, "-fps_mode", "vfr", "-c:a", "aac", path),
    )
    return path


def run(clip: Path, folder: Path, **options: Any) -> tuple[Path, Path]:
    """The drawn copy and the records of a run."""
    output, found = folder / "first.mkv", folder / "found.jsonl"
    annotate(clip, output, detector=f"{__name__}:Discs", detections=found, **ONE_THREAD, **options)
    return output, found


@pytest.mark.parametrize(
    ("run_options", "options"),
    [
        ({}, {}),
        ({"inference_interval": 3}, {}),
        ({}, {"draw": "boxes,masks,labels", "mask_opacity": 0.9, "classes": "car"}),
        ({"start": 0.3, "end": 1}, {}),
        ({"privacy": "person=pixelate", "privacy_zones": "0,0 0.2,0 0.2,0.2"}, {}),
        ({"max_instances": 1, "masks": "polygon"}, {}),
    ],
    ids=["as it is", "followed", "another style", "cut", "privacy", "polygons"],
)
def test_the_picture_of_the_run_comes_again(
    run_options: dict[str, Any], options: dict[str, Any], clip: Path, tmp_path: Path
) -> None:
    first, found = run(clip, tmp_path, **run_options, **options)
    again = tmp_path / "again.mkv"
    summary = render(clip, again, records=found, **ONE_THREAD, **options)
    assert summary.notes == ()
    assert summary.frames_out == len(list(read_records(found))) - 2 > 5
    for stream in ("v:0", "a:0"):
        assert decoded_digest(again, stream) == decoded_digest(first, stream)
        assert packet_digest(again, stream) == packet_digest(first, stream)


def test_zones_are_drawn_and_counted_again(clip: Path, tmp_path: Path) -> None:
    zones = tmp_path / "zones.yaml"
    zones.write_text(ZONES)
    first, found = run(clip, tmp_path, zones_file=zones, counts=tmp_path / "first.csv")
    render(clip, tmp_path / "again.mkv", records=found, zones_file=zones, counts=tmp_path / "again.csv", **ONE_THREAD)
    assert decoded_digest(tmp_path / "again.mkv", "v:0") == decoded_digest(first, "v:0")
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "first.csv").read_text()


def test_earlier_counts_stay_when_a_run_is_given_up(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = tmp_path / "zones.yaml"
    zones.write_text(ZONES)
    _, found = run(clip, tmp_path)
    output, counts = tmp_path / "again.mkv", tmp_path / "again.csv"
    counts.write_text("precious")
    before = sorted(tmp_path.iterdir())

    class GivenUp(Pipeline):
        def run(self) -> Stats:
            self._on_item = lambda _: self.abandon()
            return super().run()

    monkeypatch.setattr("streamer.redrawing.Pipeline", GivenUp)
    summary = render(clip, output, records=found, zones_file=zones, counts=counts, overwrite=True, **ONE_THREAD)
    assert summary.files == ()
    assert counts.read_text() == "precious"
    assert sorted(tmp_path.iterdir()) == before


def test_covers_stay_whatever_else_is_drawn(clip: Path, tmp_path: Path) -> None:
    covered, found = run(clip, tmp_path, privacy="person=fill", draw="none")
    other = tmp_path / "other"
    other.mkdir()
    render(clip, tmp_path / "again.mkv", records=found, draw="none", **ONE_THREAD)
    render(clip, other / "more.mkv", records=found, draw="none", privacy="car=fill,person=fill", **ONE_THREAD)
    assert decoded_digest(tmp_path / "again.mkv", "v:0") == decoded_digest(covered, "v:0")
    assert decoded_digest(other / "more.mkv", "v:0") != decoded_digest(covered, "v:0")


def test_what_records_do_not_tell_is_not_taken_for_nothing_to_cover(clip: Path, tmp_path: Path) -> None:
    _, found = run(clip, tmp_path)
    with pytest.raises(ConfigError, match=r"does not tell enough to cover objects.*--track"):
        render(clip, tmp_path / "again.mkv", records=found, privacy="person=blur")


def test_objects_of_tracked_records_are_covered_and_a_note_says_what_may_not_be(clip: Path, tmp_path: Path) -> None:
    _, found = run(clip, tmp_path, track=True)
    summary = render(clip, tmp_path / "again.mkv", records=found, privacy="person=fill", draw="none", **ONE_THREAD)
    assert ["less sure" in note for note in summary.notes] == [True]
    with av.open(str(tmp_path / "again.mkv")) as container:
        middles = [
            int(plane_views(frame)[0][70, 10 + int(60 * index / 25)]) for index, frame in enumerate(container.decode(video=0))
        ]
    assert len(middles) == 30
    assert max(middles[:15]) < 100, "they are filled"


def test_another_recording_is_refused(clip: Path, tmp_path: Path) -> None:
    _, found = run(clip, tmp_path)
    other = tmp_path / "other.mkv"
    ffmpeg("-i", clip, "-map", "0:v", "-c", "copy", other)
    with pytest.raises(RecordsDiffer, match=r"another recording than .*other\.mkv: it has \d+ bytes, that one had \d+"):
        render(other, tmp_path / "again.mkv", records=found)
    altered = bytearray(clip.read_bytes())
    altered[-1] ^= 1
    other.write_bytes(altered)
    with pytest.raises(RecordsDiffer, match="its content differs"):
        render(other, tmp_path / "again.mkv", records=found)
    assert not (tmp_path / "again.mkv").exists()


def without_fingerprint(found: Path, change: str = "", without: slice = slice(0)) -> Path:
    """The records of a run on an address, with another number for ``change`` and without some of the frames."""
    stream, *rest = map(json.loads, found.read_text().splitlines())
    stream["fingerprint"] = None
    if change:
        stream[change] += 1
    del rest[without]
    path = found.with_name("other.jsonl")
    path.write_text("".join(json.dumps(line) + "\n" for line in (stream, *rest)))
    return path


def test_what_differs_is_named(clip: Path, tmp_path: Path) -> None:
    _, found = run(clip, tmp_path)
    with pytest.raises(RecordsDiffer, match="its size is 200x144, in the records 201x144"):
        render(clip, tmp_path / "again.mkv", records=without_fingerprint(found, "width"))
    longer = tmp_path / "longer.mkv"
    ffmpeg("-i", clip, "-itsoffset", "0.04", "-i", clip, "-map", "1:v", "-c", "copy", longer)
    with pytest.raises(StageFailed, match=r"frame 0 is at 0\.\d+ s, its line in the records at 0\.\d+ s.*nothing was written"):
        render(longer, tmp_path / "again.mkv", records=without_fingerprint(found))
    assert not (tmp_path / "again.mkv").exists()
    with pytest.raises(StageFailed, match=r"goes on after the last of the records, at .*the 20 frames before"):
        render(clip, tmp_path / "short.mkv", records=without_fingerprint(found, without=slice(20, 30)))
    with pytest.raises(StageFailed, match=r"frame 10 is at .*, its line in the records at .*the 10 frames before"):
        render(clip, tmp_path / "gap.mkv", records=without_fingerprint(found, without=slice(10, 11)))
    later = '{"type":"frame","frame":30,"pts":9999,"time_s":9.9,"instances":[]}'
    found.write_text(found.read_text().replace('{"type":"end"', later + '\n{"type":"end"'))
    with pytest.raises(StageFailed, match=r"the records go on after the last frame, at .*the 30 frames before"):
        render(clip, tmp_path / "more.mkv", records=found)


def test_a_run_that_was_killed_is_drawn_as_far_as_it_came(clip: Path, tmp_path: Path) -> None:
    _, found = run(clip, tmp_path)
    found.write_text("".join(found.read_text().splitlines(keepends=True)[:13])[:-20])
    summary = render(clip, tmp_path / "again.mkv", records=found)
    assert summary.frames_out == 11
    assert ["did not come to the end" in note for note in summary.notes] == [True]


def test_records_of_schema_1_are_drawn_and_a_note_says_what_is_lost(clip: Path, tmp_path: Path) -> None:
    _, found = run(clip, tmp_path)
    stream, *rest = map(json.loads, found.read_text().splitlines())
    for name in ("labels", "fingerprint", "shift_s", "start_s", "end_s", "tracked"):
        del stream[name]
    for line in rest:
        line.pop("looked_s", None)
        for one in line["instances"] if line["type"] == "frame" else []:
            one.pop("cells", None)
            one.pop("full_box_xyxy", None)
    found.write_text("".join(json.dumps(line) + "\n" for line in (stream | {"schema": 1}, *rest)))
    summary = render(clip, tmp_path / "again.mkv", records=found)
    assert summary.instances == {"person": 30, "car": 30}
    assert ["schema 1" in note for note in summary.notes] == [True]


def test_a_part_of_a_whole_run(clip: Path, tmp_path: Path) -> None:
    _, found = run(clip, tmp_path)
    assert render(clip, tmp_path / "part.mkv", records=found, start=0.2, end=0.4).frames_out == 5


def test_a_photo(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    ffmpeg("-f", "lavfi", "-i", "color=white:s=64x48:d=0.04", "-frames:v", "1", photo)
    annotate(photo, tmp_path / "first.png", detector=f"{__name__}:Discs", detections=tmp_path / "found.jsonl")
    render(photo, tmp_path / "again.png", records=tmp_path / "found.jsonl")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "first.png").read_bytes()


def test_the_records_are_not_written_over(clip: Path, tmp_path: Path) -> None:
    _, found = run(clip, tmp_path)
    copy = shutil.copy(found, tmp_path / "found.mkv")
    with pytest.raises(ConfigError, match="is the records"):
        render(clip, copy, records=copy, overwrite=True)
