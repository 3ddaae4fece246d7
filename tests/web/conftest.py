"""A real browser for the tests of the pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.chromium import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A test makes a context of its own in it. Not for more than a module, see ``chromium``."""
    with chromium() as launch:
        started = launch()
        yield started
        started.close()
