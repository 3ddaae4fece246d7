"""Session descriptions of WebRTC (SDP, RFC 8866) as far as they are looked at here, without aiortc."""

from __future__ import annotations

import ipaddress

MOST_HOSTS = 8
"""Addresses of this machine that are offered, at most: browsers try all of them in turn."""


def has_h264(sdp: str) -> bool:
    """Whether a browser offers to play H.264."""
    return any(line.startswith("a=rtpmap:") and " H264/" in line.upper() for line in sdp.splitlines())


def without_names(sdp: str) -> str:
    """An offer without addresses that are names (``….local``, RFC 8828): asking the network for them takes seconds where nobody
    answers, and the browser, which knows the server's address, makes itself known."""
    lines = sdp.splitlines(keepends=True)
    return "".join(line for line in lines if not (address := _host(line)) or not address.endswith(".local"))


def for_viewer(sdp: str, reached: str) -> str:
    """An answer with those addresses of this machine only that make sense for somebody who has ``reached`` it at that address.

    That address alone, where it is among them. A proxy or a container stands between them where it is not, or is one of
    this machine alone: then some more are offered, the first ones. What a server outside has told (STUN, TURN) always stays.
    """
    lines = sdp.splitlines(keepends=True)
    hosts = [address for line in lines if (address := _host(line))]
    near = [address for address in hosts if _same(address, reached)]
    kept = set(near or list(dict.fromkeys(hosts))[:MOST_HOSTS])
    return "".join(line for line in lines if (address := _host(line)) is None or address in kept)


def _host(line: str) -> str | None:
    """The address of a line that offers one of this machine (RFC 8839, 5.1); None for any other line."""
    if not line.startswith("a=candidate:"):
        return None
    words = line.split()
    return words[4] if len(words) > 7 and words[7] == "host" else None


def _same(address: str, other: str) -> bool:
    try:
        return ipaddress.ip_address(address) == ipaddress.ip_address(other.partition("%")[0])
    except ValueError:
        return False
