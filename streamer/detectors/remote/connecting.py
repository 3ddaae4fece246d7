"""Which transport an address has."""

from __future__ import annotations

from streamer.detectors.remote.address import RemoteAddress
from streamer.detectors.remote.transport import Transport


def connect(address: RemoteAddress) -> Transport:
    """The transport of an address; it connects when it is used. Each is loaded when it is used."""
    if address.protocol == "http":
        from streamer.detectors.remote.http_transport import HttpTransport

        return HttpTransport(address)
    from streamer.detectors.remote.grpc_transport import GrpcTransport

    return GrpcTransport(address)
