"""What becomes of a browser whose pictures cannot be worked on because of an unforeseen error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("aiortc")
from streamer.config.demo import load_demo_config
from streamer.demo.application import demo_app
from streamer.demo.session import DemoSession
from streamer.web.access import Access
from streamer.web.server import WebServer
from tests.chromium import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as launch:
        started = launch()
        yield started
        started.close()


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A demo with a single place."""
    config = load_demo_config(None, {"detector": "tests.bright:Everything", "sessions": 1})
    with WebServer("0", lambda: demo_app(config, Access(host="127.0.0.1"))) as server:
        yield server


def test_its_viewer_is_told_and_its_place_is_free_again(
    browser: Browser, server: WebServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    page = browser.new_page()
    page.goto(server.url)
    page.wait_for_selector("#state:text('ready')")
    page.locator("#test").click()
    page.wait_for_selector("#shown[data-pictures]", timeout=60_000)
    with monkeypatch.context() as broken:

        def fail(*_: Any) -> None:
            raise RuntimeError("nobody thought of this")

        broken.setattr(DemoSession, "_work", fail)
        page.wait_for_selector("#problem:text('ended by an error of the server')", timeout=60_000)
    assert not page.locator("#stop").is_visible()
    assert "nobody thought of this" in caplog.text
    page.locator("#test").click()
    page.wait_for_selector("#shown[data-pictures]", timeout=60_000)
    assert page.locator("#problem").text_content() == ""
    page.locator("#stop").click()
    page.wait_for_selector("#state:text('ready')")
