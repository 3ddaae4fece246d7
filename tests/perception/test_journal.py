"""What a detector has found is asked for once, wherever a kill has torn the file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.annotation import annotate_with
from streamer.config.annotate import AnnotateConfig
from streamer.detectors.plugin import PluginDetector
from streamer.instances import Instances
from streamer.perception import journal as journal_module
from streamer.perception.journal import DetectionJournal
from tests.media import Clip

FRAMES = 10
CHUNK = 4


class Ageing:
    """Finds one object, whose size and score depend on how many pictures it has seen since it was told to forget."""

    labels: Mapping[int, str] = {1: "light"}

    def __init__(self) -> None:
        self.seen = 0
        self.calls = 0

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        self.seen += 1
        self.calls += 1
        height, width = image.shape[:2]
        box = np.array([[2, 2, width / 2 + self.seen, height / 2 + self.seen]], np.float32)
        masks = np.full((1, 8, 8), 0.6, np.float32)
        return Instances(
            boxes_xyxy=box, scores=np.array([1 - self.seen / 100], np.float32), class_ids=np.array([1]), masks=masks
        )

    def forget(self) -> None:
        self.seen = 0


class Run:
    """Annotates one clip with a journal, as often as asked; the detectors are new each time."""

    def __init__(self, folder: Path, *, copies: int, **settings: object) -> None:
        Clip(size="64x48", seconds=FRAMES / 25).write(folder / "in.mp4")
        self.path = folder / "journals" / "journal"
        self._copies = copies
        self._config = AnnotateConfig.model_validate(
            {
                "input": str(folder / "in.mp4"),
                "output": folder / "out.mp4",
                "detections": folder / "out.jsonl",
                "detector": "tests.bright:Bright",
                "overwrite": True,
                **settings,
            }
        )

    def __call__(self, about: str = "same") -> tuple[str, int]:
        """A digest of picture and records, and how often the detector was called."""
        plugins = [Ageing() for _ in range(self._copies)]
        detectors = [PluginDetector(plugin, "ageing") for plugin in plugins]
        journal = DetectionJournal(self.path, {"about": about}, detectors)
        try:
            annotate_with(self._config, detectors=detectors, detect=journal.detect)
        finally:
            journal.close()
        assert self._config.output is not None
        assert self._config.detections is not None
        content = self._config.output.read_bytes() + self._config.detections.read_bytes()
        return hashlib.sha256(content).hexdigest(), sum(plugin.calls for plugin in plugins)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "CHUNK", CHUNK)


@pytest.mark.parametrize(
    ("copies", "settings"),
    [(1, {}), (2, {}), (1, {"track": True}), (1, {"inference_interval": 3}), (1, {"inference_interval": "auto"})],
    ids=["every frame", "two copies", "tracked", "interval", "auto"],
)
def test_a_run_that_goes_on_writes_the_same_files(tmp_path: Path, copies: int, settings: dict[str, object]) -> None:
    run = Run(tmp_path, copies=copies, **settings)
    whole, calls = run()
    content = run.path.read_bytes()
    saved = 0
    for length in np.linspace(0, len(content), 5).astype(int).tolist():
        run.path.write_bytes(content[:length])
        again, fewer = run()
        assert again == whole, length
        assert fewer <= calls
        saved = max(saved, calls - fewer)
    assert saved > 0


def test_a_torn_or_altered_entry_and_what_follows_it_are_dropped(tmp_path: Path) -> None:
    run = Run(tmp_path, copies=1)
    whole, _ = run()
    content = bytearray(run.path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    run.path.write_bytes(content)
    assert run()[0] == whole


def test_answers_of_other_settings_are_not_taken(tmp_path: Path) -> None:
    run = Run(tmp_path, copies=1)
    assert run("one")[1] == FRAMES
    assert run("one")[1] < FRAMES
    assert run("two")[1] == FRAMES


def test_a_journal_without_an_answer_is_not_left(tmp_path: Path) -> None:
    DetectionJournal(tmp_path / "journal", {}, []).close()
    assert not (tmp_path / "journal").exists()


def test_a_journal_belongs_to_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = DetectionJournal(path, {}, [])
    with pytest.raises(BlockingIOError):
        DetectionJournal(path, {}, [])
    first.close()
    DetectionJournal(path, {}, []).close()
