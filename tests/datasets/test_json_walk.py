"""A JSON file in pieces says what it says as a whole."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.datasets import json_walk
from streamer.datasets.json_walk import JsonWalk

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


def walked(walk: JsonWalk, content: bytes, depth: int) -> Any:
    """The value at hand, taken apart ``depth`` levels deep."""
    kind = walk._peek()  # the test does not know what comes, as readers of a format do
    if depth and kind == "{":
        return {name: walked(walk, content, depth - 1) for name in walk.entries()}
    if depth and kind == "[":
        return [walked(walk, content, depth - 1) for _ in walk.elements()]
    value = walk.value()
    start, length = walk.span
    assert json.loads(content[start : start + length]) == value
    return value


@given(value=VALUES, depth=st.integers(0, 4), piece=st.integers(1, 40), indent=st.sampled_from([None, 1]), ascii_=st.booleans())
def test_in_pieces_of_any_size(value: Any, depth: int, piece: int, indent: int | None, ascii_: bool) -> None:
    content = json.dumps(value, indent=indent, ensure_ascii=ascii_).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_walk, "_PIECE", piece)
        walk = JsonWalk(io.BytesIO(content))
        assert walked(walk, content, depth) == value
        walk.finish()


@given(value=VALUES, at=st.integers(0, 1000), byte=st.integers(0, 255), piece=st.integers(1, 40))
def test_damage_is_an_error_or_another_value(value: Any, at: int, byte: int, piece: int) -> None:
    content = bytearray(json.dumps(value, ensure_ascii=False).encode())
    content[at % len(content)] = byte
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_walk, "_PIECE", piece)
        try:
            expected = json.loads(bytes(content))
        except ValueError:
            with pytest.raises(ValueError, match=r"."):
                whole(content)
        else:
            assert repr(whole(content)) == repr(expected)


def whole(content: bytes | bytearray) -> Any:
    walk = JsonWalk(io.BytesIO(content))
    value = walk.value()
    walk.finish()
    return value


def test_what_is_not_taken_is_passed_over() -> None:
    walk = JsonWalk(io.BytesIO(b'\xef\xbb\xbf {"a": {"b": [1, 2]}, "c": [[3], {"d": 4}, 5]} '))
    taken: list[Any] = []
    for name in walk.entries():
        if name == "c":
            taken.extend((place, walk.value() if place == 1 else None) for place in walk.elements())
    walk.finish()
    assert taken == [(0, None), (1, {"d": 4}), (2, None)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an object at byte 0"),
        (b'{"a" 1}', "expected ':' at byte 5"),
        (b'{"a": 1 "b": 2}', "expected ',' at byte 8"),
        (b'{"a": 1,}', "at byte 8"),
        (b"{1: 2}", "expected a name"),
        (b'{"a": "b', "Unterminated string"),
        (b"{} {}", "expected the end at byte 3"),
        (b'\xff\xfe{\0"\0', "UTF-16"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(content: bytes, message: str) -> None:
    def walk_it() -> None:
        walk = JsonWalk(io.BytesIO(content))
        for _ in walk.entries():
            pass
        walk.finish()

    with pytest.raises(ValueError, match=message):
        walk_it()


def test_a_mistake_early_in_a_large_file_is_found_early() -> None:
    class Counted(io.BytesIO):
        read_bytes = 0

        def read(self, size: int | None = -1) -> bytes:
            found = super().read(size)
            Counted.read_bytes += len(found)
            return found

    with pytest.raises(ValueError, match="at byte 9"):
        JsonWalk(Counted(b'{"a": [1 2' + b" " * 50_000_000)).value()
    assert Counted.read_bytes < 5_000_000


@given(
    value=st.lists(st.none() | st.none() | st.integers() | st.text(max_size=3) | st.lists(st.none(), max_size=3), max_size=30),
    piece=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
)
def test_nulls_may_be_passed_over(value: list[Any], piece: int, indent: int | None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_walk, "_PIECE", piece)
        walk = JsonWalk(io.BytesIO(json.dumps(value, indent=indent).encode()))
        taken = {place: walk.value() for place in walk.elements(over_nulls=True)}
        walk.finish()
    assert {place: one for place, one in taken.items() if one is not None} == {
        place: one for place, one in enumerate(value) if one is not None
    }
    assert max(taken, default=-1) == len(value) - 1, "the last one says how many there are"


@pytest.mark.parametrize("content", [b"[null,]", b"[null,,1]", b"[null,", b"[null,null", b"[nul,null]", b"[null;null]"])
def test_nulls_that_are_passed_over_must_be_right(content: bytes) -> None:
    walk = JsonWalk(io.BytesIO(content))
    with pytest.raises(ValueError, match="at byte"):
        list(walk.elements(over_nulls=True))
