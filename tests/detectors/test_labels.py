"""COCO's names and label files."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.detectors.labels import COCO, read_labels
from streamer.errors import ConfigError


def test_coco_has_80_names_with_the_known_holes() -> None:
    assert len(COCO) == 80
    assert set(range(1, 91)) - set(COCO) == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert (COCO[1], COCO[13], COCO[44], COCO[62], COCO[90]) == ("person", "stop sign", "bottle", "chair", "toothbrush")
    assert len(set(COCO.values())) == 80


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("ball\nbat\n", {1: "ball", 2: "bat"}),
        ("ball\n\nbat\n", {1: "ball", 3: "bat"}),
        ("3 ball\n7: base bat\n\n", {3: "ball", 7: "base bat"}),
        ('\ufeff{"1": "ball", "44": "Größe"}', {1: "ball", 44: "Größe"}),
    ],
)
def test_reads_names(tmp_path: Path, text: str, labels: dict[int, str]) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text, encoding="utf-8")
    assert read_labels(path) == labels


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no names"),
        (b"{}", "holds no names"),
        (b'{"one": "ball"}', "is not understood"),
        (b'{"1": ', "is not understood"),
        (b"1 ball\nbat\n", "'bat' has no number"),
        (b"\xff\xfe\x00", "no UTF-8"),
    ],
)
def test_refuses_what_it_cannot_read(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        read_labels(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.txt cannot be read: No such file"):
        read_labels(tmp_path / "none.txt")
