"""What the commands print on stdout."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.cli.tables import print_check, print_models, print_probe
from streamer.detectors.catalog import known_models
from streamer.detectors.check import CheckReport
from streamer.sources.probe import probe
from tests.media import Clip


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def test_a_probe_shows_what_matters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = Clip(rate="30000/1001", audio=("-c:a", "aac"), output=("-metadata", "title=Night [1]")).write(tmp_path / "clip.mp4")
    print_probe(probe(str(clip)))
    shown = capsys.readouterr().out
    for words in (
        "h264",
        "160x120 yuv420p",
        "declared 30000/1001",
        "measured 29.97",
        "constant",
        "aac",
        "48000 Hz",
        "Night [1]",
    ):
        assert words in shown


def test_a_variable_rate_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = Clip(filters="select=not(eq(mod(n\\,5)\\,2))", output=("-fps_mode", "vfr")).write(tmp_path / "vfr.mp4")
    print_probe(probe(str(clip)))
    assert "variable, 40.0 to 80.0 ms apart" in capsys.readouterr().out


def test_the_models_and_where_they_lie(capsys: pytest.CaptureFixture[str]) -> None:
    print_models(known_models())
    shown = capsys.readouterr().out
    for words in ("nanodet", "mask-rcnn", "hub:HANDLE", "package.module:Class", "lies in"):
        assert words in shown


def test_a_check_shows_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    report = CheckReport(
        name="mine", device="CPU", input_size=(64, 32), contract={"boxes": "float32 [N, 4]"}, labels=3, family="",
        warm_up_s=0.5, ms_per_frame=12.34, frames=5,
        peak_memory_bytes=123_000_000, ms_by_masks={0: 9.04, 5: 10.0},
    )  # fmt: skip
    print_check(report)
    shown = capsys.readouterr().out
    for words in (
        "mine",
        "boxes",
        "float32 [N, 4]",
        "12.3 ms",
        "64x32",
        "123 MB",
        "9.0 ms with boxes alone",
        "10.0 ms with the masks of 5",
    ):
        assert words in shown
