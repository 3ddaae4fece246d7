"""The releases of PyAV that are supported look the same from outside of this module."""

from __future__ import annotations

from fractions import Fraction

import pytest
from av.rational import AVRational

from streamer.runtime import pyav


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (None, None),
        (Fraction(30_000, 1001), Fraction(30_000, 1001)),
        (Fraction(0), None),
        (AVRational(24, 1), Fraction(24)),
        (AVRational(0, 1), None),
        (AVRational(1, 0), None),
    ],
)
def test_a_ratio_is_exact_or_not_there(ratio: pyav.Ratio | None, expected: Fraction | None) -> None:
    found = pyav.fraction(ratio)
    assert found == expected
    assert found is None or type(found) is Fraction


def test_text_that_is_not_utf8_can_be_printed() -> None:
    assert pyav.readable({"title": b"caf\xe9".decode("utf-8", "surrogateescape")}) == {"title": "caf\ufffd"}
