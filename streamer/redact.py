"""Addresses without their secrets, for everything that a person or a log gets to see."""

from __future__ import annotations

import re

# user:password@ or token@ after any scheme. The password may itself hold an @: the last one before the path ends it.
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^\s/:@?#]*)(?P<rest>(?::[^\s/?#]*)?)@(?=[^\s@])")
# Secrets that cameras and services take as query parameters.
_QUERY = re.compile(
    r"(?P<key>[?&;](?:[\w.-]*(?:pass|passwd|password|pwd|secret|token|signature|api_?key|auth|credential)[\w.-]*|sig|key|pw))=[^\s&;#'\"]+",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """``text`` with the passwords of all URLs in it replaced by ``***``; the user's name and the address stay.

    >>> redact("cannot open rtsp://admin:s3cret@10.0.0.7/live")
    'cannot open rtsp://admin:***@10.0.0.7/live'
    """
    return _QUERY.sub(r"\g<key>=***", _USERINFO.sub(_without_password, text))


def _without_password(found: re.Match[str]) -> str:
    # A lone user name may be an access token: without a password it is hidden as well.
    return f"{found['scheme']}{found['user']}:***@" if found["rest"] else f"{found['scheme']}***@"
