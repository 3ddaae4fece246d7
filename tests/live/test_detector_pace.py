"""How long a detector may be silent, and what is said before its first result."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.detectors.usual_times import UsualTimes
from streamer.live.detector_pace import PATIENT_S, SILENT_S, DetectorPace


def test_a_quick_detector_is_silent_after_five_seconds_and_is_not_spoken_of() -> None:
    pace = DetectorPace(None, cold=True)
    pace.warmed_up(0.05, well=True)
    assert pace.allowed_s(SILENT_S) == 5.0
    assert pace.awaiting(0.9, 1) == ""
    assert pace.awaiting(4.0, 1) == ""
    assert pace.awaiting(6.0, 1) == "no result yet after 6 s"


def test_a_slow_one_gets_its_time_before_its_first_answer_and_after() -> None:
    pace = DetectorPace(None, cold=True)
    assert pace.allowed_s(SILENT_S) == 5 * PATIENT_S, "nobody knows how long the warm-up takes"
    pace.warmed_up(25.0, well=True)
    assert pace.allowed_s(SILENT_S) == 125.0
    pace.answered(20.0)
    assert pace.allowed_s(SILENT_S) == 100.0


@pytest.mark.parametrize(("cameras", "told"), [(1, "in about 63 s"), (3, "in about 103 s")])
def test_what_it_took_the_last_time_says_when_the_first_result_comes(cameras: int, told: str, tmp_path: Path) -> None:
    times = UsualTimes("big", tmp_path / "times.json")
    before = DetectorPace(times, cold=True)
    before.warmed_up(45.0, well=True)
    before.answered(20.0)
    before.answered(90.0)
    pace = DetectorPace(times, cold=True)
    assert pace.awaiting(2.0, cameras) == f"first result {told}"
    assert pace.awaiting(200.0, cameras) == "no result yet after 200 s"
    pace.warmed_up(30.0, well=True)
    assert pace.awaiting(32.0, 1) == "first result in about 18 s"


def test_of_a_large_model_that_was_never_measured_the_usual_figures_are_told() -> None:
    assert DetectorPace(None, cold=True, slow=True).awaiting(5.0, 1) == "first result in about 60 s"


def test_a_warm_up_that_failed_says_nothing_about_the_next(tmp_path: Path) -> None:
    times = UsualTimes("big", tmp_path / "times.json")
    DetectorPace(times, cold=True).warmed_up(45.0, well=False)
    assert times.seconds("warm_up") is None
