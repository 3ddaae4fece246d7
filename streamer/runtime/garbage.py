"""The start of a command without a search for garbage: nothing of what is imported is any."""

from __future__ import annotations

import gc
from collections.abc import Mapping

_OBJECTS = 200_000
"""About as many as a command has when it begins to work."""


def not_while_starting() -> None:
    """Let Python look for garbage after its first ``_OBJECTS`` only, and then as usual."""
    usual = gc.get_threshold()

    def go_on(_phase: str, _info: Mapping[str, int]) -> None:
        gc.callbacks.remove(go_on)
        gc.set_threshold(*usual)

    gc.callbacks.append(go_on)
    gc.set_threshold(_OBJECTS)
