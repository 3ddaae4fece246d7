"""Sixteen bits in place of 32: with TensorFlow itself where the processor can, and made up where it cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamer.config.annotate import load_annotate_config
from streamer.detectors import precision, registry
from streamer.detectors.hub import HubDetector
from streamer.errors import ConfigError, DetectorUnavailable
from tests.detectors import saved_models


class FakeTensorFlow:
    """As much of TensorFlow as is told of the precision."""

    def __init__(self) -> None:
        self.options: dict[str, bool] = {}
        self.config: Any = SimpleNamespace(optimizer=SimpleNamespace(set_experimental_options=self.options.update))


@pytest.mark.parametrize(
    ("wanted", "device", "on"),
    [
        ("full", "CPU", []),
        ("full", "Card 0", []),
        ("mixed", "CPU", ["auto_mixed_precision_onednn_bfloat16"]),
        ("mixed", "Card 0", ["auto_mixed_precision"]),
    ],
)
def test_tensorflow_is_told(wanted: str, device: str, on: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("processor : 0\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor : 1\n")
    monkeypatch.setattr(precision, "_CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setenv("TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_CLEARLIST_REMOVE", "")
    tf = FakeTensorFlow()
    precision.choose(tf, wanted, device)
    assert [name for name, is_on in tf.options.items() if is_on] == on
    assert len(tf.options) == 2
    told = os.environ["TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_CLEARLIST_REMOVE"]
    assert ("TensorListReserve" in told) == (wanted == "mixed")


@pytest.mark.parametrize("flags", ["flags : fpu avx2 avx512f", "", "Features : fp asimd bf16", None])
def test_a_processor_that_gains_nothing_says_so(flags: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(precision, "_CPU_INFO", tmp_path / "cpuinfo")
    with pytest.raises(DetectorUnavailable, match="no instructions for 16 bits"):
        precision.choose(FakeTensorFlow(), "mixed", "CPU")
    precision.choose(FakeTensorFlow(), "mixed", "Card 0")
    precision.choose(FakeTensorFlow(), "full", "CPU")


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The processor passes for one with instructions for 16 bits: without them TensorFlow is slow, and as right."""
    monkeypatch.setattr(precision, "_cpu_flags", lambda: precision.BFLOAT16_FLAGS)
    yield
    precision.choose(__import__("tensorflow"), "full", "CPU")


@pytest.mark.usefixtures("anywhere")
def test_mixed_precision_finds_the_same_and_full_precision_comes_back(tmp_path: Path) -> None:
    folder = saved_models.save_two_stage(tmp_path / "two-stage")
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    full = HubDetector(str(folder), score_threshold=0.0).detect(picture)
    detector = HubDetector(str(folder), score_threshold=0.0, precision="mixed")
    assert "mixed precision" in detector.device_told
    mixed = detector.detect(picture)
    for box, score, class_id in zip(full.boxes_xyxy[:20], full.scores[:20], full.class_ids[:20], strict=True):
        near = (np.abs(mixed.boxes_xyxy - box).max(axis=1) < 2.0) & (mixed.class_ids == class_id)
        assert np.abs(mixed.scores[near] - score).min(initial=1.0) < 0.05
    assert not np.array_equal(mixed.scores, full.scores)
    again = HubDetector(str(folder), score_threshold=0.0).detect(picture)
    assert again.masks is not None
    assert full.masks is not None
    assert np.array_equal(again.masks, full.masks)


def test_other_detectors_have_a_precision_of_their_own() -> None:
    for refused in (
        lambda: registry.load_detector("nanodet", score_threshold=0.5, precision="mixed"),
        lambda: registry.check_detector("nanodet", precision="mixed"),
    ):
        with pytest.raises(ConfigError, match="the detector nanodet has a precision of its own"):
            refused()
    with pytest.raises(ConfigError, match="there is no precision 'half'"):
        registry.check_detector("nanodet", precision="half")


def test_precision_in_settings() -> None:
    assert load_annotate_config(None, {"input": "in.mp4"}).precision == "full"
    assert load_annotate_config(None, {"input": "in.mp4", "precision": "mixed"}).precision == "mixed"
    with pytest.raises(ConfigError, match="precision"):
        load_annotate_config(None, {"input": "in.mp4", "precision": "half"})
