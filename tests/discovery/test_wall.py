from __future__ import annotations

import signal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streamer.config.live import CameraConfig, load_run_config
from streamer.discovery.answers import plain
from streamer.discovery.cameras import FoundCamera, Profile
from streamer.discovery.wall import configuration
from streamer.errors import SourceUnavailable
from tests.live.test_end_to_end import Process
from tests.rtsp import PASSWORD, USER, StartServer, rtsp_server
from tests.waiting import wait_until

__all__ = ["rtsp_server"]

ENVIRON = {"CAMERA_PASSWORD": "s3cret/pw@$"}


def profile(width: int, *, source: str = "", codec: str = "H264", address: str | None = "rtsp://192.0.2.7:554/{}") -> Profile:
    height = width * 9 // 16
    return Profile(f"p{width}", codec, width, height, 25.0, source, address and address.format(width))


def found(*profiles: Profile, name: str = "Gate", host: str = "192.0.2.7") -> FoundCamera:
    return FoundCamera(name, "M1", host, f"http://{host}/onvif/device_service", profiles)


def loaded(text: str, folder: Path) -> dict[str, CameraConfig]:
    path = folder / "wall.yaml"
    path.write_text(text, encoding="utf-8")
    return load_run_config(path, {}, environ=ENVIRON).resolved()


def test_the_large_picture_is_recorded_and_the_small_one_looked_at(tmp_path: Path) -> None:
    text = configuration([found(profile(1920), profile(640), profile(160))], "viewer", "CAMERA_PASSWORD")
    assert ENVIRON["CAMERA_PASSWORD"] not in text
    camera = loaded(text, tmp_path)["Gate"]
    assert camera.source == "rtsp://viewer:s3cret%2Fpw%40$@192.0.2.7:554/640"
    assert camera.record_source == "rtsp://viewer:s3cret%2Fpw%40$@192.0.2.7:554/1920"
    assert camera.record == Path("recordings")
    assert camera.events == Path("events")
    assert "person" in (camera.event_classes or ())


@pytest.mark.slow
def test_what_is_written_runs(tmp_path: Path, rtsp_server: StartServer) -> None:
    small, large = (rtsp_server("--size", size, auth="digest") for size in ("320x180", "640x360"))
    profiles = [profile(320, address=small.url()), profile(640, address=large.url())]
    text = configuration([found(*profiles)], USER, "CAMERA_PASSWORD")
    (tmp_path / "wall.yaml").write_text("metrics: 0\n" + text, encoding="utf-8")

    class Started(Process):
        cwd = tmp_path

    process = Started(tmp_path, "run", "wall.yaml", CAMERA_PASSWORD=PASSWORD)
    try:
        wait_until(lambda: process.cameras()["Gate"]["detections"] > 0, 60)
        wait_until(lambda: list((tmp_path / "recordings").glob("Gate-*")), 60)
        process.process.send_signal(signal.SIGINT)
        assert process.wait() == 130, process.log
    finally:
        process.end()
    assert (tmp_path / "records" / "Gate.jsonl").stat().st_size > 0
    assert (tmp_path / "events" / "events.db").exists()
    assert PASSWORD not in process.log


def test_a_camera_with_one_stream_needs_no_other(tmp_path: Path) -> None:
    camera = loaded(configuration([found(profile(1920))], "viewer", "CAMERA_PASSWORD"), tmp_path)["Gate"]
    assert camera.source.endswith("/1920")
    assert camera.record_source is None


def test_of_two_of_one_size_jpeg_is_not_the_one_to_record(tmp_path: Path) -> None:
    profiles = [profile(1920, address="rtsp://192.0.2.7/h264"), profile(1920, codec="JPEG", address="rtsp://192.0.2.7/jpeg")]
    for order in (profiles, profiles[::-1]):
        text = configuration([found(*order)], "viewer", "CAMERA_PASSWORD")
        assert (loaded(text, tmp_path)["Gate"].record_source or "").endswith("/h264")


def test_each_picture_of_a_recorder_is_a_camera(tmp_path: Path) -> None:
    recorder = found(profile(1920, source="a"), profile(1280, source="b"), profile(640, source="a"), profile(320, source="b"))
    cameras = loaded(configuration([recorder], "viewer", "CAMERA_PASSWORD"), tmp_path)
    widths = {name: [c.source[-4:], (c.record_source or "")[-4:]] for name, c in cameras.items()}
    assert widths == {"Gate": ["/640", "1920"], "Gate-2": ["/320", "1280"]}


def test_one_without_streams_stands_there_as_a_comment(tmp_path: Path) -> None:
    silent = FoundCamera("Yard", "", "192.0.2.8", "http://192.0.2.8/", problem="user or password refused")
    text = configuration([silent, found(profile(640))], "viewer", "CAMERA_PASSWORD")
    assert "# Yard at 192.0.2.8: user or password refused" in text
    assert list(loaded(text, tmp_path)) == ["Gate"]
    with pytest.raises(SourceUnavailable, match="nothing to write"):
        configuration([silent], "viewer", "CAMERA_PASSWORD")


@given(
    names=st.lists(st.text(max_size=80).map(plain), min_size=1, max_size=4),
    user=st.text(st.characters(codec="utf-8"), min_size=1).filter(str.isprintable),
    path=st.text(st.characters(min_codepoint=33, max_codepoint=126)),
)
def test_whatever_they_are_called_the_file_loads(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], user: str, path: str
) -> None:
    cameras = [found(profile(640, address=f"rtsp://192.0.2.7/{path.replace('{', '').replace('}', '')}"), name=n) for n in names]
    text = configuration(cameras, user, "CAMERA_PASSWORD")
    assert len(yaml.safe_load(text)["cameras"]) == len(names)
    assert len(loaded(text, tmp_path_factory.mktemp("wall"))) == len(names)
