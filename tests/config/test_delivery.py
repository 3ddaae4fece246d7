from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config.delivery import MqttOptions, TargetOptions, WebhookOptions, load_targets
from streamer.errors import ConfigError
from streamer.redact import redact


def loaded(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> TargetOptions:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return load_targets(path, {}, environ or {})


def test_targets_are_read_from_a_file_that_holds_other_things_too(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        "cameras: {gate: {source: 'test:'}}\nmqtt: {host: broker, user: u, password: '${P}'}\n"
        "webhook: {url: 'https://example.org/hook', secret: 12345}\ndelivery: {give_up_after: '12:00:00'}\n",
        {"P": "pass word"},
    )

    assert settings.mqtt == MqttOptions(host="broker", user="u", password="pass word")
    assert settings.webhook == WebhookOptions(url="https://example.org/hook", secret="12345")
    assert settings.delivery.give_up_after == 12 * 3600
    assert settings.target_names == ("mqtt", "webhook")


def test_a_target_may_be_one_address() -> None:
    settings = load_targets(None, {"mqtt": "mqtts://u:p%2Fw@broker:8884/home/cameras", "webhook": "http://host/hook"})

    assert settings.mqtt == MqttOptions(host="broker", port=8884, user="u", password="p/w", tls=True, topic="home/cameras")
    assert settings.webhook == WebhookOptions(url="http://host/hook")


def test_the_command_line_wins_and_may_leave_a_target_out(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("mqtt: mqtt://one\nwebhook: http://host/hook\n", encoding="utf-8")

    settings = load_targets(path, {"mqtt": "mqtt://two", "webhook": "none"})

    assert settings.mqtt == MqttOptions(host="two", tls=False)
    assert settings.webhook is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mqtt: http://broker", "run.yaml:1: mqtt: expected mqtt://"),
        ("mqtt: mqtt://broker:port", "run.yaml:1: mqtt: expected mqtt://"),
        ("mqtt: {host: broker, topic: 'a/#'}", "run.yaml:1: mqtt.topic: expected a topic without"),
        ("mqtt: {host: broker, port: 0}", "run.yaml:1: mqtt.port: expected a port"),
        ("mqtt:\n  hots: broker", "run.yaml:2: unknown key 'mqtt.hots'"),
        ("webhook: ftp://host", "run.yaml:1: webhook.url: expected an http:// or https:// address"),
        ("webhook: {url: 'http://h', snapshot: url}", "run.yaml:1: webhook.snapshot: expected multipart or none"),
        ("webhook: {url: 'http://h', base_url: 'https://u:p@h'}", "run.yaml:1: webhook.base_url: expected an http"),
        ("webhook: {url: 'http://h', base_url: 'https://h/?a=b'}", "run.yaml:1: webhook.base_url: expected an http"),
        ("webhook: {url: 'http://h', base_url: h}", "run.yaml:1: webhook.base_url: expected an http"),
        ("delivery: {give_up_after: 0}", "run.yaml:1: delivery.give_up_after: expected seconds"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert words in str(caught.value)


def test_passwords_and_secrets_are_hidden_from_now_on(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path, "mqtt: {host: b, password: geheimnis1}\nwebhook: {url: 'http://u:geheimnis2@h', secret: geheimnis3}"
    )

    assert redact("geheimnis1 geheimnis2 geheimnis3") == "*** *** ***"
    assert "geheimnis" not in repr(settings)
