"""A detector served until it is interrupted: the function behind ``serve``."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import Any

from prometheus_client.exposition import choose_encoder

from streamer.config.serve import ServeConfig
from streamer.detectors.device import each
from streamer.detectors.from_settings import DEFAULT_SCORE, load, threads_each
from streamer.detectors.preparing import Reminder, fetch, loaded, times_of, warm_up
from streamer.detectors.process import load_processes
from streamer.detectors.registry import check_detector
from streamer.detectors.side_by_side import load_side_by_side
from streamer.live.detector_loading import warmed_up
from streamer.live.web import tls_of
from streamer.serving.grpc_server import GrpcServer
from streamer.serving.http_server import serving_app
from streamer.serving.metrics import registry
from streamer.serving.service import ModelService
from streamer.stages import Detector
from streamer.web.access import Access
from streamer.web.address import check_endpoint, is_loopback, parse_endpoint
from streamer.web.server import WebServer
from streamer.web.service import Service

log = logging.getLogger(__name__)


def run_server(config: ServeConfig, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM raises ``KeyboardInterrupt``; ``tell`` says where, and a token that was made.

    Raises ``ConfigError`` for what cannot be, such as an address that is taken, and what loading the detector raises.
    """
    with served(config, tell):
        threading.Event().wait()


@contextmanager
def served(config: ServeConfig, tell: Callable[[str], None]) -> Iterator[Mapping[str, int]]:
    """Serve meanwhile; yields the ports by protocol. Raises as :func:`run_server`."""
    config.check_server()
    addresses = {what: at for what, at in (("gRPC", config.address), ("HTTP", config.http)) if at is not None}
    for what, at in addresses.items():
        check_endpoint(at, what)
    hosts = {what: parse_endpoint(at, what)[0] for what, at in addresses.items()}
    tls = tls_of(config)
    check_detector(config.detector, config.labels, config.device, config.precision)
    all_here = all(is_loopback(host) for host in hosts.values())
    with ExitStack() as undo:
        detectors, load_again = _detectors(config)
        service = ModelService(config.served_as, detectors, shared_memory=all_here, load=load_again)
        undo.callback(service.close)
        token = config.token or (None if all_here else Access.new_token())
        ports: dict[str, int] = {}
        if config.address is not None:
            certificate = None if config.tls_cert is None or config.tls_key is None else (config.tls_cert, config.tls_key)
            access = _access(config, hosts["gRPC"], token)
            grpc = GrpcServer(config.address, service, access, certificate)
            undo.callback(grpc.close)
            ports["gRPC"] = grpc.port
        if config.http is not None:
            access = _access(config, hosts["HTTP"], token)
            app = lambda: serving_app(service, told_of(service), access)  # noqa: E731  # one line, used once
            ports["HTTP"] = undo.enter_context(WebServer(config.http, app, what="HTTP", tls=tls)).port
        schemes = {"gRPC": "kserves" if tls else "kserve", "HTTP": "kserve+https" if tls else "kserve+http"}
        for what, port in ports.items():
            tell(f"{what}: --detector {schemes[what]}://{_shown(hosts[what])}:{port}/{service.name}")
        if token is not None and config.token is None:
            # Not in the log, which is kept and sent on.
            tell(f"token: {token}")
        if tls is None and not all_here:
            log.warning("without tls_cert the token and the pictures travel as they are, for all on the way to read")
        yield ports


def _access(config: ServeConfig, host: str, token: str | None) -> Access:
    own = () if is_loopback(host) else (socket.gethostname().lower(),)
    return Access(host=host, token=token, hosts=(*(config.hosts or ()), *own), tls=config.tls_cert is not None)


def _detectors(config: ServeConfig) -> tuple[list[Detector], Callable[[int], Detector]]:
    """As many as work side by side, loaded and warmed up; and how one of them is loaded again."""
    least = DEFAULT_SCORE.get(config.detector, 0.5) / 2 if config.score_threshold is None else config.score_threshold
    times, reminder = times_of(config), Reminder()

    def tell(what: str, seconds: float) -> None:
        if reminder.due(seconds):
            log.info("%s, %.0f s", what, seconds)

    fetch(config, tell)
    devices = each(config.device)
    threads = config.threads or threads_each(len(devices))
    detectors = loaded(config, times, tell, lambda: load_side_by_side(config, least, devices, threads=threads))
    try:
        for detector in detectors:
            warm_up(detector, times, tell)
    except BaseException:
        for detector in detectors:
            detector.close()
        raise

    def load_again(place: int) -> Detector:
        if len(devices) == 1:
            return warmed_up(load(config, least, device=devices[0]))
        return warmed_up(load_processes(config, least, [devices[place]], threads)[0])

    return detectors, load_again


def told_of(service: ModelService) -> Service:
    """What is told of a service by HTTP beside the protocol."""
    figures = registry(service)

    def metrics(accept: str) -> tuple[bytes, str]:
        encode, kind = choose_encoder(accept)
        return encode(figures), kind

    def status() -> dict[str, Any]:
        queue = service.queue
        requests: dict[str, dict[str, int]] = {}
        for (protocol, outcome), count in service.requests.copy().items():
            requests.setdefault(protocol, {})[outcome] = count
        return {
            "model": service.name,
            "detector": service.detector_name,
            "requests": requests,
            "instances": service.instances,
            "failed_detectors": queue.partly_unfit,
            "waiting": queue.waiting,
            "queue_ms": {"median": queue.waited.median_s * 1000, "p95": queue.waited.quantile_s(0.95) * 1000},
            "detector_ms": {"median": queue.worked.median_s * 1000, "p95": queue.worked.quantile_s(0.95) * 1000},
        }

    def health() -> tuple[int, Mapping[str, Any]]:
        if problem := service.problem:
            return HTTPStatus.SERVICE_UNAVAILABLE, {"status": "degraded", "model": service.name, "reasons": [problem]}
        return HTTPStatus.OK, {"status": "ok", "model": service.name}

    return Service(metrics, health, status)


def _shown(host: str) -> str:
    """As clients write it."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
