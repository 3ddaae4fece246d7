"""The HTTP side door, asked over real sockets."""

from __future__ import annotations

import json
import math
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from streamer.errors import ConfigError
from streamer.events.delivery import DeliveryStatus
from streamer.live.service import Deliveries, health, service
from streamer.live.status import CameraStatus
from streamer.stages import OutputStatus, State
from streamer.web.server import WebServer
from streamer.web.service import service_app


def camera(name: str, state: State = State.RUNNING, **more: Any) -> CameraStatus:
    return CameraStatus(name=name, source="rtsp://u:***@192.0.2.7/", state=state, state_s=7.0, since_utc_s=1.0, **more)


def served(address: str, cameras: Callable[[], Sequence[CameraStatus]], deliveries: Deliveries = dict) -> WebServer:
    told = service(cameras, deliveries)
    return WebServer(address, lambda: service_app(told), what="metrics")


def get(url: str, **headers: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers["Content-Type"], answer.read().decode()


def test_healthz_says_which_source_is_not_healthy_and_why() -> None:
    cameras = [camera("gate"), camera("door")]
    with served("0", lambda: cameras) as server:
        assert server.host == "127.0.0.1"
        status, kind, text = get(f"{server.url}/healthz")
        assert (status, kind) == (200, "application/json")
        assert json.loads(text) == {"status": "ok", "sources": 2, "unhealthy": [], "undelivered": []}
        cameras[1] = camera("door", State.RECONNECTING, reason="refused")
        status, _, text = get(f"{server.url}/healthz")
        assert status == 503
        assert json.loads(text) == {
            "status": "degraded",
            "sources": 2,
            "unhealthy": [
                {
                    "source": "door",
                    "state": "reconnecting",
                    "since": "1970-01-01T00:00:01.000Z",
                    "seconds": 7.0,
                    "reasons": ["reconnecting: refused"],
                }
            ],
            "undelivered": [],
        }


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"stuck": "inference"}, "stuck in inference"),
        ({"detector_error": "the detector failed: RuntimeError: broken"}, "the detector failed: RuntimeError: broken"),
        ({"errors": ("rendering failed: IndexError: 7",)}, "rendering failed: IndexError: 7"),
        ({"damaged_share": 0.11}, "11% of the frames are damaged"),
        (
            {"outputs": (OutputStatus(name="record rec", state=State.RECONNECTING, error="the folder is gone"),)},
            "record rec: reconnecting: the folder is gone",
        ),
        ({"outputs": (OutputStatus(name="file o.mp4", state=State.FAILED),)}, "file o.mp4: failed"),
        ({"outputs": (OutputStatus(name="rtsp://h/", state=State.STARTING, error="refused"),)}, "rtsp://h/: refused"),
    ],
)
def test_a_source_that_runs_is_healthy_only_if_everything_of_it_works(wrong: dict[str, Any], reason: str) -> None:
    status, answer = health([camera("gate"), camera("door", **wrong)], {})
    assert status == 503
    assert answer["status"] == "degraded"
    assert [(one["source"], one["reasons"]) for one in answer["unhealthy"]] == [("door", [reason])]


def test_a_few_damaged_frames_and_outputs_that_begin_are_no_illness() -> None:
    outputs = (OutputStatus(name="record rec", state=State.STARTING), OutputStatus(name="file o.mp4", state=State.RUNNING))
    assert health([camera("gate", damaged_share=0.1, outputs=outputs)], {})[0] == 200


def test_the_status_is_json_whatever_the_figures_are() -> None:
    status = camera("gate", mask_age_s=math.inf, frame_age_s=0.12345, dropped={"stale": 2}, queues={"frames": (1, 0.25)})
    told = json.loads(json.dumps(status.as_dict(), allow_nan=False))
    assert (told["mask_age_s"], told["frame_age_s"], told["since"]) == (None, 0.123, "1970-01-01T00:00:01.000Z")
    assert told["queues"] == {"frames": {"queued": 1, "fill": 0.25}}
    assert told["problems"] == []


def test_no_camera_at_all_is_not_healthy() -> None:
    with served("0", list) as server:
        assert get(f"{server.url}/healthz")[0] == 503


def test_status_and_metrics_and_what_is_not_there() -> None:
    with served("127.0.0.1:0", lambda: [camera("gate", frames_in=3)]) as server:
        status, _, text = get(f"{server.url}/status?pretty")
        assert status == 200
        assert json.loads(text)["cameras"][0]["frames_in"] == 3
        status, kind, text = get(f"{server.url}/metrics")
        assert status == 200
        assert kind.startswith("text/plain")
        assert 'streamer_frames_captured_total{source="gate"} 3.0' in text
        _, kind, text = get(f"{server.url}/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert kind.startswith("application/openmetrics-text")
        assert text.endswith("# EOF\n")
        assert get(f"{server.url}/")[0] == 404


def test_delivery_is_in_the_status_and_makes_no_source_unhealthy() -> None:
    away = DeliveryStatus(target="mqtt", waiting=3, behind_s=2.0, failures=4, problem="no broker")
    delivered = {"events": [away, DeliveryStatus(target="webhook", sent=5)]}
    with served("0", lambda: [camera("gate")], lambda: delivered) as server:
        _, _, text = get(f"{server.url}/status")
        mqtt, webhook = json.loads(text)["delivery"]
        assert (mqtt["events"], mqtt["target"], mqtt["waiting"], mqtt["behind_s"]) == ("events", "mqtt", 3, 2.0)
        assert (webhook["sent"], webhook["problem"]) == (5, "")
        status, _, text = get(f"{server.url}/healthz")
        assert status == 200
        (told,) = json.loads(text)["undelivered"]
        assert told == {"events": "events", "target": "mqtt", "waiting": 3, "reason": "no broker"}
        assert 'streamer_delivery_failing{events="events",target="mqtt"} 1.0' in get(f"{server.url}/metrics")[2]


def test_a_failure_behind_the_door_is_a_500_and_the_server_lives_on() -> None:
    answers: list[CameraStatus] = []

    def fail_without_cameras() -> list[CameraStatus]:
        if not answers:
            raise RuntimeError("rtsp://u:hunter2@192.0.2.7/ is gone")
        return answers

    with served("0", fail_without_cameras) as server:
        status, _, text = get(f"{server.url}/status")
        assert status == 500
        assert "hunter2" not in text
        answers.append(camera("gate"))
        assert get(f"{server.url}/status")[0] == 200


@pytest.mark.slow
def test_a_peer_that_says_nothing_does_not_keep_the_server() -> None:
    with served("0", lambda: [camera("gate")]) as server:
        silent = socket.create_connection(("127.0.0.1", server.port))
        assert get(f"{server.url}/healthz")[0] == 200
    with silent:
        assert silent.recv(1) == b""


def test_a_taken_port_is_a_clear_error() -> None:
    with served("0", list) as server, pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{server.port}"):
        served(str(server.port), list)
