"""The demo in somebody's own application."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

pytest.importorskip("aiortc")
import streamer.web
from streamer.errors import ConfigError


def test_it_works_under_any_path() -> None:
    async def run() -> list[int]:
        main = web.Application()
        main.add_subapp("/demo/", streamer.web.app(detector="tests.bright:Bright", sessions=1))
        async with TestClient(TestServer(main)) as client:
            page = await client.get("/demo/")
            text = await page.text()
            assert 'src="static/demo.js"' in text
            paths = ("/demo/static/demo.js", "/demo/static/style.css", "/demo/api/demo", "/demo/api/demo/sessions/none")
            return [page.status, *[(await client.get(path)).status for path in paths]]

    assert asyncio.run(run()) == [200, 200, 200, 200, 404]


def test_what_cannot_be_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match="no class 'cta'"):
        streamer.web.app(classes=["cta"])
    with pytest.raises(ConfigError, match="sessions"):
        streamer.web.app(sessions=0)
    with pytest.raises(ConfigError, match="tls_cert and tls_key"):
        streamer.web.app(tls_cert="cert.pem")


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.demo.check.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="aiortc") as caught:
        streamer.web.app()
    assert caught.value.hint == 'pip install "streamer[web]"'
