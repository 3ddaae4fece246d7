"""A real S3 server of this machine, whose objects are in its memory."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.waiting import wait_until

SECRET = "s3cret-of-the-test"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that is up."""
    for needed in ("s3fs", "moto", "flask", "flask_cors"):
        pytest.importorskip(needed)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=written,
            stderr=written,
        )
    try:

        def is_up() -> bool:
            assert process.poll() is None, log.read_text()
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        wait_until(is_up, what=log.read_text)
        _start_threads()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _start_threads() -> None:
    """fsspec's threads, which stay: begun here, they are no test's."""
    from fsspec.asyn import get_loop

    loop = get_loop()
    loop.call_soon_threadsafe(loop.set_default_executor, ThreadPoolExecutor(2))


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The address of an empty bucket, which this process and those that it starts can reach."""
    said = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    import s3fs

    name = f"bucket{next(_numbers)}"
    # Each test has a connection of its own: an address of an earlier server would stay in one that is kept.
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem(use_listings_cache=False).mkdir(name)
    return f"s3://{name}"
