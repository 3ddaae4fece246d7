from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.annotation import annotate
from streamer.config.zones import load_places
from streamer.errors import ConfigError, OutputWriteFailed, StreamerError
from streamer.instances import Instances
from streamer.sinks.records import read_records
from streamer.stored_analysis import analyse
from tests.media import ffmpeg
from tests.sinks.test_records import largest_file

ZONES = """\
zones:
  half: {polygon: [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}
  most: {polygon: [[0.3, 0], [1, 0], [1, 1], [0.3, 1]], count: coverage, coverage: 0.6, enter_after: 0.2}
  middle: {polygon: [[100, 0], [220, 0], [220, 240], [100, 240]], count: centre, enter_after: 0, leave_after: 0.1}
lines:
  gate: {points: [[0.4, 0], [0.4, 1]]}
"""


class Bright:
    """Finds the bright square; its mask is a disc."""

    name = "bright"
    labels = {1: "person"}  # noqa: RUF012  # never written to
    input_size = None

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        ys, xs = np.nonzero(image[..., 1] > 150)
        if not len(xs):
            return Instances.empty()
        y, x = (np.mgrid[0:28, 0:28] + 0.5) / 28 - 0.5
        return Instances(
            boxes_xyxy=np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], np.float32),
            scores=np.array([0.9], np.float32),
            class_ids=np.array([1]),
            masks=np.clip(0.5 + (0.45 - np.hypot(x, y)) * 10, 0, 1).astype(np.float32)[None],
        )

    def warm_up(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """A bright square that goes from left to right in four seconds."""
    clip = tmp_path / "walk.mp4"
    square = "color=white:s=40x80:r=25:d=4"
    place = "overlay=x='40*t+40':y=100:shortest=1"
    ffmpeg(
        "-f", "lavfi", "-i", "color=black:s=320x240:r=25:d=4", "-f", "lavfi", "-i", square, "-filter_complex", place, str(clip)
    )
    return clip


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    file = tmp_path / "zones.yaml"
    file.write_text(ZONES)
    return file


def test_records_give_the_figures_of_the_run(tmp_path: Path, walk: Path, zones: Path) -> None:
    found, counts = tmp_path / "found.jsonl", tmp_path / "counts.csv"
    summary = annotate(
        walk, tmp_path / "out.mp4", detector=f"{__name__}:Bright", zones_file=zones, detections=found, counts=counts
    )
    lines = list(read_records(found))
    report = analyse(found, load_places(zones), tmp_path / "again.csv")
    assert report.totals == summary.places == {key: lines[-1][key] for key in ("zones", "lines")}
    assert report.totals["lines"]["gate"]["in"] + report.totals["lines"]["gate"]["out"] == 1
    assert [report.totals["zones"][name]["entries"] for name in ("half", "most", "middle")] == [1, 1, 1]
    assert report.notes == ()
    assert counts.read_text() == (tmp_path / "again.csv").read_text()
    assert "total,line,gate,person,0,1," in counts.read_text()
    crossings = [crossing for line in lines if line["type"] == "frame" for crossing in line["crossings"]]
    assert [(crossing["line"], crossing["track_id"], crossing["class"]) for crossing in crossings] == [("gate", 1, "person")]
    assert any("half" in one["zones"] for line in lines if line["type"] == "frame" for one in line["instances"])
    json.dumps(summary.as_dict())


def test_earlier_counts_stay_until_there_are_new_ones(tmp_path: Path, walk: Path, zones: Path) -> None:
    found, counts = tmp_path / "found.jsonl", tmp_path / "counts.csv"
    annotate(walk, tmp_path / "out.mp4", detector=f"{__name__}:Bright", track=True, detections=found)
    counts.write_text("precious")
    before = sorted(tmp_path.iterdir())
    with largest_file(10), pytest.raises(OutputWriteFailed, match=r"counts\.csv"):
        analyse(found, load_places(zones), counts, overwrite=True)
    assert counts.read_text() == "precious"
    assert sorted(tmp_path.iterdir()) == before
    analyse(found, load_places(zones), counts, overwrite=True)
    assert "total,line,gate,person,0,1," in counts.read_text()
    assert sorted(tmp_path.iterdir()) == before


def test_counts_go_into_a_pipe(tmp_path: Path, walk: Path, zones: Path) -> None:
    found, pipe = tmp_path / "found.jsonl", tmp_path / "pipe"
    annotate(walk, tmp_path / "out.mp4", detector=f"{__name__}:Bright", track=True, detections=found)
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        analyse(found, load_places(zones), pipe)
        assert "total,line,gate,person,0,1," in reader.communicate()[0]


def test_records_of_a_run_without_zones_do_as_well(tmp_path: Path, walk: Path, zones: Path) -> None:
    found = tmp_path / "found.jsonl"
    annotate(walk, tmp_path / "out.mp4", detector=f"{__name__}:Bright", track=True, detections=found)
    with_zones = annotate(walk, tmp_path / "zones.mp4", detector=f"{__name__}:Bright", zones_file=zones)
    assert analyse(found, load_places(zones)).totals == with_zones.places


def test_records_know_cuts(tmp_path: Path, zones: Path) -> None:
    clip, found = tmp_path / "cut.mp4", tmp_path / "found.jsonl"
    scenes = [
        f"{kind}=s=320x240:r=25,trim=end=2,lutrgb=r=val/2:g=val/2:b=val/2[{name}]"
        for kind, name in (("smptebars", "a"), ("mandelbrot", "d"))
    ]
    squares = "color=white:s=40x80:r=25:d=2,split[s][t];[a][s]overlay=60:100[x];[d][t]overlay=110:100[y]"
    ffmpeg("-filter_complex", f"{';'.join(scenes)};{squares};[x][y]concat=n=2[v]", "-map", "[v]", str(clip))
    summary = annotate(clip, tmp_path / "out.mp4", detector=f"{__name__}:Bright", zones_file=zones, detections=found)
    report = analyse(found, load_places(zones))
    assert report.totals == summary.places
    assert [line["frame"] for line in read_records(found) if line.get("cut")] == [50]
    assert report.totals["lines"]["gate"] == {"in": 0, "out": 0, "by_class": {}}


def test_records_without_tracks_are_refused(tmp_path: Path, walk: Path, zones: Path) -> None:
    found = tmp_path / "found.jsonl"
    annotate(walk, tmp_path / "out.mp4", detector=f"{__name__}:Bright", detections=found)
    with pytest.raises(ConfigError, match="no tracks"):
        analyse(found, load_places(zones))


def test_records_without_masks_are_said_to_have_none(tmp_path: Path, walk: Path, zones: Path) -> None:
    found = tmp_path / "found.jsonl"
    annotate(walk, tmp_path / "out.mp4", detector=f"{__name__}:Bright", track=True, detections=found, masks="none")
    assert any("have no masks" in note for note in analyse(found, load_places(zones)).notes)


def test_records_without_positions_hold_the_same_counts_and_are_refused(tmp_path: Path, walk: Path, zones: Path) -> None:
    told = {}
    for name, positions in (("with", True), ("without", False)):
        annotate(
            walk,
            tmp_path / f"{name}.mp4",
            detector=f"{__name__}:Bright",
            zones_file=zones,
            detections=tmp_path / name,
            privacy={"person": "fill"},
            positions=positions,
        )
        *frames, end = list(read_records(tmp_path / name))[1:]
        facts = [[frame[kind] for kind in ("crossings", "entries", "exits")] for frame in frames]
        zoned = [[one["zones"] for one in frame["instances"]] for frame in frames]
        told[name] = facts, zoned, end
    assert told["with"] == told["without"]
    assert "box" not in (tmp_path / "without").read_text()
    with pytest.raises(ConfigError, match="without does not say where objects were"):
        analyse(tmp_path / "without", load_places(zones))


def test_coco_results_are_positions(tmp_path: Path, walk: Path) -> None:
    with pytest.raises(ConfigError, match="coco results are positions"):
        annotate(walk, tmp_path / "out.mp4", detector=f"{__name__}:Bright", coco=tmp_path / "coco.json", positions=False)


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, zones: Path) -> None:
    (tmp_path / "found.jsonl").touch()
    with pytest.raises(StreamerError, match="is empty"):
        analyse(tmp_path / "found.jsonl", load_places(zones))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "zones: {door: {polygon: [[0, 0], [400, 0], [400, 200]]}}",
            "door: the point .400, 0. is outside the picture of 320x240",
        ),
        ("zones: {door: {polygon: [[0, 0], [1, 0], [1, 1]], classes: [persn]}}", "door: the detector knows no class 'persn'"),
    ],
)
def test_what_does_not_suit_the_input_is_refused(tmp_path: Path, walk: Path, text: str, words: str) -> None:
    file = tmp_path / "zones.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        annotate(walk, tmp_path / "out.mp4", detector=f"{__name__}:Bright", zones_file=file)
    assert not (tmp_path / "out.mp4").exists()
