"""What is told of a run over HTTP: metrics, health, status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from prometheus_client.exposition import choose_encoder

from streamer.events.delivery import DeliveryStatus
from streamer.live.metrics import registry
from streamer.live.status import CameraStatus
from streamer.runtime.utc import iso_utc
from streamer.web.service import Service

Deliveries = Callable[[], Mapping[str, Sequence[DeliveryStatus]]]
"""The targets of each folder of events."""


def service(cameras: Callable[[], Sequence[CameraStatus]], deliveries: Deliveries = dict) -> Service:
    """What the paths of a run say."""
    figures = registry(cameras, deliveries)

    def metrics(accept: str) -> tuple[bytes, str]:
        encode, kind = choose_encoder(accept)
        return encode(figures), kind

    def status() -> dict[str, Any]:
        delivery = [{"events": folder, **each.as_dict()} for folder, targets in deliveries().items() for each in targets]
        return {"cameras": [camera.as_dict() for camera in cameras()], "delivery": delivery}

    return Service(metrics, lambda: health(cameras(), deliveries()), status)


def health(
    cameras: Sequence[CameraStatus], deliveries: Mapping[str, Sequence[DeliveryStatus]]
) -> tuple[HTTPStatus, dict[str, Any]]:
    """200 while every source is healthy, else 503 with which is not, its state and since when, and why it is not healthy.

    A target of delivery that is away is named, and makes nobody unhealthy: its messages wait, and a restart would not bring
    it back.
    """
    bad = [
        {
            "source": camera.name,
            "state": camera.state,
            "since": iso_utc(camera.since_utc_s),
            "seconds": round(camera.state_s, 1),
            "reasons": list(camera.problems),
        }
        for camera in cameras
        if not camera.healthy
    ]
    good = bool(cameras) and not bad
    return (HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE), {
        "status": "ok" if good else "degraded",
        "sources": len(cameras),
        "unhealthy": bad,
        "undelivered": [
            {"events": folder, "target": each.target, "waiting": each.waiting, "reason": each.problem}
            for folder, targets in deliveries.items()
            for each in targets
            if each.problem
        ],
    }
