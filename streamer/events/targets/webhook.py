"""Events to a receiver by HTTP: one signed POST for each change."""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import hmac
import json
import logging
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import httpx

from streamer.errors import ConfigError, MessageRefused, TargetUnavailable
from streamer.events.store import Message
from streamer.redact import redact
from streamer.runtime import tls

log = logging.getLogger(__name__)

_ABOUT_THE_MESSAGE = (400, 413, 415, 422)
"""Answers that another attempt with the same message would get, too."""
_MOST_RETRY_AFTER_S = 300.0


class Webhook:
    """Posts each message to one URL. The receiver has taken it when it answers with 2xx.

    The body is the event as JSON; with a snapshot it is a form of two parts, ``event`` and ``snapshot``. Headers: the
    message's key as ``Idempotency-Key``; ``X-Event``, the kind of change; ``X-Timestamp``, seconds since 1970; and, where there
    is a ``secret``, ``X-Signature``: ``sha256=`` and the HMAC-SHA256 of the time stamp, a dot and the body, in hex.

    With ``base_url``, where this process serves its pages, the event also says ``event_url`` and, with a snapshot (else null),
    ``snapshot_url``. They hold no credentials: who opens them signs in, or sends a token.
    """

    name = "webhook"

    def __init__(
        self,
        url: str,
        *,
        secret: str | None = None,
        snapshot: Literal["multipart", "none"] = "none",
        base_url: str | None = None,
        timeout_s: float = 10.0,
        ca: Path | None = None,
        insecure: bool = False,
        utc: Callable[[], float] = time.time,
    ) -> None:
        """``ca``: a file of certificates to trust in place of the system's. Raises ``ConfigError`` when it cannot be read."""
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs a line for each request
        self._url = url
        self._secret = None if secret is None else secret.encode()
        self._snapshot = snapshot
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._verify = _verification(ca, insecure=insecure)
        self._utc = utc
        self._runner = asyncio.Runner()
        self._client: httpx.AsyncClient | None = None
        self._lock = threading.Lock()
        self._task: asyncio.Task[httpx.Response] | None = None
        self._interrupted = False

    def start(self, wake: Callable[[], None]) -> None:
        """Nothing to do."""

    def tend(self) -> bool:
        """HTTP connects when it sends."""
        return False

    def camera_state(self, camera: str, *, online: bool) -> None:
        """A receiver is told of events only."""

    def send(self, message: Message) -> None:
        """Post ``message`` and wait for the answer."""
        try:
            answer = self._runner.run(self._post(message))
        except asyncio.CancelledError:
            raise TargetUnavailable("stopped while the webhook was waited for") from None
        except (httpx.HTTPError, OSError) as error:
            raise TargetUnavailable(f"no answer from the webhook {redact(self._url)}: {_cause(error)}") from error
        self._judge(answer)

    def interrupt(self) -> None:
        """Cancel the request under way, and each later one."""
        with self._lock:
            self._interrupted = True
            if self._task is not None:
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            self._runner.run(client.aclose())
        self._runner.close()

    async def _post(self, message: Message) -> httpx.Response:
        with self._lock:
            self._task = asyncio.create_task(self._request(message))
            if self._interrupted:
                self._task.cancel()
        try:
            return await self._task
        finally:
            with self._lock:
                self._task = None

    async def _request(self, message: Message) -> httpx.Response:
        if self._client is None:
            # Redirects are not followed: the signed body would go to a place that nobody has named.
            self._client = httpx.AsyncClient(verify=self._verify, timeout=self._timeout_s)
        request = self._client.build_request("POST", self._url, **self._content(message))
        request.headers.update({"Idempotency-Key": message.key, "X-Event": message.kind, "User-Agent": "streamer"})
        request.headers.update(self._signature(await request.aread()))
        async with asyncio.timeout(self._timeout_s):  # for all of it: httpx counts from each byte to the next
            return await self._client.send(request)

    def _content(self, message: Message) -> dict[str, Any]:
        body = self._body(message).encode()
        picture = self._picture(message) if self._snapshot == "multipart" else None
        if picture is None:
            return {"content": body, "headers": {"Content-Type": "application/json"}}
        return {
            "files": {"event": ("event.json", body, "application/json"), "snapshot": ("snapshot.jpg", picture, "image/jpeg")}
        }

    def _body(self, message: Message) -> str:
        if self._base_url is None:
            return message.body
        event = json.loads(message.body)
        pictured = event["snapshot"] is not None
        event["event_url"] = f"{self._base_url}/events/{event['id']}"
        event["snapshot_url"] = f"{self._base_url}/api/events/{event['id']}/snapshot.jpg" if pictured else None
        return json.dumps(event, ensure_ascii=False)

    def _picture(self, message: Message) -> bytes | None:
        path = json.loads(message.body)["snapshot"]
        if path is None:
            return None
        try:
            return Path(path).read_bytes()
        except OSError as error:
            log.warning("the snapshot of %s is sent no more: %s", message.key, error.strerror, extra={"output": self.name})
            return None

    def _signature(self, body: bytes) -> dict[str, str]:
        stamp = str(int(self._utc()))
        if self._secret is None:
            return {"X-Timestamp": stamp}
        signed = hmac.new(self._secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"X-Timestamp": stamp, "X-Signature": f"sha256={signed}"}

    def _judge(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        what = f"the webhook {redact(self._url)} answered {answer.status_code} {answer.reason_phrase}".rstrip()
        if answer.status_code in _ABOUT_THE_MESSAGE:
            raise MessageRefused(what)
        hint = {401: "check the secret", 403: "check the secret", 404: "check the address"}.get(answer.status_code, "")
        if answer.is_redirect:
            hint = "give the address that it redirects to"
        raise TargetUnavailable(what, hint=hint, retry_after_s=self._retry_after_s(answer))

    def _retry_after_s(self, answer: httpx.Response) -> float:
        """Seconds that the receiver asks for, as seconds or as a date; at most five minutes."""
        text = answer.headers.get("Retry-After", "")
        if text.isdecimal():
            wait_s = float(text)
        else:
            date = email.utils.parsedate_tz(text)
            wait_s = 0.0 if date is None else email.utils.mktime_tz(date) - self._utc()
        return min(max(0.0, wait_s), _MOST_RETRY_AFTER_S)


def _verification(ca: Path | None, *, insecure: bool) -> ssl.SSLContext | bool:
    if insecure:
        return False
    try:
        return ssl.create_default_context(cafile=tls.ca_file() if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"cannot read the certificates in {ca}: {error}", hint="give a file in PEM format") from error


def _cause(error: BaseException) -> str:
    """httpx wraps what the system said, and some of its errors have no text."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "timed out"
    return str(error) or type(error).__name__
