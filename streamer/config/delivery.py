"""Settings of delivery: who is told of events, and how."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from streamer.config.document import Document
from streamer.config.environment import expand
from streamer.config.fields import (
    Count,
    Expected,
    FilePath,
    InvalidValue,
    Option,
    Settings,
    Switch,
    Text,
    Timeout,
    Unset,
    as_text,
    listed,
)
from streamer.config.validation import build
from streamer.redact import remember, remember_secret, split_userinfo


def _remembered(value: str) -> str:
    remember_secret(value)
    return value


def _topic(value: str) -> str:
    if not re.fullmatch(r"[^+#\x00/]+(?:/[^+#\x00/]+)*", value):
        raise InvalidValue("a topic without + and #, such as streamer or home/cameras")
    return value


def _http(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidValue("an http:// or https:// address")
    remember(value)
    return value


def _base(value: str) -> str:
    parts = urlsplit(value)
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidValue("an http:// or https:// address without user, ? and #, since receivers see it")
    return value.rstrip("/")


def _broker(value: object) -> object:
    """``mqtt://user:password@host:port/topic`` as what a mapping says; ``mqtts://`` with TLS."""
    if not isinstance(value, str):
        return value
    remember(value)
    scheme, userinfo, rest = split_userinfo(value)
    try:
        parts = urlsplit(f"{scheme}{rest}")
        port = parts.port
    except ValueError:
        raise InvalidValue(_BROKER) from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.query or parts.fragment:
        raise InvalidValue(_BROKER)
    said: dict[str, object] = {"host": parts.hostname, "tls": parts.scheme == "mqtts"}
    if port is not None:
        said["port"] = port
    if topic := unquote(parts.path.strip("/")):
        said["topic"] = topic
    if userinfo is not None:
        said["user"] = unquote(userinfo.user)
        if userinfo.password is not None:
            said["password"] = unquote(userinfo.password)
    return said


def _receiver(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


def _servers(value: object) -> object:
    return {"servers": value} if isinstance(value, str) else value


_BROKER = "mqtt://[USER:PASSWORD@]HOST[:PORT][/TOPIC], mqtts:// for TLS, or keys and values"
_TEXT = {"type": "string", "minLength": 1}

Secret = Annotated[
    str,
    BeforeValidator(as_text),
    Field(min_length=1),
    AfterValidator(_remembered),
    Expected("a text", "TEXT", (_TEXT,)),
]
Port = Annotated[
    int, Field(ge=1, le=65535), Expected("a port, 1 to 65535", "PORT", ({"type": "integer", "minimum": 1, "maximum": 65535},))
]
Topic = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(_topic),
    Expected("a topic", "TOPIC", ({"type": "string", "pattern": r"^[^+#/]+(/[^+#/]+)*$"},)),
]
HttpAddress = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(_http),
    Expected("an http:// or https:// address", "URL", ({"type": "string", "pattern": "^[hH][tT][tT][pP][sS]?://."},)),
]


class TlsOptions(Settings):
    """How a broker is spoken to, and how to be let in."""

    user: Annotated[Text | None, Unset("none")] = None
    """User name."""
    password: Annotated[Secret | None, Field(repr=False), Unset("none")] = None
    """Its password; better from the environment, as `${NAME}`."""
    tls: Switch = False
    """Speak TLS."""
    ca: Annotated[FilePath | None, Unset("those of the system")] = None
    """File of the certificates that are trusted."""
    certificate: Annotated[FilePath | None, Unset("none")] = None
    """File of the client's certificate."""
    key: Annotated[FilePath | None, Unset("in the file of the certificate")] = None
    """File of its key."""
    insecure: Switch = False
    """Accept any certificate."""

    @property
    def speaks_tls(self) -> bool:
        """Whether TLS is asked for, by whichever of the keys."""
        return self.tls or self.insecure or self.ca is not None or self.certificate is not None


class MqttOptions(TlsOptions):
    """An MQTT broker."""

    host: Text
    """Name or address of the broker."""
    port: Annotated[Port | None, Unset("1883, with TLS 8883")] = None
    """Its port."""
    topic: Topic = "streamer"
    """What all topics begin with; each process needs one of its own."""
    client_id: Annotated[Text | None, Unset("made of the machine and the file of events")] = None
    """What the client is called; two with one name end each other's connections."""
    snapshots: Switch = True
    """Publish the last snapshot of each camera, which the broker keeps."""
    discovery_prefix: Topic = "homeassistant"
    """Where Home Assistant looks for devices, with `ha_discovery`."""


class WebhookOptions(Settings):
    """A receiver of HTTP requests."""

    url: Annotated[HttpAddress, Field(repr=False)]
    """Where each change of an event is posted."""
    secret: Annotated[Secret | None, Field(repr=False), Unset("not signed")] = None
    """Key of the signature; better from the environment, as `${NAME}`."""
    snapshot: Literal["multipart", "none"] = "none"
    """Whether the snapshot is sent beside the event."""
    base_url: Annotated[Annotated[HttpAddress, AfterValidator(_base)] | None, Unset("no links")] = None
    """Where receivers reach the pages of `web`: each event then has links to its page and to its snapshot."""
    timeout: Timeout = 10.0
    """Seconds that an answer may take."""
    ca: Annotated[FilePath | None, Unset("those of the system")] = None
    """File of the certificates that are trusted."""
    insecure: Switch = False
    """Accept any certificate."""


class KafkaOptions(TlsOptions):
    """A Kafka cluster."""

    servers: Annotated[
        tuple[Text, ...],
        BeforeValidator(listed),
        Field(min_length=1),
        Expected("HOST:PORT, separated by commas", "HOST:PORT,…", ({"type": "array", "items": _TEXT, "minItems": 1}, _TEXT)),
    ]
    """Brokers to ask first."""
    topic: Text = "streamer.events"
    """The topic."""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """How user and password are shown."""

    def for_librdkafka(self) -> dict[str, object]:
        """These settings as librdkafka names them."""
        protocol = ("SASL_" if self.user is not None else "") + ("SSL" if self.speaks_tls else "PLAINTEXT")
        said: dict[str, object] = {"bootstrap.servers": ",".join(self.servers), "security.protocol": protocol}
        if self.user is not None:
            said |= {"sasl.mechanism": self.mechanism, "sasl.username": self.user, "sasl.password": self.password or ""}
        for key, path in (("ca", self.ca), ("certificate", self.certificate), ("key", self.key)):
            if path is not None:
                said[f"ssl.{key}.location"] = str(path)
        if self.insecure:
            said["enable.ssl.certificate.verification"] = False
        return said


class DeliveryOptions(Settings):
    """What holds for all targets."""

    give_up_after: Timeout = 86_400.0
    """Seconds, or HH:MM:SS, after which a message that could not be sent becomes a dead letter."""
    most_waiting: Count = 50_000
    """Most messages that wait for one target; beyond it the oldest updates are dropped first."""


class TargetOptions(Settings):
    """Who is told of events."""

    panel: ClassVar[str] = "Events"

    mqtt: Annotated[
        MqttOptions | None,
        BeforeValidator(_broker),
        Field(repr=False),
        Option(metavar="URL"),
        Unset("not told"),
        Expected(_BROKER),
    ] = None
    """MQTT broker that is told of events: `mqtt://USER:PASSWORD@HOST:PORT/TOPIC`, or keys and values; see docs/events.md."""
    ha_discovery: Switch = False
    """Announce cameras and their states to Home Assistant over `mqtt`."""
    webhook: Annotated[
        WebhookOptions | None,
        BeforeValidator(_receiver),
        Field(repr=False),
        Option(metavar="URL"),
        Unset("not told"),
        Expected("an http:// or https:// address, or keys and values"),
    ] = None
    """Address that each change of an event is posted to, or keys and values; see docs/events.md."""
    kafka: Annotated[
        KafkaOptions | None,
        BeforeValidator(_servers),
        Field(repr=False),
        Option(metavar="HOST:PORT,…"),
        Unset("not told"),
        Expected("HOST:PORT, separated by commas, or keys and values"),
    ] = None
    """Kafka brokers that are told of events, or keys and values; needs the extra `kafka`."""
    delivery: Annotated[
        DeliveryOptions, Option(file_only=True, metavar="{give_up_after: …}"), Unset("its own", by_none=False)
    ] = DeliveryOptions()
    """How long messages wait for a target that is away, and how many."""

    @property
    def target_names(self) -> tuple[str, ...]:
        """The targets that are to be told: names of outboxes."""
        return tuple(name for name in ("mqtt", "webhook", "kafka") if getattr(self, name) is not None)


def load_targets(
    path: str | os.PathLike[str] | None, overrides: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> TargetOptions:
    """The targets that a file of ``live`` or ``run`` names, whatever else it holds, under ``overrides`` that are not None.

    Raises ``ConfigError``, with file and line.
    """
    fields = TargetOptions.model_fields
    named = {key: value for key in fields if (value := overrides.get(key)) is not None}
    told, _ = expand(Document("command line", named, {}), environ)
    if path is None:
        return build(TargetOptions, None, told.data)
    from streamer.config.yaml_file import load_yaml

    document = load_yaml(path)
    document = replace(document, data={key: value for key, value in document.data.items() if key in fields})
    return build(TargetOptions, expand(document, environ)[0], told.data)


SECTIONS: tuple[type[Settings], ...] = (MqttOptions, WebhookOptions, KafkaOptions, DeliveryOptions)
"""The classes of settings that stand under a key of their own."""
FORMS: dict[str, dict[str, object]] = {
    "mqtt": {"type": "string", "pattern": r"^([mM][qQ][tT][tT][sS]?://.|.*\$\{)"},
    "webhook": {"type": "string", "pattern": r"^([hH][tT][tT][pP][sS]?://.|.*\$\{)"},
    "kafka": _TEXT,
}
"""The JSON schema of the text that may stand in place of keys and values."""
