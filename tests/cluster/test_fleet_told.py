"""What a fleet tells of its cameras, without a cluster."""

from __future__ import annotations

import io
import logging
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from streamer.cli.tables import print_fleet
from streamer.cluster.fleet import _Fleet, _Run, seen_in_fleet
from streamer.cluster.fleet_head import Place, Seen
from streamer.cluster.head_watch import HeadWatch
from streamer.config.live import CameraConfig, RunOptions
from streamer.detectors.saved_model import first_line
from streamer.errors import ClusterUnavailable
from streamer.live.status import CameraStatus
from streamer.stages import State

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


def test_a_camera_of_which_nothing_is_heard_is_not_shown_as_running() -> None:
    status = CameraStatus(name="gate", source="test:", state=State.RUNNING, state_s=1.0, since_utc_s=1e9)
    lately, before = (Seen("gate", Place("far", "10.0.0.2", 1), 1, heard_s, status) for heard_s in (0.5, 8.0))
    shown = Console(file=io.StringIO(), width=200)
    print_fleet([lately, before], shown)
    _, first, second = shown.file.getvalue().splitlines()  # type: ignore[attr-defined]  # a StringIO
    assert "running" in first
    assert "reconnecting: nothing is heard of it for 8 s; it was on far" in second
    assert [each.as_dict()["status"]["state"] for each in (lately, before)] == ["running", "reconnecting"]


def test_a_fleet_of_another_version_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    head = SimpleNamespace(version=SimpleNamespace(remote=lambda: "0.0.0"))
    ray = SimpleNamespace(
        get_actor=lambda _: head, get=lambda answer, **_: answer, exceptions=SimpleNamespace(RayError=_RayError)
    )
    monkeypatch.setattr("streamer.cluster.fleet.connected", lambda _: nullcontext(ray))
    with pytest.raises(ClusterUnavailable, match=r"the fleet has streamer 0\.0\.0, this is "):
        seen_in_fleet("auto")
