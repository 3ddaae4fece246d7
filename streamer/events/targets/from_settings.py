"""Targets as the settings want them. Each protocol's library is imported here, where it is used."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.config.delivery import MqttOptions, TargetOptions, TlsOptions, WebhookOptions
from streamer.events.event import Event
from streamer.events.states import WatchedCamera
from streamer.events.target import Target

if TYPE_CHECKING:
    from streamer.events.targets.mqtt import Broker


def make_targets(
    settings: TargetOptions,
    path: Path,
    *,
    cameras: Sequence[WatchedCamera] = (),
    open_events: Callable[[str], Iterable[Event]] = lambda _: (),
    last_snapshot: Callable[[str], Path | None] = lambda _: None,
    presence: bool = True,
) -> list[Target]:
    """The targets of ``settings``, not yet connected; ``path`` is the file of events, which tells processes apart.

    ``presence``: show that this process is there, and states; a trial beside a running process must not.

    Raises ``ConfigError`` for certificates that cannot be read, and for what is not installed.
    """
    targets: list[Target] = []
    if settings.mqtt is not None:
        from streamer.events.targets.mqtt import Mqtt

        targets.append(
            Mqtt(
                _broker(settings.mqtt, path),
                topic=settings.mqtt.topic,
                cameras=cameras,
                open_events=open_events,
                last_snapshot=last_snapshot,
                ha_discovery=settings.ha_discovery,
                ha_prefix=settings.mqtt.discovery_prefix,
                snapshots=settings.mqtt.snapshots,
                presence=presence,
            )
        )
    if settings.webhook is not None:
        targets.append(_webhook(settings.webhook))
    if settings.kafka is not None:
        from streamer.events.targets.kafka import Kafka

        targets.append(Kafka(settings.kafka.for_librdkafka(), topic=settings.kafka.topic))
    return targets


def _broker(said: MqttOptions, path: Path) -> Broker:
    from streamer.events.targets.mqtt import Broker

    context = _context(said)
    return Broker(
        host=said.host,
        port=said.port or (1883 if context is None else 8883),
        user=said.user,
        password=said.password,
        context=context,
        client_id=said.client_id or _client_id(path),
    )


def _webhook(said: WebhookOptions) -> Target:
    from streamer.events.targets.webhook import Webhook

    return Webhook(
        said.url,
        secret=said.secret,
        snapshot=said.snapshot,
        base_url=said.base_url,
        timeout_s=said.timeout,
        ca=said.ca,
        insecure=said.insecure,
    )


def _context(said: TlsOptions) -> ssl.SSLContext | None:
    from streamer.events.targets.mqtt import tls_context

    if not said.speaks_tls:
        return None
    return tls_context(ca=said.ca, certificate=said.certificate, key=said.key, insecure=said.insecure)


def _client_id(path: Path) -> str:
    """The same at each start, and another for each file of events and each machine."""
    place = f"{socket.gethostname()}:{os.path.realpath(path)}"
    return f"streamer-{hashlib.sha256(place.encode()).hexdigest()[:10]}"
