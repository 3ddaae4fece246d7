"""The demo beside an ASGI application, as ``docs/examples/demo_in_asgi.py`` has it, in a real ASGI server."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.waiting import wait_until

pytest.importorskip("aiortc")
pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "demo_in_asgi.py"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_begins_and_ends_with_the_application(tmp_path: Path) -> None:
    demo = free_port()
    text = (
        EXAMPLE.read_text(encoding="utf-8").replace("PORT = 8080", f"PORT = {demo}").replace("nanodet", "tests.bright:Bright")
    )
    (tmp_path / "demo_in_asgi.py").write_text(text, encoding="utf-8")
    log = tmp_path / "log.txt"
    command = [sys.executable, "-m", "uvicorn", "demo_in_asgi:application", "--port", "0"]
    with log.open("wb") as file:
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=file, stderr=file)
    try:
        wait_until(lambda: "Uvicorn running on" in log.read_text() or process.poll() is not None, 60)
        found = re.search(r"running on (http://[0-9.:]+)", log.read_text())
        assert found is not None, log.read_text()
        home = httpx.get(found[1])
        (link,) = re.findall(r'href="([^"]+)"', home.text)
        assert link == f"http://127.0.0.1:{demo}/"
        page = httpx.get(link)
        assert 'src="static/demo.js"' in page.text
        assert httpx.get(f"{link}api/demo").json()["may_start"] is True
        process.send_signal(signal.SIGINT)
        process.wait(30)
        assert "Traceback" not in log.read_text(), log.read_text()
        with pytest.raises(httpx.ConnectError):
            httpx.get(link)
    finally:
        process.kill()
        process.wait()
