from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import ConfigError, MessageRefused, TargetUnavailable
from streamer.events.store import EventStore, Message
from streamer.events.targets.webhook import Webhook
from tests.events.happenings import event
from tests.events.receiver import Receiver, cut, lost_reply, receiver, silence, status
from tests.tls import Certificate, StartTls, certificate, tls

__all__ = ["certificate", "receiver", "tls"]

Open = Callable[..., Webhook]


@pytest.fixture
def webhook() -> Iterator[Open]:
    """Makes webhooks that are closed with the test."""
    made: list[Webhook] = []

    def make(url: str, **options: object) -> Webhook:
        made.append(Webhook(url, **options))  # type: ignore[arg-type]  # options of any kind
        return made[-1]

    yield make
    for one in made:
        one.close()


def message(tmp_path: Path, **changes: Any) -> Message:
    with EventStore(tmp_path / "events.db", targets=("webhook",)) as store:
        store.record(event(**changes))
        return store.outbox("webhook")[0]


def test_a_message_is_posted_as_json_with_its_key(receiver: Receiver, webhook: Open, tmp_path: Path) -> None:
    said = message(tmp_path)

    webhook(receiver.url).send(said)

    receiver.wait_for(1)
    (post,) = receiver.taken
    assert post.body == said.body.encode()
    assert post.headers["Content-Type"] == "application/json"
    assert (post.key, post.headers["X-Event"]) == (said.key, "new")
    assert "X-Signature" not in post.headers


def test_the_signature_covers_the_time_stamp_and_the_body(receiver: Receiver, webhook: Open, tmp_path: Path) -> None:
    webhook(receiver.url, secret="s3cret", utc=lambda: 1_767_225_600.9).send(message(tmp_path))

    receiver.wait_for(1)
    (post,) = receiver.taken
    assert post.headers["X-Timestamp"] == "1767225600"
    assert post.signed_with("s3cret")
    assert not post.signed_with("another")


def test_a_snapshot_is_sent_beside_the_event_and_signed(receiver: Receiver, webhook: Open, tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"\xff\xd8 a picture \xff\xd9")
    said = message(tmp_path, snapshot=picture)

    webhook(receiver.url, secret="s3cret", snapshot="multipart").send(said)

    receiver.wait_for(1)
    (post,) = receiver.taken
    assert post.parts["event"] == said.body.encode()
    assert post.parts["snapshot"] == picture.read_bytes()
    assert post.signed_with("s3cret")


@pytest.mark.parametrize("picture", ["a.jpg", None])
def test_links_to_the_page_and_the_picture_are_added_and_signed(
    receiver: Receiver, webhook: Open, tmp_path: Path, picture: str | None
) -> None:
    said = message(tmp_path, camera="Straße", snapshot=None if picture is None else tmp_path / picture)

    webhook(receiver.url, secret="s3cret", base_url="https://cameras.example/wall").send(said)

    receiver.wait_for(1)
    (post,) = receiver.taken
    name = event().id
    pictured = f"https://cameras.example/wall/api/events/{name}/snapshot.jpg"
    links = {
        "event_url": f"https://cameras.example/wall/events/{name}",
        "snapshot_url": None if picture is None else pictured,
    }
    assert post.event == {**json.loads(said.body), **links}
    assert post.signed_with("s3cret")


def test_a_snapshot_that_is_gone_costs_no_event(
    receiver: Receiver, webhook: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    webhook(receiver.url, snapshot="multipart").send(message(tmp_path, snapshot=tmp_path / "gone.jpg"))

    assert receiver.taken[0].headers["Content-Type"] == "application/json"
    assert "is sent no more: No such file or directory" in caplog.text


@pytest.mark.parametrize("code", [500, 503, 401, 403, 404, 408, 429, 301])
def test_what_may_be_mended_is_tried_again(receiver: Receiver, webhook: Open, tmp_path: Path, code: int) -> None:
    receiver.behaviours = [status(code, {"Location": "/elsewhere"})]

    with pytest.raises(TargetUnavailable, match=f"answered {code}"):
        webhook(receiver.url).send(message(tmp_path))

    assert receiver.requests == 1, "no redirect is followed"


@pytest.mark.parametrize("code", [400, 413, 415, 422])
def test_a_message_that_is_not_wanted_is_refused(receiver: Receiver, webhook: Open, tmp_path: Path, code: int) -> None:
    receiver.behaviours = [status(code)]

    with pytest.raises(MessageRefused, match=f"answered {code}"):
        webhook(receiver.url).send(message(tmp_path))


@pytest.mark.parametrize(
    ("said", "wait_s"), [("7", 7), (formatdate(1_000_020, usegmt=True), 20), ("9999", 300), ("-1", 0), ("soon", 0), ("²", 0)]
)
def test_the_receiver_may_ask_for_a_pause(receiver: Receiver, webhook: Open, tmp_path: Path, said: str, wait_s: float) -> None:
    receiver.behaviours = [status(503, {"Retry-After": said})]

    with pytest.raises(TargetUnavailable) as caught:
        webhook(receiver.url, utc=lambda: 1_000_000.0).send(message(tmp_path))

    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize("behaviour", [cut, lost_reply])
def test_no_answer_is_a_failure(receiver: Receiver, webhook: Open, tmp_path: Path, behaviour: Callable[..., None]) -> None:
    receiver.behaviours = [behaviour]

    with pytest.raises(TargetUnavailable, match="no answer from the webhook"):
        webhook(receiver.url).send(message(tmp_path))


def test_silence_is_a_failure(receiver: Receiver, webhook: Open, tmp_path: Path) -> None:
    receiver.behaviours = [silence]

    with pytest.raises(TargetUnavailable, match="timed out"):
        webhook(receiver.url, timeout_s=0.05).send(message(tmp_path))


def test_nobody_there_is_a_failure_without_the_password(webhook: Open, tmp_path: Path, receiver: Receiver) -> None:
    receiver.stop()

    with pytest.raises(TargetUnavailable) as caught:
        webhook(f"http://user:s3cret@127.0.0.1:{receiver.port}/hook?token=abcdefgh").send(message(tmp_path))

    assert "s3cret" not in str(caught.value)
    assert "abcdefgh" not in str(caught.value)


def test_a_wait_can_be_interrupted(receiver: Receiver, webhook: Open, tmp_path: Path) -> None:
    receiver.behaviours = [silence]
    target, said = webhook(receiver.url, timeout_s=60.0), message(tmp_path)

    def interrupt() -> None:
        receiver.silent.wait(30)
        target.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(TargetUnavailable, match="stopped"):
        target.send(said)
    thread.join()
    with pytest.raises(TargetUnavailable, match="stopped"):
        target.send(said)
    assert receiver.requests == 1


def test_certificates_are_checked(
    receiver: Receiver, webhook: Open, tmp_path: Path, tls: StartTls, certificate: Certificate
) -> None:
    url = f"https://localhost:{tls(receiver.port).port}/hook"
    said = message(tmp_path)

    with pytest.raises(TargetUnavailable, match="certificate verify failed"):
        webhook(url).send(said)
    webhook(url, ca=certificate.file).send(said)
    webhook(url, insecure=True).send(said)

    receiver.wait_for(2)
    assert receiver.keys == [said.key] * 2


def test_certificates_that_cannot_be_read_are_refused(webhook: Open, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the certificates in .*nowhere"):
        webhook("https://localhost/hook", ca=tmp_path / "nowhere.pem")


def test_the_log_is_quiet_about_what_goes_well(
    receiver: Receiver, webhook: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        webhook(receiver.url).send(message(tmp_path))

    assert caplog.text == ""
