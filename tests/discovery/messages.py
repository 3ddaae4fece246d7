"""Answers to a probe, good and bad."""

from __future__ import annotations

from urllib.parse import quote
from xml.sax.saxutils import escape


def probe_match(
    addresses: str,
    *,
    name: str = "Gate",
    types: str = "dn:NetworkVideoTransmitter",
    scopes: str | None = None,
    before: str = "",
) -> bytes:
    """One device at ``addresses``, separated by blanks; ``before`` stands before the document's element."""
    scopes = f"onvif://www.onvif.org/name/{quote(name)} onvif://www.onvif.org/hardware/M1" if scopes is None else scopes
    return f"""<?xml version="1.0" encoding="UTF-8"?>{before}
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Body><d:ProbeMatches><d:ProbeMatch>
<d:Types>{types}</d:Types><d:Scopes>{escape(scopes)}</d:Scopes><d:XAddrs>{addresses}</d:XAddrs>
</d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>""".encode()


BOMB = probe_match(
    "http://192.0.2.1/&z;",
    before='<!DOCTYPE z [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghz", strict=True))
    + "]>",
)
FILE = probe_match("http://192.0.2.1/&f;", before='<!DOCTYPE f [<!ENTITY f SYSTEM "file:///etc/passwd">]>')
