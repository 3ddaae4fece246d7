"""Files of class names, in the formats that detectors come with. What is none of them is refused, never guessed."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterable
from pathlib import Path

from streamer.detectors.labels import NAMED
from streamer.errors import ConfigError

FORMATS = 'one name a line, lines "1 ball", CSV "1,ball", JSON {"1": "ball"} or a .pbtxt label map'

_NUMBERED = re.compile(r"(\d+)[\s:,;]+(\S.*)", re.ASCII)
_NAME_FIRST = re.compile(r"(\S.*?)\s*[,;:\t]\s*(\d+)", re.ASCII)
_HEADER = re.compile(r"\W*(?:class[_ -]?)?(?:id|index|number|no|name|label|class)\W*[\s,;:]+.*", re.IGNORECASE)
_BACKGROUND = re.compile(r"\?\?\?|_*background_*|bg", re.IGNORECASE)
"""What stands for class 0 in files whose first class has the id 1."""
# Braces, tags, assignments and keys: a name has none of them.
_SYNTAX = re.compile(r"[{}<>=]|^\[|\]$|^- |^[\w.\"' -]+:(?:\s|$)")
_TOKEN = re.compile(
    r"#[^\n]*|\s+|(?P<text>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')|(?P<word>[\w.+-]+)|(?P<mark>[{}<>:;,\[\]])"
)
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class _NotUnderstood(ValueError):
    """What is wrong with a label file; the text completes "the label file X is not understood: "."""


def read_labels(path: Path) -> dict[int, str]:
    """Class names by id from a file in UTF-8 or UTF-16, or one of the sets that ``labels.NAMED`` knows by name.

    Reads lines ``1 ball`` (also with a comma, a colon or the number at the end), one name a line (numbered from 1, or from 0
    where the first one is the background), JSON (``{"1": "ball"}``, ``{"ball": 1}``, the ``categories`` of COCO, ``id2label``),
    and the label maps of TensorFlow (``item { id: 1 name: "ball" }``, with ``display_name`` where there is one). Raises
    ``ConfigError``, with the line, for a file that cannot be read, is something else, or holds no names.
    """
    if path.name in NAMED and not path.exists():
        return dict(NAMED[path.name])
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"the label file {path} cannot be read: {error.strerror}", hint=f"give a text file: {FORMATS}"
        ) from error
    except UnicodeError as error:
        raise ConfigError(
            f"the label file {path} cannot be read: it is no UTF-8 or UTF-16 text", hint=f"give a text file: {FORMATS}"
        ) from error
    try:
        labels = _read(text)
    except _NotUnderstood as error:
        raise ConfigError(f"the label file {path} is not understood: {error}", hint=f"give {FORMATS}") from error
    if not labels:
        raise ConfigError(f"the label file {path} holds no names", hint=f"give {FORMATS}")
    return labels


def _decoded(data: bytes) -> str:
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in data[:2]:
        # No mark, but every other byte is zero.
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    text = data.decode(encoding)
    if "\0" in text:
        raise UnicodeError("zero bytes")
    return text


def _read(text: str) -> dict[int, str]:
    begun = text.lstrip()
    if begun.startswith(("{", "[")):
        return _from_json(text)
    if re.search(r"^\s*item\s*:?\s*[{<]", text, re.MULTILINE):
        return _from_pbtxt(text)
    return _from_lines([line.strip() for line in text.splitlines()])


def _from_lines(lines: list[str]) -> dict[int, str]:
    rows = [(number, line) for number, line in enumerate(lines, 1) if line]
    if len(rows) > 1 and _HEADER.fullmatch(rows[0][1]) and _columns(rows[1][1]) is not None:
        rows = rows[1:]
    parsed = [_columns(line) for _, line in rows]
    numbered = [pair for pair in parsed if pair is not None]
    if not numbered:
        return _names_alone(lines)
    if len(numbered) < len(rows):
        number, odd = next(row for row, pair in zip(rows, parsed, strict=True) if pair is None)
        raise _NotUnderstood(f"line {number}: {odd!r} has no number although other lines have one")
    return _unique(numbered)


def _columns(line: str) -> tuple[int, str] | None:
    """Number and name of a line; None where it has no number."""
    if found := _NUMBERED.fullmatch(line):
        number, name = found[1], found[2]
        if line[len(number)] in ",;":
            cells = next(csv.reader([line], delimiter=line[len(number)], skipinitialspace=True))
            if len(cells) > 2:
                raise _NotUnderstood(f"{line!r} has more than a number and a name")
            name = cells[1]
    elif found := _NAME_FIRST.fullmatch(line):
        name, number = found[1], found[2]
    else:
        return None
    name = _unquoted(name.strip())
    if not name or _SYNTAX.search(name):
        raise _NotUnderstood(f"{line!r} is no number and name")
    return int(number), name


def _names_alone(lines: list[str]) -> dict[int, str]:
    first = 0 if lines and _BACKGROUND.fullmatch(lines[0]) else 1
    named = {number: line for number, line in enumerate(lines, first) if line}
    for number, line in named.items():
        if _SYNTAX.search(line) or not line.isprintable():
            raise _NotUnderstood(f"line {number + 1 - first}: {line!r} is no name")
    if named and all(re.search(r"[,;\t]", line) for line in named.values()):
        raise _NotUnderstood("every line has several columns, and none a number")
    return named


def _from_json(text: str) -> dict[int, str]:
    try:
        data = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise _NotUnderstood(str(error)) from error
    except RecursionError as error:
        raise _NotUnderstood("it is nested too deeply") from error
    if isinstance(data, dict):
        data = next((data[key] for key in ("id2label", "categories", "names") if isinstance(data.get(key), dict | list)), data)
    if isinstance(data, list):
        if not all(isinstance(item, dict) and {"id", "name"} <= item.keys() for item in data):
            raise _NotUnderstood("a list says no numbers")
        pairs = [(item["id"], item["name"]) for item in data]
    else:
        pairs = list(data.items())
        if pairs and all(type(value) is int for _, value in pairs):
            pairs = [(value, key) for key, value in pairs]
    return _unique(_pair(key, name) for key, name in pairs)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object. Readers let the last of equal keys win in silence."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _NotUnderstood("a key is there twice")
    return made


def _pair(key: object, name: object) -> tuple[int, str]:
    if isinstance(key, bool) or not re.fullmatch(r"\d+", str(key), re.ASCII) or not isinstance(name, str) or not name.strip():
        raise _NotUnderstood(f"{key!r}: {name!r} is no number and name")
    return int(str(key)), name.strip()


def _from_pbtxt(text: str) -> dict[int, str]:
    """A ``StringIntLabelMap`` in protobuf's text format; of an item only what stands directly in it counts."""
    pairs: list[tuple[int, str]] = []
    item: dict[str, str] = {}
    depth, key = 0, ""
    for kind, token in _tokens(text):
        if kind == "mark" and token in "{<":
            if depth == 0 and key != "item":
                raise _NotUnderstood(f"{key or token!r} where an item was expected")
            depth, key = depth + 1, ""
        elif kind == "mark" and token in "}>":
            depth, key = depth - 1, ""
            if depth < 0:
                raise _NotUnderstood("a brace too many")
            if depth == 0:
                pairs.append(_pair(item.get("id"), item.get("display_name") or item.get("name")))
                item = {}
        elif kind == "mark":
            continue
        elif not key:
            key = token
        else:
            if depth == 1:
                item[key] = token
            key = ""
    if depth or key:
        raise _NotUnderstood("it ends within an item")
    return _unique(pairs)


def _tokens(text: str) -> Iterable[tuple[str, str]]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise _NotUnderstood(f"line {text.count(chr(10), 0, place) + 1}: {text[place : place + 20].splitlines()[0]!r}")
        place = found.end()
        if found["text"] is not None:
            yield "text", re.sub(r"\\(.)", r"\1", found["text"][1:-1])
        elif found.lastgroup is not None:
            yield found.lastgroup, found[found.lastgroup]


def _unquoted(text: str) -> str:
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _unique(pairs: Iterable[tuple[int, str]]) -> dict[int, str]:
    labels: dict[int, str] = {}
    for number, name in pairs:
        if labels.setdefault(number, name) != name:
            raise _NotUnderstood(f"{number} is {labels[number]!r} and {name!r}")
    return labels
