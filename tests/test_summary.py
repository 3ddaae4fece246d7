"""The figures at the end of a run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from streamer.stats import Stats
from streamer.summary import Summary
from tests.fakes import INFO, LABELS


def a_run() -> Stats:
    stats = Stats(started_at=10.0, ended_at=14.0, frames_in=102, frames_out=100, damaged_frames=3)
    stats.dropped = Counter({"stale": 2, "queue_full": 0})
    stats.instances = Counter({3: 5, 1: 40, 77: 1})
    for _ in range(100):
        stats.latencies["decode"].add(0.002)
        stats.latencies["inference"].add(0.03)
    return stats


def summary(**more: object) -> Summary:
    return Summary.of(a_run(), LABELS, INFO, now=999.0, **more)  # type: ignore[arg-type]  # the tests name known keywords


def test_the_figures() -> None:
    of = summary(files=[Path("out.mp4"), "found.jsonl"], notes=["no subtitles"], damaged_packets=4)
    assert (of.frames_in, of.frames_out, of.dropped) == (102, 100, {"stale": 2})
    assert (of.damaged_frames, of.damaged_packets) == (3, 4)
    assert (of.seconds, of.fps) == (4.0, 25.0)
    assert list(of.instances.items()) == [("person", 40), ("car", 5), ("class 77", 1)]
    assert list(of.latencies) == ["decode_latency", "inference_latency"]
    assert of.latencies["inference_latency"].median_s == pytest.approx(0.03, rel=0.01)
    assert of.latencies["inference_latency"].p95_s == pytest.approx(0.03, rel=0.01)
    assert of.files == ("out.mp4", "found.jsonl")
    assert not of.interrupted


def test_a_run_that_goes_on_and_one_that_took_no_time() -> None:
    assert Summary.of(Stats(started_at=5.0, frames_out=10), LABELS, INFO, now=7.0).fps == 5.0
    assert Summary.of(Stats(started_at=5.0), LABELS, INFO, now=5.0).fps == 0.0


def test_as_json() -> None:
    plain = json.loads(json.dumps(summary(files=["out.mp4"]).as_dict()))
    assert plain["dropped"] == {"stale": 2}
    assert plain["instances"] == {"person": 40, "car": 5, "class 77": 1}
    assert set(plain["latencies"]["decode_latency"]) == {"median_s", "p95_s"}
    assert plain["files"] == ["out.mp4"]
    assert plain["source"] == "in.mp4"
