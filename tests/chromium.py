"""The system's Chromium, driven by playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Launch = Callable[..., "Browser"]
"""Starts a browser with further arguments of its command line."""

_PATH = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def chromium() -> Iterator[Launch]:
    """What starts browsers. While it is entered, ``asyncio.run()`` cannot be called in this thread."""
    playwright = pytest.importorskip("playwright.sync_api")
    if _PATH is None:
        if os.environ.get("REQUIRE_ALL"):
            pytest.fail("chromium is needed")
        pytest.skip("chromium is needed")
    with playwright.sync_playwright() as started:
        yield lambda *arguments: started.chromium.launch(executable_path=_PATH, args=["--no-sandbox", *arguments])
