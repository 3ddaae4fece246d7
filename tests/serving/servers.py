"""Servers to ask: ours, in this process or in one of its own, and one that says what a test tells it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import NDArray

from streamer.instances import Instances
from streamer.kserve.grpc_messages import model_to_bytes
from streamer.kserve.messages import ModelMetadata
from streamer.kserve.protobuf import SERVICE, new
from streamer.serving.grpc_server import GrpcServer
from streamer.serving.http_server import serving_app
from streamer.serving.run import told_of
from streamer.serving.service import ModelService
from streamer.stages import Detector
from streamer.web.access import Access
from streamer.web.server import WebServer
from tests.fakes import At, nothing
from tests.tls import Certificate
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]


class Scripted:
    """Finds four objects of classes 1, 2, 1, 3, with masks; what was asked is kept. ``at`` as in ``tests.fakes``."""

    name = "scripted"
    labels: Mapping[int, str] = {1: "cup", 2: "Löffel", 3: "plate"}
    input_size: tuple[int, int] | None = (64, 48)
    default_classes = frozenset({"cup", "plate"})

    def __init__(self, at: At = nothing) -> None:
        self.pictures: list[NDArray[np.uint8]] = []
        self.with_masks: list[bool] = []
        self.closed = 0
        self._at = at

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        return self.detect_wanted(image, lambda found: np.arange(len(found)))

    def detect_wanted(
        self, image: NDArray[np.uint8], wanted: Callable[[Instances], NDArray[np.intp]], *, masks: bool = True
    ) -> Instances:
        self.pictures.append(image)
        self.with_masks.append(masks)
        self._at(len(self.pictures))
        scale = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        boxes = np.array([[0, 0, 0.5, 0.5], [0.25, 0.25, 1, 1], [0.5, 0, 0.75, 1], [0, 0.5, 1, 0.75]], np.float32) * scale
        ramp = np.linspace(0, 1, 36, dtype=np.float32).reshape(6, 6)
        found = Instances(
            boxes_xyxy=boxes,
            scores=np.array([0.9, 0.8, 0.6, 0.3], np.float32),
            class_ids=np.array([1, 2, 1, 3]),
            masks=np.stack([ramp, ramp.T, 1 - ramp, np.zeros_like(ramp)]) if masks else None,
            has_mask=np.array([True, True, True, False]) if masks else None,  # type: ignore[arg-type]  # None is the default
        )
        return found[wanted(found)]

    def warm_up(self) -> None:
        self._at(0)

    def close(self) -> None:
        self.closed += 1


class Served:
    """Our server in this process, by both protocols."""

    def __init__(
        self,
        detectors: Sequence[Detector],
        *,
        token: str | None = None,
        certificate: Certificate | None = None,
        shared: bool = True,
    ) -> None:
        self.service = ModelService("toy", detectors, shared_memory=shared)
        self._undo = ExitStack()
        self._undo.callback(self.service.close)
        access = Access(host="127.0.0.1", token=token)
        files = None if certificate is None else (certificate.file, certificate.key)
        self.grpc = GrpcServer("127.0.0.1:0", self.service, access, files)
        self._undo.callback(self.grpc.close)
        self.http = self._undo.enter_context(
            WebServer(
                "127.0.0.1:0",
                lambda: serving_app(self.service, told_of(self.service), access),
                what="HTTP",
                tls=None if certificate is None else certificate.context(),
            )
        )
        self._tls = certificate is not None
        self._token = "" if token is None else f"{token}@"

    def spec(self, protocol: str = "grpc", options: str = "", token: str | None = None) -> str:
        """What ``--detector`` is given for it."""
        scheme = {"grpc": "kserve", "http": "kserve+http"}[protocol] + ("s" if self._tls else "")
        port = self.grpc.port if protocol == "grpc" else self.http.port
        own = self._token if token is None else f"{token}@"
        return f"{scheme}://{own}127.0.0.1:{port}/toy{f'?{options}' if options else ''}"

    def close(self) -> None:
        self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Saying:
    """A server by gRPC that answers ``ModelMetadata`` with ``model``, ``ModelInfer`` with what ``infer`` makes of it."""

    def __init__(self, model: ModelMetadata | bytes, infer: Callable[[bytes], bytes] = lambda _: b"") -> None:
        self.infer = infer
        metadata = model if isinstance(model, bytes) else model_to_bytes(model)
        answers: dict[str, Callable[[bytes], bytes]] = {
            "ModelMetadata": lambda _: metadata,
            "ServerMetadata": lambda _: new("ServerMetadataResponse", name="saying").SerializeToString(),
            "ModelInfer": lambda data: self.infer(data),
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(lambda data, _, answer=answer: answer(data))
            for name, answer in answers.items()
        }
        self._threads = ThreadPoolExecutor(4)
        self._server = grpc.server(self._threads)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE.strip("/"), handlers),))
        self.port: int = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def spec(self, options: str = "") -> str:
        return f"kserve://127.0.0.1:{self.port}/toy{f'?{options}' if options else ''}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
        self._threads.shutdown()


class ServerProcess:
    """``streamer serve`` in a process of its own; ports are chosen by the system unless they are given."""

    def __init__(self, detector: str, *options: str, grpc_port: int = 0, http_port: int = 0) -> None:
        command = [
            sys.executable,
            "-m",
            "streamer",
            "serve",
            detector,
            "--address",
            str(grpc_port),
            "--http",
            str(http_port),
            *options,
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self.process: subprocess.Popen[str] = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.grpc, self.http = (self._line(protocol) for protocol in ("gRPC", "HTTP"))
        self.grpc_port, self.http_port = (int(spec.rpartition(":")[2].partition("/")[0]) for spec in (self.grpc, self.http))

    def _line(self, protocol: str) -> str:
        """The address of the line that says where it is served."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith(f"{protocol}: --detector "):
            self.process.kill()
            _, said = self.process.communicate(timeout=PATIENCE_S)
            raise AssertionError(f"{line!r} {said}")
        return line.split()[-1]

    def kill(self) -> None:
        """As a power failure does."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def picture(width: int = 64, height: int = 48) -> Any:
    """A smooth RGB picture, which a JPEG keeps nearly as it is."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x * 2 % 256, y * 3 % 256, (x + y) % 256], axis=2).astype(np.uint8)
