"""This process as a driver of a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamer.detectors.quiet import stderr_without
from streamer.errors import ClusterUnavailable, ConfigError, in_one_line
from streamer.runtime.own_thread import leave_behind

AUTO, LOCAL = "auto", "local"
NAMESPACE = "streamer"
_CONNECT_S = 5.0
_SHUT_DOWN_S = 10.0
"""It takes 1 s, and 5 where the head is gone."""
_OBJECT_STORE_BYTES = 100 << 20
"""Nothing large travels through Ray: recordings are read where they are worked on."""
_JOIN = {"RAY_NUM_REDIS_GET_RETRIES": "3", "RAY_py_gcs_connect_timeout_s": "10"}
"""How often a cluster is asked: each time takes a second, or 20 where what answers is no Ray. Ray asks 20 times."""
_RAYS_LINES = r"(gcs|rpc)_client\.(cc|h)"
"""What Ray itself says on stderr of each try."""
_WRONG = (
    (
        "AuthenticationError",
        "asks for another token than this process has",
        "set RAY_AUTH_MODE and RAY_AUTH_TOKEN as they are on the head",
    ),
    (
        "No node info found",
        "is there, but this machine does not belong to it",
        "ray start --address HOST:PORT on it first, or run this on a machine of the cluster",
    ),
)
"""Signs in Ray's errors, what they mean, and what to do."""


@contextmanager
def connected(address: str, *, cpus: int | None = None) -> Iterator[Any]:
    """The module ``ray``, connected to the cluster at ``address``, until the context ends.

    ``auto`` is the cluster of this machine, or the one that ``RAY_ADDRESS`` names; ``local`` is one of this process alone, with
    ``cpus`` cores, or as many as there are; all else is HOST:PORT of a cluster that this machine belongs to.

    Raises ``ConfigError`` where Ray is not installed or the address cannot be one, and ``ClusterUnavailable``.
    """
    _prepare(address)
    try:
        import ray
    except ImportError as error:
        raise ConfigError("--ray needs Ray", hint='pip install "streamer[ray]"') from error
    options: dict[str, Any] = {"address": address}
    if address == LOCAL:
        options |= {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    handler = signal.getsignal(signal.SIGTERM)
    # Ray prints the deaths of workers to stdout, at length; whoever works with them is told of each, and says so in a line.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        try:
            try:
                with stderr_without(_RAYS_LINES):
                    ray.init(namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR", **options)
            except Exception as error:  # Ray raises all kinds
                raise _not_joined(address, error) from error
            finally:
                _restore(handler)
            yield ray
        finally:
            _shut_down(ray)
            _restore(handler)


def _prepare(address: str) -> None:
    """Set what Ray reads from the environment, and refuse what it would try for long."""
    environment = os.environ
    environment.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    environment.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    environment.setdefault("RAY_worker_niceness", "0")  # of a cluster that is started here: 15 is for all to go before it
    if "RAY_AUTH_MODE" not in environment:
        # Never left to Ray: it would write a token into the home folder, by which later clusters differ.
        if address == LOCAL:
            environment["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        given = "RAY_AUTH_TOKEN" in environment or "RAY_AUTH_TOKEN_PATH" in environment
        environment["RAY_AUTH_MODE"] = "token" if given else "disabled"
    if address == AUTO:
        address = environment.get("RAY_ADDRESS") or AUTO
    if address != LOCAL:
        for name, value in _JOIN.items():
            environment.setdefault(name, value)
    if address in (AUTO, LOCAL):
        return
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or "/" in host:
        raise ConfigError(
            f"ray: expected auto, local or HOST:PORT, got {address!r}",
            hint="HOST:PORT is what `ray start --head` has shown; a machine joins by `ray start --address HOST:PORT`",
        )
    try:
        socket.create_connection((host, int(port)), _CONNECT_S).close()
    except (OSError, OverflowError, ValueError) as error:  # the last one where it is no name of a machine
        raise ClusterUnavailable(
            f"nothing answers at {address} ({in_one_line(error)})", hint="check the address, and that the head runs"
        ) from error


def _not_joined(address: str, error: Exception) -> ClusterUnavailable:
    told = f"{type(error).__name__} {error.__cause__}"
    for sign, wrong, hint in _WRONG:
        if sign in told:
            return ClusterUnavailable(f"the Ray cluster {address} {wrong}", hint=hint)
    return ClusterUnavailable(
        f"the Ray cluster {address} cannot be joined: {in_one_line(error)}",
        hint="give the address that `ray start --head` has shown, on a machine with the same Ray, Python and RAY_USE_TLS",
    )


def _shut_down(ray: Any) -> None:
    """In a thread: where the head stands still it does not return, and this process is ended without it."""
    thread = threading.Thread(target=ray.shutdown, name="shutdown", daemon=True)
    thread.start()
    thread.join(_SHUT_DOWN_S)
    if thread.is_alive():
        leave_behind(thread)


def _restore(handler: Any) -> None:
    """Ray takes SIGTERM for itself."""
    with contextlib.suppress(ValueError):  # not in the main thread, where Ray does not take it either
        signal.signal(signal.SIGTERM, handler)
