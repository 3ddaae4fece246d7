"""What a fleet tells of its cameras, without a cluster."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from streamer.cluster.fleet import _Fleet, _Run
from streamer.cluster.head_watch import HeadWatch
from streamer.config.live import CameraConfig, RunOptions
from streamer.detectors.saved_model import first_line

_LONG = "x" * 280 + " rtsp://admin:hunter2secret@10.0.0.7/live"


class _RayError(Exception):
    pass


def _raise(_: object) -> Any:
    raise _RayError(_LONG)


def test_a_long_error_that_is_cut_shows_no_half_of_a_password(caplog: pytest.LogCaptureFixture) -> None:
    ray = SimpleNamespace(
        wait=lambda results, **_: (results, []),
        get=_raise,
        kill=lambda _: None,
        exceptions=SimpleNamespace(RayError=_RayError),
    )
    with HeadWatch(SimpleNamespace(nodes=list), "") as watch, caplog.at_level(logging.ERROR):
        fleet = _Fleet(ray, watch, {"gate": CameraConfig(source="rtsp://10.0.0.7/live")}, RunOptions(), None)
        fleet._runs["gate"] = _Run("actor", "result")
        fleet._hear(0.0)
    assert "cannot begin" in caplog.text
    assert "hunter" not in caplog.text
    assert "hunter" not in first_line(ValueError(_LONG))
