"""Relays (TURN): a real coturn, and a real Chromium that may go through it only."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

pytest.importorskip("aiortc")

from streamer.web.ice import IceServers
from tests.waiting import wait_until
from tests.web.sent import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SECRET = "what both of them know"
USER, PASSWORD = "guest", "the guest's own"
RELAY_ONLY = """
const Direct = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Direct {
  constructor(options) { super({ ...options, iceTransportPolicy: 'relay' }); window.newest = this; }
};
"""
"""As where no direct way is."""
WAY_OF_PACKETS = """async () => {
  const all = await newest.getStats();
  const pair = [...all.values()].find((one) => one.type === 'candidate-pair' && one.nominated && one.bytesReceived > 0);
  return all.get(pair.localCandidateId).candidateType;
}"""


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def coturn(folder: Path, *settings: str) -> Iterator[str]:
    """A TURN server of this machine, for as long as the block; its address for browsers."""
    program = shutil.which("turnserver", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("install coturn")
    port = free_udp_port()
    configuration = folder / "turnserver.conf"
    lines = [
        f"listening-port={port}",
        "listening-ip=127.0.0.1",
        "relay-ip=127.0.0.1",
        "realm=streamer.test",
        "no-tls",
        "no-dtls",
        "no-cli",
        "allow-loopback-peers",
        f"pidfile={folder / 'turnserver.pid'}",
        f"userdb={folder / 'turndb'}",
        "log-file=stdout",
        *settings,
    ]
    configuration.write_text("\n".join(lines) + "\n")
    log = folder / "turnserver.log"
    with log.open("wb") as out:
        process = subprocess.Popen([program, "-c", str(configuration)], stdout=out, stderr=out)
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                return False
            return True

        wait_until(answers, what=log.read_text)
        yield f"turn:127.0.0.1:{port}?transport=udp"
    finally:
        process.kill()
        process.wait(30)


def watch(browser: Browser, url: str) -> tuple[Page, str]:
    """The page, and what it says of how the picture that it shows came."""
    page = browser.new_context().new_page()
    page.add_init_script(RELAY_ONLY)
    page.goto(url)
    page.get_by_role("button", name="gate, enlarge").click()
    page.wait_for_selector("#large canvas[data-picture-stamp]:not([data-picture-stamp=''])", timeout=60_000)
    return page, page.locator("#way").text_content() or ""


@pytest.mark.parametrize(
    ("settings", "login"),
    [
        (("use-auth-secret", f"static-auth-secret={SECRET}"), {"secret": SECRET}),
        (("lt-cred-mech", f"user={USER}:{PASSWORD}"), {"user": USER, "password": PASSWORD}),
    ],
    ids=["for an hour", "for ever"],
)
def test_a_browser_that_may_only_go_through_a_relay_gets_pictures(
    settings: tuple[str, ...], login: dict[str, Any], tmp_path: Path, browser: Browser
) -> None:
    with coturn(tmp_path, *settings) as url, served(tmp_path, IceServers([url], **login)) as wall:
        page, way = watch(browser, wall)
        assert (way, page.evaluate(WAY_OF_PACKETS)) == ("WebRTC", "relay")
        page.context.close()


@pytest.mark.parametrize(
    "login", [{"secret": "another one"}, {"secret": SECRET, "clock": lambda: 1.0}], ids=["wrong secret", "an hour is over"]
)
def test_a_relay_that_lets_nobody_in_is_named_and_pictures_come_another_way(
    login: dict[str, Any], tmp_path: Path, browser: Browser
) -> None:
    with (
        coturn(tmp_path, "use-auth-secret", f"static-auth-secret={SECRET}") as url,
        served(tmp_path, IceServers([url], **login)) as wall,
    ):
        page, way = watch(browser, wall)
        page.context.close()
        assert way == f"MSE (its video did not begin within 3 s: the relay {url} refuses the login that streamer made)"


def test_a_relay_that_is_away_keeps_nobody_from_the_direct_way(tmp_path: Path, browser: Browser) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        servers = IceServers([f"stun:{where}", f"turn:{where}"], secret=SECRET)
        with served(tmp_path, servers) as wall:
            page = browser.new_page()
            page.goto(wall)
            page.get_by_role("button", name="gate, enlarge").click()
            page.wait_for_selector("#large canvas[data-picture-stamp]:not([data-picture-stamp=''])", timeout=60_000)
            assert page.locator("#way").text_content() == "WebRTC"
            page.close()


def test_what_a_page_is_told_holds_no_secret(tmp_path: Path) -> None:
    servers = IceServers(["stun:127.0.0.1:1", "turn:127.0.0.1:2"], secret=SECRET, clock=lambda: 1_000_000.5)
    with served(tmp_path, servers) as wall:
        told = httpx.get(f"{wall}/api/cameras").json()["ice_servers"]
    assert told[0] == {"urls": "stun:127.0.0.1:1"}
    assert (told[1]["urls"], told[1]["username"]) == ("turn:127.0.0.1:2", "1003600:streamer")
    assert SECRET not in json.dumps(told) + repr(servers)
