"""The protocol by HTTP."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from streamer.detectors.remote.address import RemoteAddress
from streamer.detectors.remote.failure import NO_CERTIFICATE, Failure, Kind
from streamer.detectors.remote.transport import MOST_ANSWER_BYTES
from streamer.kserve import http_messages as messages
from streamer.kserve.http_messages import JSON_LENGTH
from streamer.kserve.messages import InferRequest, InferResponse, ModelMetadata, ServerMetadata
from streamer.runtime.tls import ca_file

_STATUS = {
    401: Kind.REFUSED,
    403: Kind.REFUSED,
    404: Kind.NO_MODEL,
    408: Kind.SLOW,
    429: Kind.BUSY,
    502: Kind.AWAY,
    503: Kind.AWAY,
    504: Kind.SLOW,
}


class HttpTransport:
    """Implements ``Transport``."""

    def __init__(self, address: RemoteAddress) -> None:
        self._path = f"/v2/models/{quote(address.model, safe='')}"
        if address.version:
            self._path += f"/versions/{quote(address.version, safe='')}"
        verify = ssl.create_default_context(cafile=str(Path(address.ca or ca_file()))) if address.tls else False
        if isinstance(verify, ssl.SSLContext) and address.own_certificate is not None:
            verify.load_cert_chain(*address.own_certificate)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs a line for each request
        self._client = httpx.Client(
            base_url=f"{'https' if address.tls else 'http'}://{address.server}",
            headers={"Accept-Encoding": "identity"}
            | ({} if address.token is None else {"Authorization": f"Bearer {address.token}"}),
            verify=verify,
            trust_env=False,
            limits=httpx.Limits(max_connections=1),
        )
        self._closed = threading.Event()

    def server(self, timeout_s: float) -> ServerMetadata:
        """See ``Transport``."""
        return messages.server_from_json(self._get("/v2", timeout_s))

    def model(self, timeout_s: float) -> ModelMetadata:
        """See ``Transport``."""
        return messages.model_from_json(self._get(self._path, timeout_s))

    def configuration(self, timeout_s: float) -> Mapping[str, str]:
        """See ``Transport``."""
        try:
            return messages.config_from_json(self._get(f"{self._path}/config", timeout_s))
        except Failure as failure:
            if failure.kind is Kind.NO_MODEL:
                return {}
            raise

    def infer(self, request: InferRequest, timeout_s: float) -> InferResponse:
        """See ``Transport``."""
        parts, json_length = messages.request_to_body(request)
        body, headers = self._ask("POST", f"{self._path}/infer", timeout_s, parts, {JSON_LENGTH: str(json_length)})
        return messages.response_from_body(body, headers.get(JSON_LENGTH))

    def register(self, region: str, key: str, size: int, timeout_s: float) -> None:
        """See ``Transport``."""
        said = {"key": key, "offset": 0, "byte_size": size}
        self._ask("POST", f"/v2/systemsharedmemory/region/{quote(region, safe='')}/register", timeout_s, json=said)

    def unregister(self, region: str, timeout_s: float) -> None:
        """See ``Transport``."""
        self._ask("POST", f"/v2/systemsharedmemory/region/{quote(region, safe='')}/unregister", timeout_s)

    def close(self) -> None:
        """See ``Transport``."""
        self._closed.set()
        self._client.close()

    def _get(self, path: str, timeout_s: float) -> bytes:
        return self._ask("GET", path, timeout_s)[0]

    def _ask(
        self,
        method: str,
        path: str,
        timeout_s: float,
        parts: Sequence[bytes | memoryview] = (),
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> tuple[bytes, httpx.Headers]:
        """The answer's body and headers. httpx knows a limit for each step only, so the sum of them is looked at here."""
        if self._closed.is_set():
            raise Failure(Kind.AWAY, "the connection was closed")
        give_up_at = time.monotonic() + timeout_s
        content = b"".join(parts) if parts else None
        try:
            with self._client.stream(
                method, path, content=content, json=json, headers=headers, timeout=httpx.Timeout(timeout_s)
            ) as response:
                body = bytearray()
                for chunk in response.iter_raw():  # as they come: a size would have httpx wait for so much
                    body += chunk
                    if len(body) > MOST_ANSWER_BYTES:
                        raise Failure(Kind.BAD, f"an answer of more than {MOST_ANSWER_BYTES >> 20} MiB")
                    if time.monotonic() > give_up_at:
                        raise Failure(Kind.SLOW, f"no whole answer within {timeout_s:g} s")
        except httpx.TimeoutException as error:
            raise Failure(Kind.SLOW, f"no answer within {timeout_s:g} s") from error
        except httpx.HTTPError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Failure(Kind.REFUSED, "its certificate is not trusted") from error
            if "CERTIFICATE_REQUIRED" in str(error):
                raise Failure(Kind.REFUSED, NO_CERTIFICATE) from error
            raise Failure(Kind.AWAY, str(error) or type(error).__name__) from error
        except (
            RuntimeError,
            OSError,
            UnicodeError,
        ) as error:  # a client that was closed in the middle of a call, a strange host
            raise Failure(Kind.AWAY, str(error) or type(error).__name__) from error
        if response.status_code != 200:
            raise Failure(_STATUS.get(response.status_code, Kind.BAD), _said(bytes(body), response.status_code))
        return bytes(body), response.headers


def _said(body: bytes, status: int) -> str:
    """What the protocol's ``{"error": TEXT}`` says, or the status."""
    try:
        said = messages.error_of(body)
    except ValueError:
        said = ""
    return said or f"HTTP status {status}"
