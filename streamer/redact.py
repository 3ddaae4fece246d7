"""Texts without passwords and tokens, for everything that a person, a log or another program gets to see.

Two nets, one behind the other. What looks like a secret is hidden by its place: in an address before the host, in a query
after ``password=``, in a header after ``Authorization:``. And the secrets of addresses that were understood are remembered
(:func:`remember`), so that they are found wherever else they turn up, however they are spelled there.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"

# With one slash only, an address was taken for a path on its way.
_SCHEME = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|\b(?:https?|rtsps?|rtmps?|srt|tcp|udp):/)")
_NO_SCHEME = re.compile(r"(?<![\w/.@:-])(?P<user>[\w.-]+):(?P<password>[^\s/@'\"]+)@(?=[\w\[])")
# A host beyond doubt: an IPv4 or IPv6 address, localhost, or a name with a dot in it.
_ADDRESS = r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.%]+\]|localhost)"
_NAME = r"(?:[A-Za-z0-9_-]+\.)+[A-Za-z0-9_-]+"
_PORT = r"(?::\d{1,5})?"
_AFTER = r"[:;,.)\]}>'\"…]*"  # punctuation of the sentence around it
_CERTAIN_ADDRESS = re.compile(_ADDRESS + _PORT + _AFTER)
_CERTAIN_HOST = re.compile(f"(?:{_ADDRESS}|{_NAME}){_PORT}{_AFTER}")
_PLAIN_HOST = re.compile(f"(?:{_CERTAIN_HOST.pattern}|[A-Za-z0-9_-]+:\\d{{1,5}}{_AFTER})")
_HOST_LIKE = re.compile(f"(?:{_ADDRESS}{_PORT}|{_NAME}{_PORT}|[A-Za-z0-9_-]+:\\d{{1,5}})(?![A-Za-z0-9_@])|[A-Za-z0-9_-]+/")

_SECRET_KEY = re.compile(
    r"(?:.*(?:pass|passwd|password|pwd|passphrase|secret|token|api[-_]?key|access[-_]?key|signature|credential|session[-_]?id).*"
    r"|auth|auth[-_].*|authori[sz]ation|.*[-_]auth|sig.*|.*[-_](?:key|sig|pw)|key|pw)",
    re.IGNORECASE | re.DOTALL,
)
_PARAMETER = re.compile(r"(?P<before>[?&;])(?P<key>[^\s?&;=#/]{1,100})=(?P<value>(?:(?!#[a-z]+=)[^\s&])+)")
# Without a question mark before it: only words that stand for nothing else.
_ASSIGNMENT = re.compile(
    r"(?P<before>(?<![A-Za-z0-9?&;])(?:[\w.-]*(?:passwd|password|pwd|secret|api_?key)|token|access_token)\s?=\s?)(?P<value>[^\s&]+)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<before>\b(?:(?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]*(?:key|token|auth|secret)[\w-]*)['\"]?\s*:\s*)(?P<value>[^\r\n]+)",
    re.IGNORECASE,
)
_TAIL = re.compile(r"[)\]}>,.:;'\"…]*\Z")

_ANYWHERE = 8
"""Characters from which a remembered secret is hidden also within words."""
_SHORTEST = 4
"""Characters below which it is hidden in quotes only: a password ``a`` would leave nothing to read."""


class Userinfo(NamedTuple):
    """What stands before the host of an address, as it is written."""

    user: str
    password: str | None
    """None where there is no colon: what stands alone may be an access token."""


def split_userinfo(url: str) -> tuple[str, Userinfo | None, str]:
    """``url`` as scheme with ``://``, user and password, and the rest from the host on.

    The first ``/``, ``?`` or ``#`` ends the authority, as RFC 3986 says, unless a password that was not percent-encoded
    holds one: what then stands before it is no host, and one follows behind a later ``@``.

    >>> split_userinfo("rtsp://admin:pa/ss@10.0.0.7/live")
    ('rtsp://', Userinfo(user='admin', password='pa/ss'), '10.0.0.7/live')
    """
    found = _SCHEME.match(url)
    if found is None:
        return "", None, url
    rest = url[found.end() :]
    at = _last_at(rest)
    if at is None:
        return found[0], None, rest
    user, colon, password = rest[:at].partition(":")
    return found[0], Userinfo(user, password if colon else None), rest[at + 1 :]


def _last_at(rest: str) -> int | None:
    """Where in what follows ``://`` the user and password end; None where there are none."""
    authority = re.split(r"[/?#\s]", rest, maxsplit=1)[0]
    at = authority.rfind("@")
    host = authority[at + 1 :]
    last = rest.rfind("@")
    if last <= at or _CERTAIN_ADDRESS.fullmatch(host):
        return at if at >= 0 else None
    if _PLAIN_HOST.fullmatch(host) and not _HOST_LIKE.match(rest, last + 1):
        return at if at >= 0 else None
    if at < 0 and ":" not in rest[:last] and (_CERTAIN_HOST.fullmatch(host) or re.search(r"\s", rest[:last])):
        return None  # https://example.org/@name
    return last


class _Known:
    """The remembered secrets of this process, as one pattern. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None
        self._long: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        with self._lock:
            if not secret.strip() or secret == HIDDEN or secret in self._secrets:
                return
            self._secrets[secret] = None
            self._pattern = pattern_of(self._secrets)
            self._long = pattern_of(known for known in self._secrets if len(known) >= _ANYWHERE)

    def secrets(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._secrets)

    def forget(self) -> None:
        with self._lock:
            self._secrets.clear()
            self._pattern = self._long = None

    def hide(self, text: str) -> str:
        pattern = self._pattern
        return text if pattern is None else pattern.sub(HIDDEN, text)

    def hide_long(self, text: str) -> str:
        pattern = self._long
        return text if pattern is None else pattern.sub(HIDDEN, text)


def pattern_of(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """What finds any of ``secrets`` as it is, percent-encoded, decoded, or as Python or JSON write it; longest first."""
    forms = {form for secret in secrets for form in _spellings(secret)}
    parts = [_part(form) for form in sorted(forms, key=len, reverse=True)]
    return re.compile("|".join(parts)) if parts else None


def _spellings(secret: str) -> Iterator[str]:
    for plain in {secret, unquote(secret), unquote_plus(secret)}:
        coded = {quote(plain, safe=safe) for safe in ("", "/", "!$&'()*+,;=:-._~")} | {quote_plus(plain)}
        yield plain
        yield from coded
        yield from (re.sub("%..", lambda found: found[0].lower(), form) for form in coded)
        yield repr(plain)[1:-1]
        yield repr(plain.encode("utf-8", "surrogateescape"))[2:-1]
        yield json.dumps(plain, ensure_ascii=False)[1:-1]
        yield json.dumps(plain)[1:-1]
        yield " ".join(plain.split())  # as a line of a log


def _part(form: str) -> str:
    escaped = re.escape(form)
    if len(form) >= _ANYWHERE:
        return escaped
    if len(form) >= _SHORTEST:
        return f"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])"
    return f"(?<=['\"]){escaped}(?=['\"])" if form else r"(?!)"


_known = _Known()


def remember(text: str) -> None:
    """Hide from now on the secrets of the address ``text`` wherever they stand, in this process.

    Its password, or the user name that stands alone, and the values of its query that go by a secret's name.
    """
    if "://" not in text:
        return
    _, userinfo, _ = split_userinfo(text)
    if userinfo is not None:
        user, password = userinfo
        remember_secret(user if password is None else password)
        if password is not None:
            # As in HTTP's header for it, which FFmpeg and servers may show.
            basic = f"{unquote(user)}:{unquote(password)}".encode("utf-8", "surrogateescape")
            remember_secret(base64.b64encode(basic).decode())
    for part in re.split(r"[?&;]", text)[1:]:
        key, _, value = part.partition("=")
        if _is_secret(key):
            remember_secret(value)
            remember_secret(value.partition("#")[0])


def remember_secret(value: str) -> None:
    """Hide ``value`` itself from now on: from 8 characters on anywhere, from 4 as a word, a shorter one in quotes."""
    _known.add(value)


def remembered() -> tuple[str, ...]:
    """What is hidden, for another process that does work of this one."""
    return _known.secrets()


def forget() -> None:
    """Forget all that was remembered (for tests: one process runs one command)."""
    _known.forget()


def redact(text: str) -> str:
    """``text`` with passwords and tokens replaced by ``***``; the users' names and the addresses stay.

    >>> redact("cannot open rtsp://admin:s3cret@10.0.0.7/live")
    'cannot open rtsp://admin:***@10.0.0.7/live'
    """
    # The long ones first, lest a part of one is taken for something else; the short ones last, lest a key is taken for one.
    text = _known.hide_long(text)
    if ":/" in text:
        text = "\n".join(_without_userinfo(line) for line in text.split("\n"))
    if "=" in text:
        text = _ASSIGNMENT.sub(_without_value, _PARAMETER.sub(_without_parameter, text))
    if ":" in text:
        text = _HEADER.sub(rf"\g<before>{HIDDEN}", text)
    text = _known.hide(text)
    return _NO_SCHEME.sub(rf"\g<user>:{HIDDEN}@", text) if "@" in text else text


def _without_userinfo(line: str) -> str:
    out, at = [], 0
    while found := _SCHEME.search(line, at):
        out.append(line[at : found.end()])
        at = found.end()
        # The address ends with the line, or before the next one that follows in it.
        following = re.search(rf"\s\S*?{_SCHEME.pattern}", line[at:])
        rest = line[at : at + following.start()] if following else line[at:]
        end = _end_of_userinfo(rest)
        if end is not None:
            user, colon, _ = rest[:end].partition(":")
            out.append(f"{user}:{HIDDEN}" if colon and not re.search(r"[\s/?#@]", user) else HIDDEN)
            at += end
    return "".join([*out, line[at:]])


def _end_of_userinfo(rest: str) -> int | None:
    word = re.split(r"\s", rest, maxsplit=1)[0]
    end = _last_at(word)
    host = re.split(r"[/?#]", word[0 if end is None else end + 1 :], maxsplit=1)[0]
    if len(word) == len(rest) or _CERTAIN_HOST.fullmatch(host) or ":" not in word:
        return end
    # What looks like the host of an address that ends here may be the first word of a password with a space in it.
    return _last_at(rest)


def _without_parameter(found: re.Match[str]) -> str:
    return f"{found['before']}{found['key']}={_hidden_value(found['value'])}" if _is_secret(found["key"]) else found[0]


def _without_value(found: re.Match[str]) -> str:
    return f"{found['before']}{_hidden_value(found['value'])}"


def _hidden_value(value: str) -> str:
    tail = _TAIL.search(value)
    return HIDDEN + (tail[0] if tail else "")


def _is_secret(key: str) -> bool:
    for _ in range(3):  # it may be percent-encoded, and in a query of a query once more
        if _SECRET_KEY.fullmatch(key):
            return True
        key = unquote(key)
    return False
