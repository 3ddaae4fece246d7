"""What is recorded of a source: its packets, or the drawn picture."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from streamer.config.live import CameraConfig
from streamer.errors import ConfigError
from streamer.live.recordable import recordable
from tests.sources.broadcast import clip, send, serving

RTSP = "rtsp://192.0.2.1/1"


def made(source: str, **more: object) -> CameraConfig:
    return CameraConfig.model_validate({"source": source, "record": "files", **more})


def finite(request: BaseHTTPRequestHandler) -> None:
    send(request, clip(25, container="mp4"), "video/mp4", length=True)


@pytest.mark.parametrize("source", ["0", "test:", "lavfi:testsrc2"])
def test_raw_pictures_are_recorded_as_they_are_drawn(source: str, caplog: pytest.LogCaptureFixture) -> None:
    changed = recordable({"gate": made(source)})["gate"]
    assert (changed.record, changed.record_annotated) == (None, Path("files"))
    assert not changed.only_copied
    assert "gate sends no packets that could be kept" in caplog.text


def test_packets_of_a_network_camera_are_recorded_and_nothing_else_needs_a_detector() -> None:
    camera = made(RTSP)
    assert recordable({"gate": camera})["gate"] is camera
    assert camera.only_copied
    assert not camera.model_copy(update={"show": True}).only_copied


def test_a_file_on_a_web_server_is_no_camera(caplog: pytest.LogCaptureFixture) -> None:
    with serving(finite) as url:
        changed = recordable({"gate": made(f"{url}/clip.mp4")})["gate"]
        assert (changed.record, changed.record_annotated) == (None, Path("files"))
        assert "gate is a recording, which has an end" in caplog.text
        as_camera = made(f"{url}/clip.mp4", live=True)
        assert recordable({"gate": as_camera})["gate"] is as_camera
        with pytest.raises(ConfigError, match="record keeps what a camera sends"):
            recordable({"gate": made(RTSP, record_source=f"{url}/clip.mp4")})


def test_a_web_server_that_is_away_may_have_a_camera() -> None:
    camera = made("http://127.0.0.1:9/camera")
    assert recordable({"gate": camera})["gate"] is camera
