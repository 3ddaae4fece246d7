"""How far long work has come, and what is left of it when it is ended in the middle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.analysis.places import Places
from streamer.comparison.comparing import compare
from streamer.datasets.export import FORMATS, export
from streamer.datasets.importing import import_annotations
from streamer.stored_analysis import analyse
from tests.datasets.test_export import OF_A_VIDEO, write_records

Told = Callable[[float], None]
WITHOUT_VIDEO = sorted(FORMATS.keys() - OF_A_VIDEO)


def end_in_the_middle(share: float) -> None:
    """As Ctrl-C does."""
    if share > 0.5:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "work",
    [
        lambda records, told: export(records, records.parent / "new", "coco", on_progress=told),
        lambda records, told: import_annotations(
            records.parent / "coco" / "annotations.json", records, records.parent / "new", "coco", on_progress=told
        ),
        lambda records, told: compare(records, records, on_progress=told),
        lambda records, told: analyse(records, Places((), ()), on_progress=told),
    ],
    ids=["export", "import", "compare", "analyse"],
)
def test_progress_grows_to_the_whole(tmp_path: Path, work: Callable[[Path, Told], object]) -> None:
    records = write_records(tmp_path / "found.jsonl")
    export(records, tmp_path / "coco", "coco")
    told: list[float] = []
    work(records, told.append)
    assert len(told) >= 7
    assert told == sorted(told)
    assert told[0] > 0
    assert told[-1] == 1


@pytest.mark.parametrize("to", WITHOUT_VIDEO)
def test_an_export_that_is_ended_leaves_nothing(tmp_path: Path, to: str) -> None:
    records = write_records(tmp_path / "found.jsonl")
    with pytest.raises(KeyboardInterrupt):
        export(records, tmp_path / "dataset", to, on_progress=end_in_the_middle)
    assert list(tmp_path.iterdir()) == [records]


def test_an_import_that_is_ended_leaves_what_was_there(tmp_path: Path) -> None:
    records = write_records(tmp_path / "found.jsonl")
    export(records, tmp_path / "coco", "coco")
    back = tmp_path / "back.jsonl"
    back.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        import_annotations(
            tmp_path / "coco" / "annotations.json", records, back, "coco", overwrite=True, on_progress=end_in_the_middle
        )
    assert back.read_text() == "before"
    assert sorted(tmp_path.iterdir()) == [back, tmp_path / "coco", records]
