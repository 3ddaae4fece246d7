from __future__ import annotations

from typing import Any

import pytest
import yaml

from benchmarks.counting import COUNTED, compared, told_by, truth_of
from benchmarks.measure import SAMPLES
from streamer.config.zones import load_places


def test_each_true_event_is_told_once() -> None:
    truth = [("line a, in", 1.0), ("line a, in", 1.4), ("line a, out", 3.0), ("zone b, entry", 5.0)]
    told = [("line a, in", 1.5), ("line a, in", 1.1), ("line a, in", 1.2), ("zone b, entry", 8.0)]
    errors, missed, wrong = compared(truth, told)
    assert errors == pytest.approx([0.1, 0.1])
    assert missed == [("line a, out", 3.0), ("zone b, entry", 5.0)]
    assert wrong == [("line a, in", 1.2), ("zone b, entry", 8.0)]


def test_records_and_truth_use_the_same_words() -> None:
    counted = {"crossings": {"a": {"in": [1.0], "out": []}}, "stays": {"b": [[2.0, 3.0]]}}
    lines: list[dict[str, Any]] = [
        {
            "type": "frame",
            "crossings": [{"line": "a", "direction": "in", "time_s": 1.0}],
            "entries": [{"zone": "b", "time_s": 2.0}],
        },
        {"type": "frame", "exits": [{"zone": "b", "time_s": 3.0}]},
        {"type": "end", "zones": {}, "lines": {}},
    ]
    assert truth_of(counted) == told_by(lines)


def test_what_was_counted_by_hand_is_of_places_and_clips_that_are_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    for sample, counted in yaml.safe_load(COUNTED.read_text()).items():
        assert (SAMPLES / sample).exists()
        file = tmp_path_factory.mktemp("places") / "places.yaml"
        file.write_text(yaml.safe_dump({kind: counted[kind] for kind in ("zones", "lines") if kind in counted}))
        places = load_places(file)
        assert {line.name for line in places.lines} == set(counted["crossings"])
        assert {zone.name for zone in places.zones} == set(counted["stays"])
