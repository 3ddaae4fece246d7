"""WS-Discovery: one question to all that listen, by multicast, and the answers of a few seconds."""

from __future__ import annotations

import socket
import struct
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from streamer.discovery.answers import Answer, plain, read_answer
from streamer.errors import ConfigError, SourceUnavailable

TARGET = ("239.255.255.250", 3702)
"""Where devices listen, by the standard."""
_LARGEST = 65_535
_AGAIN_S = 0.5
_MOST = 1000

_PROBE = """<?xml version="1.0" encoding="UTF-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl">
<e:Header><w:MessageID>urn:uuid:{message}</w:MessageID>
<w:To e:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>
<w:Action e:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>
<e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"""


@dataclass
class Answers:
    """What came back."""

    devices: list[Answer] = field(default_factory=list)
    """Each once, in the order of their addresses."""
    notes: list[str] = field(default_factory=list)
    """What could not be read, one line for each host that sent it."""


def probe(seconds: float, interface: str | None = None, target: tuple[str, int] = TARGET) -> Answers:
    """Ask twice, since datagrams get lost, and listen for ``seconds``.

    ``interface`` is the name or the IPv4 address of the network interface to ask on; without one, all are asked. Raises
    ``ConfigError`` for one that does not exist and ``SourceUnavailable`` where nothing can be sent.
    """
    message = _PROBE.format(message=uuid.uuid4()).encode()
    devices: dict[str, Answer] = {}
    unread: dict[str, str] = {}
    begin = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        _send(link, message, target, interface)
        again = True
        while (now := time.monotonic() - begin) < seconds and len(devices) < _MOST:
            if again and now >= _AGAIN_S:
                again = False
                _send(link, message, target, interface)
            link.settimeout(max(min(seconds, _AGAIN_S if again else seconds) - now, 0.001))
            try:
                datagram, (host, _) = link.recvfrom(_LARGEST)
            except TimeoutError:
                continue
            try:
                for answer in read_answer(datagram, host):
                    devices.setdefault(answer.service, answer)
            except ValueError as error:
                if len(unread) < _MOST:
                    unread[host] = str(error)
    found = sorted(devices.values(), key=lambda answer: (socket.inet_aton(answer.host), answer.service))
    return Answers(found, [f"an answer of {host} cannot be read: {why}" for host, why in sorted(unread.items())])


def _send(link: socket.socket, message: bytes, target: tuple[str, int], interface: str | None) -> None:
    failed: OSError | None = None
    sent = False
    for request in _interfaces(interface):
        try:
            link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
            link.sendto(message, target)
            sent = True
        except OSError as error:
            failed = error  # an interface that is down, say; the others are asked
    if not sent:
        where = f"on {plain(interface)}" if interface else "on any interface"
        raise SourceUnavailable(
            f"nothing can be sent to the network {where}" + (f" ({failed.strerror})" if failed else ""),
            hint="connect it, or name another with --interface",
        )


def _interfaces(interface: str | None) -> Sequence[bytes]:
    """What ``IP_MULTICAST_IF`` is set to: group, address and number of each interface (``ip_mreqn``)."""
    if interface is None:
        return [_request(number) for number, _ in socket.if_nameindex()]
    try:
        return [socket.inet_pton(socket.AF_INET, interface)]
    except OSError:
        pass  # no address, so it is a name
    try:
        return [_request(socket.if_nametoindex(interface))]
    except OSError:
        names = ", ".join(name for _, name in socket.if_nameindex())
        raise ConfigError(f"there is no network interface {plain(interface)}", hint=f"there are {names}") from None


def _request(number: int) -> bytes:
    return struct.pack("=4s4si", bytes(4), bytes(4), number)
