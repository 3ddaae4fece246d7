"""The protocol by gRPC."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from streamer.errors import ConfigError
from streamer.kserve import grpc_messages as messages
from streamer.kserve.protobuf import SERVICE, new, parse
from streamer.kserve.tensors import BadMessage
from streamer.serving.failures import Busy, Failed, Unknown
from streamer.serving.pictures import MOST_BYTES
from streamer.serving.service import MOST_WAITING, ModelService, outcome_of
from streamer.web.access import Access, Role
from streamer.web.address import parse_endpoint

_THREADS = 2 * MOST_WAITING
"""Calls at the same time: those that wait in the queue each hold one, and others are refused by gRPC."""
_READ_S = 30.0
"""What a call's message may take to come."""
_CLOSE_S = 2.0
_CODES: dict[type[BaseException], grpc.StatusCode] = {
    Busy: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unknown: grpc.StatusCode.NOT_FOUND,
    BadMessage: grpc.StatusCode.INVALID_ARGUMENT,
    Failed: grpc.StatusCode.INTERNAL,
}
_OPEN = ("ServerLive", "ServerReady")
"""Methods for all, without a token: those of a probe."""


class GrpcServer:
    """Serves from construction on. Raises ``ConfigError`` when the address cannot be had."""

    def __init__(
        self, address: str, service: ModelService, access: Access, certificate: tuple[Path, Path] | None = None
    ) -> None:
        """``certificate``: the files of it and of its key, where the server is to speak TLS."""
        self._service, self._access = service, access
        self.host, port = parse_endpoint(address, "gRPC")
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc")
        self._server = grpc.server(
            self._threads,
            maximum_concurrent_rpcs=_THREADS,
            options=(
                ("grpc.max_receive_message_length", MOST_BYTES + (1 << 20)),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ),
        )
        methods = {
            "ServerLive": lambda _: new("ServerLiveResponse", live=True).SerializeToString(),
            "ServerReady": lambda _: new("ServerReadyResponse", ready=not service.problem).SerializeToString(),
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
        }
        if service.shares_memory:
            methods |= {"SystemSharedMemoryRegister": self._register, "SystemSharedMemoryUnregister": self._unregister}
        handlers = {name: self._handler(name, method) for name, method in methods.items()}
        handlers["ModelInfer"] = grpc.stream_unary_rpc_method_handler(self._infer)
        name = SERVICE.strip("/")
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        where = f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"
        try:
            if certificate is None:
                self.port = self._server.add_insecure_port(where)
            else:
                file, key = (path.read_bytes() for path in certificate)
                self.port = self._server.add_secure_port(where, grpc.ssl_server_credentials([(key, file)]))
        except (RuntimeError, OSError) as error:
            self.port = 0
            failure: BaseException | None = error
        else:
            failure = None
        if not self.port:
            self.close()
            raise ConfigError(f"gRPC cannot listen on {where}", hint="choose another address or port") from failure
        self._server.start()

    def close(self) -> None:
        """Take no more calls, and wait for those under way, no longer than two seconds. May be called twice."""
        self._server.stop(_CLOSE_S).wait()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _handler(self, name: str, method: Callable[[bytes], bytes]) -> Any:
        def handle(sent: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            if name not in _OPEN:
                self._admit(context)
            try:
                return method(_only(sent, context))
            except CancelledError:
                context.abort(grpc.StatusCode.CANCELLED, "the message did not come")
                raise
            except (Unknown, BadMessage) as error:
                context.abort(_CODES[type(error)], str(error))
                raise

        return grpc.stream_unary_rpc_method_handler(handle)

    def _admit(self, context: grpc.ServicerContext) -> None:
        """End the call of who may not; the same rules as for HTTP."""
        said = dict(context.invocation_metadata()).get("authorization", "")
        # Of a peer such as ipv4:192.0.2.1:40000 the port changes with each connection.
        remote = context.peer().rpartition(":")[0]
        if self._access.role_by(said if isinstance(said, str) else "", remote) is not Role.NOBODY:
            return
        self._service.note("grpc", "refused")
        if self._access.is_barred(remote):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many wrong tokens; wait a minute")
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "a token is needed")

    def _infer(self, sent: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        self._admit(context)
        try:
            request = messages.request_from_bytes(_only(sent, context))
            future = self._service.begin(context.peer(), request)
            # Whoever has left, or waits no longer, is not worked for.
            if not context.add_callback(future.cancel):
                future.cancel()
            answer = messages.response_to_bytes(self._service.answer(request, future.result()))
        except BaseException as error:
            outcome, told = outcome_of(error)
            self._service.note("grpc", outcome)
            context.abort(_CODES.get(type(told), grpc.StatusCode.CANCELLED), str(told) or outcome)
            raise
        self._service.note("grpc", "answered")
        return answer

    def _server_metadata(self, _: bytes) -> bytes:
        about = self._service.server
        message = new("ServerMetadataResponse", name=about.name, version=about.version, extensions=about.extensions)
        return bytes(message.SerializeToString())

    def _model_ready(self, data: bytes) -> bytes:
        asked = parse("ModelReadyRequest", data)
        self._service.metadata(asked.name, asked.version)
        return bytes(new("ModelReadyResponse", ready=not self._service.problem).SerializeToString())

    def _model_metadata(self, data: bytes) -> bytes:
        asked = parse("ModelMetadataRequest", data)
        return messages.model_to_bytes(self._service.metadata(asked.name, asked.version))

    def _register(self, data: bytes) -> bytes:
        asked = parse("SystemSharedMemoryRegisterRequest", data)
        self._service.regions.register(asked.name, asked.key, asked.offset, asked.byte_size)
        return b""

    def _unregister(self, data: bytes) -> bytes:
        self._service.regions.unregister(parse("SystemSharedMemoryUnregisterRequest", data).name)
        return b""


def _only(sent: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    """A call's one message. Raises ``CancelledError`` where it does not come, ``BadMessage`` where there is none.

    Methods are declared as taking a stream, which looks the same to a client: so a call is admitted before its message is read,
    and one that stays away does not hold a thread for good.
    """
    late = threading.Timer(_READ_S, context.cancel)
    late.daemon = True
    late.start()
    try:
        return next(sent)
    except StopIteration as error:
        raise BadMessage("there is no message") from error
    except grpc.RpcError as error:  # cancelled, by the client or by the timer
        raise CancelledError from error
    finally:
        late.cancel()
