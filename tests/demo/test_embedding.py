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


def test_under_a_path_signing_in_works_too() -> None:
    async def run() -> list[object]:
        main = web.Application()
        main.add_subapp("/demo/", streamer.web.app(detector="tests.bright:Bright", web="127.0.0.1:0", web_token="operator"))
        async with TestClient(TestServer(main)) as client:
            sent = await client.get("/demo/", headers={"Accept": "text/html"}, allow_redirects=False)
            page, script = await client.get("/demo/login"), await client.get("/demo/static/login.js")
            entered = await client.post("/demo/login", data={"token": "operator"})
            offered = await client.get("/demo/api/demo")
            return [sent.headers["Location"], page.status, script.status, entered.status, offered.status]

    assert asyncio.run(run()) == ["login", 200, 200, 200, 200]


def test_who_may_look_only_starts_nothing() -> None:
    async def run() -> list[object]:
        options = {"detector": "tests.bright:Bright", "web": "127.0.0.1:0", "web_token": "operator", "web_view_token": "viewer"}
        async with TestClient(TestServer(streamer.web.app(**options))) as client:
            viewer = {"Authorization": "Bearer viewer"}
            offered = await (await client.get("/api/demo", headers=viewer)).json()
            asked = [
                client.post("/api/demo/sessions", json={"sdp": ""}, headers=viewer),
                client.post("/api/demo/sessions/key", json={}, headers=viewer),
                client.post("/api/demo/clips", data=b"", headers=viewer),
                client.post("/api/demo/sessions", json={"sdp": ""}, headers={"Authorization": "Bearer operator"}),
            ]
            return [offered["may_start"], *[(await answer).status for answer in asked]]

    assert asyncio.run(run()) == [False, 403, 403, 403, 400]


def test_what_cannot_be_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match="no class 'cta'"):
        streamer.web.app(classes=["cta"])
    with pytest.raises(ConfigError, match="sessions"):
        streamer.web.app(sessions=0)
    with pytest.raises(ConfigError, match="web_read_only"):
        streamer.web.app(web_read_only=True)
    with pytest.raises(ConfigError, match="tls_cert and tls_key"):
        streamer.web.app(tls_cert="cert.pem")


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.demo.check.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="aiortc") as caught:
        streamer.web.app()
    assert caught.value.hint == 'pip install "streamer[web]"'
