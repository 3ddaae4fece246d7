"""What a page may choose."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.demo.choice import BadChoice, Choice

NAMES = ("nanodet", "nanodet:large")


def test_what_is_not_said_stays() -> None:
    choice = Choice("nanodet", ("person",))
    assert choice.changed({}, NAMES) == choice
    changed = choice.changed({"detector": "nanodet:large", "classes": None, "draw": ["boxes"], "background": "blur"}, NAMES)
    assert changed == Choice("nanodet:large", None, frozenset({"boxes"}), "blur")


@pytest.mark.parametrize(
    "said",
    [
        {"detector": "hub:elsewhere"},
        {"detector": ["nanodet"]},
        {"classes": "person"},
        {"classes": [1]},
        {"classes": ["person"] * 201},
        {"draw": ["everything"]},
        {"draw": [[]]},
        {"background": "paint"},
        {"background": []},
    ],
)
def test_what_is_no_choice_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(BadChoice, match=next(iter(said))):
        Choice("nanodet").changed(said, NAMES)
