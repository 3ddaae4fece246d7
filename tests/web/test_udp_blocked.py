"""Where UDP does not pass, no picture comes by WebRTC: a real Chromium goes over to MSE, and the page says why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("aiortc")

from streamer.web import whep
from tests.chromium import Launch, chromium
from tests.web.sent import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

UDP_IS_OFF = "--webrtc-ip-handling-policy=disable_non_proxied_udp"
"""As administrators forbid it; the browser then has no address at all, and tells of nothing."""
NOWHERE = "192.0.2.1"
"""An address of RFC 5737, which nobody has."""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path) as address:
        yield address


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    with chromium() as launch:
        yield launch


def way_of(browser: Browser, url: str) -> tuple[list[str], list[str]]:
    """What the page says of how pictures come, one after the other until they do, and what the browser complained of."""
    page = browser.new_context().new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    page.get_by_role("button", name="gate, enlarge").click()
    way = page.locator("#way")
    said = [way.text_content() or ""]
    page.wait_for_selector("#large canvas[data-picture-stamp]:not([data-picture-stamp=''])", timeout=60_000)
    said.append(way.text_content() or "")
    # A camera that was tried in vain is not tried in vain for another view of it.
    page.keyboard.press("Escape")
    page.get_by_role("button", name="gate, enlarge").click()
    said.append(way.text_content() or "")
    page.context.close()
    return said, complaints


WHY = "MSE (its video did not begin within 3 s: UDP may not pass)"


def test_a_browser_that_may_not_use_udp_gets_pictures_by_mse(url: str, launch: Launch) -> None:
    browser = launch(UDP_IS_OFF)
    said, complaints = way_of(browser, url)
    browser.close()
    assert said == ["WebRTC", WHY, WHY]
    assert complaints == []


def test_an_address_that_leads_nowhere_is_given_up(url: str, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        whep, "for_viewer", lambda answer, _: re.sub(r"(?m)^(a=candidate:(?:\S+ ){4})\S+", rf"\g<1>{NOWHERE}", answer)
    )
    browser = launch()
    said, complaints = way_of(browser, url)
    browser.close()
    assert said == ["WebRTC", WHY, WHY]
    assert complaints == []
