"""The protocol by gRPC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc

from streamer.detectors.remote.address import RemoteAddress
from streamer.detectors.remote.failure import Failure, Kind
from streamer.detectors.remote.transport import MOST_ANSWER_BYTES
from streamer.kserve import grpc_messages as messages
from streamer.kserve.messages import InferRequest, InferResponse, ModelMetadata, ServerMetadata
from streamer.kserve.protobuf import SERVICE, new
from streamer.runtime.tls import ca_file

_CODES = {
    grpc.StatusCode.UNAVAILABLE: Kind.AWAY,
    grpc.StatusCode.CANCELLED: Kind.AWAY,
    grpc.StatusCode.DEADLINE_EXCEEDED: Kind.SLOW,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Kind.BUSY,
    grpc.StatusCode.NOT_FOUND: Kind.NO_MODEL,
    grpc.StatusCode.UNIMPLEMENTED: Kind.NO_MODEL,
    grpc.StatusCode.UNAUTHENTICATED: Kind.REFUSED,
    grpc.StatusCode.PERMISSION_DENIED: Kind.REFUSED,
}
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", MOST_ANSWER_BYTES),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


class GrpcTransport:
    """Implements ``Transport``."""

    def __init__(self, address: RemoteAddress) -> None:
        self._address = address
        self._metadata = () if address.token is None else (("authorization", f"Bearer {address.token}"),)
        trusted = Path(address.ca or ca_file()).read_bytes() if address.tls else None
        certificate, key = (file.read_bytes() for file in address.own_certificate) if address.own_certificate else (None, None)
        self._credentials = None if trusted is None else grpc.ssl_channel_credentials(trusted, key, certificate)
        self._closed = False
        self._channel = self._connection()

    def server(self, timeout_s: float) -> ServerMetadata:
        """See ``Transport``."""
        return messages.server_from_bytes(self._ask("ServerMetadata", timeout_s))

    def model(self, timeout_s: float) -> ModelMetadata:
        """See ``Transport``."""
        asked = {"name": self._address.model, "version": self._address.version}
        return messages.model_from_bytes(self._ask("ModelMetadata", timeout_s, **asked))

    def configuration(self, timeout_s: float) -> Mapping[str, str]:
        """See ``Transport``."""
        asked = {"name": self._address.model, "version": self._address.version}
        try:
            return messages.config_from_bytes(self._ask("ModelConfig", timeout_s, **asked))
        except Failure as failure:
            if failure.kind is Kind.NO_MODEL:
                return {}
            raise

    def infer(self, request: InferRequest, timeout_s: float) -> InferResponse:
        """See ``Transport``."""
        return messages.response_from_bytes(self._called("ModelInfer", messages.request_to_bytes, request, timeout_s))

    def register(self, region: str, key: str, size: int, timeout_s: float) -> None:
        """See ``Transport``."""
        self._ask("SystemSharedMemoryRegister", timeout_s, name=region, key=key, byte_size=size)

    def unregister(self, region: str, timeout_s: float) -> None:
        """See ``Transport``."""
        self._ask("SystemSharedMemoryUnregister", timeout_s, name=region)

    def close(self) -> None:
        """See ``Transport``."""
        self._closed = True
        self._channel.close()

    def _connection(self) -> grpc.Channel:
        server = self._address.server
        if self._credentials is None:
            return grpc.insecure_channel(server, _OPTIONS)
        return grpc.secure_channel(server, self._credentials, _OPTIONS)

    def _ask(self, name: str, timeout_s: float, /, **fields: Any) -> bytes:
        message = new(f"{name}Request", **fields)
        return self._called(name, lambda message: bytes(message.SerializeToString()), message, timeout_s)

    def _called(self, name: str, serialize: Callable[[Any], bytes], request: Any, timeout_s: float) -> bytes:
        method = self._channel.unary_unary(SERVICE + name, request_serializer=serialize, response_deserializer=None)
        try:
            answer: bytes = method(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            failure = _failure(error)
            if failure.kind in (Kind.AWAY, Kind.SLOW) and not self._closed:
                # gRPC would wait before it connects again; and a peer that is gone without a word (power, cable) would keep
                # this connection for minutes. When to ask again is decided elsewhere.
                self._channel.close()
                self._channel = self._connection()
            raise failure from error
        except ValueError as error:  # what gRPC says of a channel that was closed
            raise Failure(Kind.AWAY, "the connection was closed") from error
        return answer


def _failure(error: grpc.RpcError) -> Failure:
    code, text = error.code(), error.details() or ""
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text.lower():
        return Failure(Kind.REFUSED, "its certificate is not trusted")
    # Of "failed to connect to all addresses; …: Failed to connect to remote host: Connection refused" the end counts.
    return Failure(_CODES.get(code, Kind.BAD), text.rpartition("Failed to connect to remote host: ")[2] or code.name)
