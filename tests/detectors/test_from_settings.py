"""The detector of the settings, once or in copies that work side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config.annotate import AnnotateConfig
from streamer.detectors.from_settings import DEFAULT_SCORE, least_score, load_copies, score_threshold
from streamer.detectors.registry import BUILT_IN


def config(**settings: object) -> AnnotateConfig:
    return AnnotateConfig.model_validate({"input": "in.mp4", "output": "out.mp4", **settings})


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_networks_work_side_by_side_on_one_thread_each(name: str) -> None:
    copies = load_copies(config(detector=name, threads=2), 0.5)
    assert [(copy.name, getattr(copy, "device", None)) for copy in copies] == [(name, "CPU, 1 thread")] * 2
    for copy in copies:
        copy.close()


def test_other_detectors_come_alone() -> None:
    [alone] = load_copies(config(detector="tests.bright:Bright", threads=2), 0.5)
    alone.close()


def test_the_threshold_is_the_users_or_the_usual_one_of_the_detector() -> None:
    assert set(DEFAULT_SCORE) == set(BUILT_IN)
    assert score_threshold(config(), "nanodet:large") == DEFAULT_SCORE["nanodet:large"]
    assert score_threshold(config(), "mask-rcnn") == 0.5
    assert score_threshold(config(score_threshold=0.7), "nanodet") == 0.7
    assert least_score(config(score_threshold=0.7), "nanodet", tracked=True) == 0.35


def test_the_page_of_options_names_the_usual_thresholds() -> None:
    page = (Path(__file__).parents[2] / "docs" / "options.md").read_text(encoding="utf-8")
    assert f"{DEFAULT_SCORE['nanodet']} for nanodet, else 0.5" in page
