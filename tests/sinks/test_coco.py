"""COCO results, judged by pycocotools."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from streamer.errors import OutputRefused, OutputWriteFailed
from streamer.instances import Instances
from streamer.sinks.coco import CocoResults
from tests import strategies
from tests.fakes import INFO, annotated, person_and_car
from tests.sinks.test_records import largest_file


def ground_truth() -> COCO:
    """Three frames: the person and the car of ``person_and_car`` in the first and the last."""
    truth = COCO()
    boxes = {1: [10, 8, 10, 20], 3: [30, 0, 34, 20]}
    truth.dataset = {
        "info": {},
        "images": [{"id": index, "width": 64, "height": 48} for index in range(3)],
        "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
        "annotations": [
            {
                "id": 10 * index + category,
                "image_id": index,
                "category_id": category,
                "bbox": [x, y, w, h],
                "area": w * h,
                "iscrowd": 0,
                "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
            }
            for index in (0, 2)
            for category, (x, y, w, h) in boxes.items()
        ],
    }
    truth.createIndex()
    return truth


def written(path: Path, *found: Instances) -> list[dict[str, Any]]:
    sink = CocoResults(path, INFO)
    for index, instances in enumerate(found):
        sink.write(annotated(index, instances))
    sink.finish()
    results: list[dict[str, Any]] = json.loads(path.read_text())
    return results


@pytest.mark.parametrize("first", [0, 1], ids=["with a mask first", "without a mask first"])
@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")  # pycocotools
def test_pycocotools_loads_and_evaluates_it(tmp_path: Path, first: int, kind: str) -> None:
    found = person_and_car()[[first, 1 - first]]
    path = tmp_path / "found.json"
    assert len(written(path, found, Instances.empty(), found)) == 4
    truth = ground_truth()
    evaluation = COCOeval(truth, truth.loadRes(str(path)), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[1] == pytest.approx(1.0), "average precision at IoU 0.5"


def test_what_a_result_says(tmp_path: Path) -> None:
    person, car = written(tmp_path / "found.json", person_and_car())
    full = np.zeros((48, 64), np.uint8, order="F")
    full[8:28, 10:20] = 1
    assert person == {
        "image_id": 0,
        "category_id": 1,
        "bbox": [10.0, 8.0, 10.0, 20.0],
        "score": 0.98764,
        "segmentation": {"size": [48, 64], "counts": coco_mask.encode(full)["counts"].decode()},
    }
    assert car == {"image_id": 0, "category_id": 3, "bbox": [30.13, 0.0, 33.87, 20.0], "score": 0.5}


def test_nothing_found_is_an_empty_list(tmp_path: Path) -> None:
    assert written(tmp_path / "found.json", Instances.empty()) == []


def test_the_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    sink = CocoResults(path, INFO)
    sink.write(annotated(0, person_and_car()))
    assert not path.exists()
    (partial,) = tmp_path.iterdir()
    assert partial.name.startswith(".found.partial-")
    sink.abandon()
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_results(tmp_path: Path) -> None:
    sink = CocoResults(tmp_path / "found.json", INFO)
    for index in range(500):
        sink.write(annotated(index, person_and_car()))
    (partial,) = tmp_path.iterdir()
    assert partial.stat().st_size > 50_000, "results have to reach the disk while they come"
    sink.abandon()


def test_an_existing_file_is_refused_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text("precious")
    with pytest.raises(OutputRefused, match=r"exists; .*--overwrite"):
        CocoResults(path, INFO)
    sink = CocoResults(path, INFO, overwrite=True)
    sink.write(annotated(0, person_and_car()))
    assert path.read_text() == "precious"
    sink.finish()
    assert len(json.loads(path.read_text())) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    sink = CocoResults(path, INFO)
    sink.write(annotated(0, person_and_car()))
    path.write_text("precious")
    with pytest.raises(OutputRefused, match=r"found\.incomplete\.json"):
        sink.finish()
    sink.abandon()
    assert path.read_text() == "precious"
    assert len(json.loads((tmp_path / "found.incomplete.json").read_text())) == 2
    assert len(list(tmp_path.iterdir())) == 2


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="make it first"):
        CocoResults(tmp_path / "missing" / "found.json", INFO)
    with pytest.raises(OutputRefused, match="is a folder"):
        CocoResults(tmp_path, INFO, overwrite=True)


def test_a_full_disk_fails_and_leaves_nothing(tmp_path: Path) -> None:
    sink = CocoResults(tmp_path / "found.json", INFO)
    sink.write(annotated(0, person_and_car()))
    with largest_file(10), pytest.raises(OutputWriteFailed, match="File too large; make room"):
        sink.finish()
    with largest_file(10):
        sink.abandon()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@settings(deadline=None)
@given(st.data(), strategies.sizes())
def test_nothing_that_a_detector_says_breaks_them(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, size: tuple[int, int]
) -> None:
    width, height = size
    found = data.draw(strategies.shown(*size))
    path = tmp_path_factory.mktemp("coco") / "found.json"
    sink = CocoResults(path, replace(INFO, width=width, height=height))
    sink.write(annotated(0, found))
    sink.finish()
    for result in json.loads(path.read_text()):
        left, top, w, h = result["bbox"]
        assert 0 <= left <= left + w <= width + 0.01
        assert 0 <= top <= top + h <= height + 0.01
        assert 0 <= result["score"] <= 1
