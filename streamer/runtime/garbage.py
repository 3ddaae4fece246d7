"""The start of a command without a search for garbage: nothing of what is imported is any."""

from __future__ import annotations

import gc
from collections.abc import Mapping

_OBJECTS = 50_000
"""Fewer than ``annotate`` has when it begins to work (77,000), so that it does not work without that search: what a video
leaves behind by then would be kept."""


def not_while_starting() -> None:
    """Let Python look for garbage after its first ``_OBJECTS`` only, and then as usual, in what came later."""
    usual = gc.get_threshold()

    def go_on(_phase: str, _info: Mapping[str, int]) -> None:
        gc.callbacks.remove(go_on)
        gc.set_threshold(*usual)
        gc.freeze()  # what there is stays: a later search need not go through it

    gc.callbacks.append(go_on)
    gc.set_threshold(_OBJECTS)
