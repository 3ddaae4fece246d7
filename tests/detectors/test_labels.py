"""COCO's names, and models whose ids are others."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.detectors.label_file import read_labels
from streamer.detectors.labels import COCO, NAMED, misfit


def test_coco_has_80_names_with_the_known_holes() -> None:
    assert len(COCO) == 80
    assert set(range(1, 91)) - set(COCO) == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert (COCO[1], COCO[13], COCO[44], COCO[62], COCO[90]) == ("person", "stop sign", "bottle", "chair", "toothbrush")
    assert len(set(COCO.values())) == 80


@pytest.mark.parametrize(
    ("name", "first", "last"), [("coco", 1, 90), ("coco-from-0", 0, 89), ("coco80", 0, 79), ("coco80-from-1", 1, 80)]
)
def test_the_other_numberings_name_the_same_classes(name: str, first: int, last: int, tmp_path: Path) -> None:
    labels = read_labels(Path(name))
    assert (min(labels), max(labels)) == (first, last)
    assert list(labels.values()) == list(COCO.values())
    (tmp_path / name).write_text("1 mine")
    assert read_labels(tmp_path / name) == {1: "mine"}, "a file of that name goes before"


@pytest.mark.parametrize(
    ("seen", "labels", "words"),
    [
        ({1, 90}, COCO, ""),
        (
            {0, 3},
            COCO,
            "class 0 has no name: its ids begin at 0, the labels' at 1; give --labels coco-from-0 or coco80",
        ),
        ({0, 11, 79}, COCO, "the labels' at 1; give --labels coco80"),
        ({0, 80}, COCO, "the labels' at 1; give --labels coco-from-0"),
        (
            {12},
            COCO,
            "class 12 has no name: it numbers COCO's classes in another way than the labels; give --labels coco-from-0",
        ),
        ({80, 12, 1}, COCO, "in another way than the labels; give --labels coco-from-0 or coco80-from-1"),
        (
            {0, 90},
            COCO,
            "class 0 has no name: its ids begin at 0, the labels' at 1; give --labels FILE with lines from",
        ),
        (
            {1, 601},
            COCO,
            "class 601 has no name: it knows other classes than COCO's (1 to 90); name them by --labels FILE",
        ),
        ({0, 5}, NAMED["coco80-from-1"], "give --labels coco-from-0 or coco80"),
        ({1, 90}, NAMED["coco80-from-1"], "give --labels coco"),
        ({0, 1}, {1: "ball", 2: "bat"}, 'the labels\' at 1; give --labels FILE with lines from "0 NAME" on'),
        ({3}, {1: "ball", 2: "bat"}, "class 3 has no name: it knows other classes than the labels (1 to 2)"),
        ({-1, 1}, COCO, "class -1 has no name: it knows other classes than COCO's"),
    ],
)
def test_ids_that_do_not_fit_are_told_with_the_option_that_mends_it(seen: set[int], labels: dict[int, str], words: str) -> None:
    told = misfit(seen, labels)
    assert words in told
    assert bool(told) == bool(words)
    assert "\n" not in told
