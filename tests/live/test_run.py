"""What a run refuses before it opens anything, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config.live import CameraConfig, ProcessOptions, load_run_config
from streamer.detectors.nanodet import NanoDetDetector
from streamer.detectors.outlines import RECORDING_MS
from streamer.errors import ConfigError, OutputRefused, SourceNotFound
from streamer.live.check import check_cameras
from streamer.live.run import load_detector, run_cameras
from tests.media import Clip, frame_times


def test_an_output_under_another_name_of_a_source_is_refused(tmp_path: Path) -> None:
    rec = tmp_path / "rec.mp4"
    rec.write_bytes(b"a recording")
    (tmp_path / "second.jsonl").hardlink_to(rec)
    config = tmp_path / "run.yaml"
    config.write_text(
        "cameras:\n"
        f"  one: {{source: '{rec}'}}\n"
        f"  two: {{source: 'test:', detections: '{tmp_path}/second.jsonl', overwrite: true}}\n"
    )
    settings = load_run_config(config)
    with pytest.raises(OutputRefused, match="is the source of one"):
        check_cameras(settings.resolved(), settings)


def recording(path: Path) -> Path:
    return Clip(seconds=0.4).write(path)


def camera(source: Path | str, **options: object) -> CameraConfig:
    return CameraConfig.model_validate({"source": str(source), **options})


PROCESS = ProcessOptions(detector="tests.fakes:FakeDetector")


@pytest.mark.slow
def test_cameras_run_to_their_end_and_each_fails_alone(tmp_path: Path) -> None:
    good = camera(recording(tmp_path / "in.mp4"), output=tmp_path / "out.mp4")
    assert run_cameras({"good": good}, PROCESS) == 0
    assert len(frame_times(tmp_path / "out.mp4")) == 10
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    cameras = {
        "good": camera(tmp_path / "in.mp4", output=tmp_path / "second.mp4"),
        "bad": camera(recording(tmp_path / "other.mp4"), detections=tmp_path / "no" / "way.jsonl"),
    }
    (tmp_path / "no").write_text("a file where the folder should be")
    assert run_cameras(cameras, PROCESS) == 1
    assert len(frame_times(tmp_path / "second.mp4")) == 10


def test_what_ends_a_single_camera_is_raised(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"none\.mp4"):
        run_cameras({"one": camera(tmp_path / "none.mp4", output=tmp_path / "out.mp4")}, PROCESS, single=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"publish": ["gopher://h/"]}, "cannot publish to gopher"),
        ({"source": "gopher://h/"}, "unknown scheme"),
        ({"output": "there.mp4"}, r"there\.mp4 exists already"),
    ],
)
def test_what_can_be_known_to_be_wrong_is_refused(
    options: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.mp4").touch()
    cameras = {"gate": CameraConfig.model_validate({"source": "test:", **options})}
    with pytest.raises(ConfigError, match=message) as refused:
        check_cameras(cameras, PROCESS)
    assert refused.value.message.startswith("cameras.gate: ")
    with pytest.raises(ConfigError, match=f"^(?!cameras).*{message}"):
        check_cameras(cameras, PROCESS, single=True)


@pytest.mark.slow
def test_a_detector_that_cannot_be_warmed_up_costs_no_picture(tmp_path: Path) -> None:
    cold = ProcessOptions(detector="tests.bright:Cold")
    out = tmp_path / "out.mp4"
    live = camera(recording(tmp_path / "in.mp4"), output=out, live=True, follow=False)
    assert run_cameras({"one": live}, cold) == 0
    assert len(frame_times(out)) == 10


def test_the_only_camera_without_an_output_wants_a_window(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(OutputRefused, match="window"):
        run_cameras({"one": camera(recording(tmp_path / "in.mp4"))}, PROCESS, single=True)


def test_the_built_in_detector_of_cameras_spends_less_time_on_outlines() -> None:
    shared, _ = load_detector(ProcessOptions(detector="nanodet", threads=1), [camera("test:")])
    try:
        assert isinstance(shared.detector, NanoDetDetector)
        assert shared.detector.outlines_ms < RECORDING_MS
    finally:
        shared.close()
