"""Whether servers are who they say they are: certificates are checked, unless an address is not to be."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from streamer.redact import split_userinfo

PORTS = {"rtsps": 322, "https": 443, "rtmps": 443}
"""The schemes with TLS, and their ports."""

# Where distributions keep the certificates that they trust, besides where this Python looks.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)
_unchecked: set[tuple[str, int]] = set()


def leave_unchecked(url: str) -> None:
    """From now on, in this process, the server of ``url`` may show any certificate: its user has said so."""
    if (server := server_of(url)) is not None:
        _unchecked.add(server)


def checked(url: str) -> bool:
    """Whether ``url`` has TLS and its certificate is to be checked."""
    server = server_of(url)
    return server is not None and server not in _unchecked


def options(url: str) -> dict[str, str]:
    """FFmpeg's options for connecting to ``url``; none without TLS.

    PyAV's own FFmpeg 8.0 checks nothing by itself, its FFmpeg 8.1 against a file that only some distributions have.
    """
    if server_of(url) is None:
        return {}
    return {"tls_verify": "1", "ca_file": ca_file()} if checked(url) else {"tls_verify": "0"}


def ca_file() -> str:
    """The file of the certificates that are trusted: ``SSL_CERT_FILE`` of the environment, the system's, or certifi's."""
    import ssl  # where it is used: a recording's start is quicker without it

    paths = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_BUNDLES)
    for path in paths:
        if path and Path(path).is_file():
            return path
    import certifi  # where a bare system has none

    return certifi.where()


def distrusted(url: str, *, timeout_s: float = 3.0) -> str:
    """Why the certificate of ``url`` is not trusted, asked of its server; empty where it is, or the server does not answer.

    For after a failure, of which FFmpeg tells nothing but an input/output error.
    """
    import socket
    import ssl

    server = server_of(url)
    if server is None or not checked(url):
        return ""
    try:
        with socket.create_connection(server, timeout_s) as connection:
            ssl.create_default_context(cafile=ca_file()).wrap_socket(connection, server_hostname=server[0]).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError:
        return ""
    return ""


def server_of(url: str) -> tuple[str, int] | None:
    """Host and port of an address with TLS; None for any other."""
    try:
        scheme, _, rest = split_userinfo(url)
        parts = urlsplit(f"{scheme}{rest}")
        if parts.scheme not in PORTS or not parts.hostname:
            return None
        return parts.hostname, parts.port or PORTS[parts.scheme]
    except ValueError:
        return None
