"""Who may see what: hosts, origins, tokens, roles.

Without a token nobody but this machine may reach the server, and browsers are kept from being used against it: a page of
another site cannot read from it (``Origin``), nor can one that points its own name at it (``Host``: DNS rebinding).
"""

from __future__ import annotations

import hmac
import ipaddress
import posixpath
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from aiohttp import web
from aiohttp.typedefs import Handler

from streamer.redact import remember_secret
from streamer.web.address import is_loopback

COOKIE = "streamer_session"
SESSION_S = 30 * 86_400.0
"""For how long a browser stays signed in."""
MOST_SESSIONS = 1000
ATTEMPTS = 10
"""Wrong tokens from one address within ``ATTEMPTS_S``; after them none is looked at."""
ATTEMPTS_S = 60.0
MOST_ADDRESSES = 10_000
SIGN_IN_PAGE, SIGN_IN, STATIC = "sign_in_page", "sign_in", "static"
"""Names of the routes that are open to all who know the server's name."""
_OPEN = frozenset({SIGN_IN_PAGE, SIGN_IN, STATIC})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "Server": "streamer",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Role(IntEnum):
    """What somebody may do; each may do what those before it may."""

    NOBODY = 0
    VIEW = 1
    OPERATE = 2


@dataclass(slots=True)
class Access:
    """Says who may do what."""

    host: str
    """The address that is listened on."""
    token: str | None = None
    """What gives the role ``OPERATE``; None: anybody who reaches the server has it."""
    view_token: str | None = None
    """What gives the role ``VIEW``."""
    hosts: Sequence[str] = ()
    """Further names of this server, such as that of a proxy in front of it."""
    tls: bool = False
    read_only: bool = False
    """Whether nobody may more than look, whatever token they have."""
    clock: Callable[[], float] = time.monotonic
    _sessions: dict[str, tuple[Role, float]] = field(default_factory=dict)
    _wrong: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for token in (self.token, self.view_token):
            if token is not None:
                remember_secret(token)

    @staticmethod
    def new_token() -> str:
        """One that cannot be guessed."""
        return secrets.token_urlsafe(24)

    def sign_in(self, token: str, remote: str) -> tuple[str, Role] | None:
        """A new session for whoever knows a token, and its role; None for a wrong one."""
        role = self._role_of(token)
        if role is Role.NOBODY:
            self._note_wrong(remote)
            return None
        now = self.clock()
        self._sessions = {key: session for key, session in self._sessions.items() if session[1] > now}
        if len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]  # the oldest
        session = secrets.token_urlsafe(32)
        self._sessions[session] = (role, now + SESSION_S)
        return session, role

    def sign_out(self, session: str) -> None:
        """Forget a session."""
        self._sessions.pop(session, None)

    def is_barred(self, remote: str) -> bool:
        """Whether too many wrong tokens came from there just now."""
        remote = _network(remote)
        since = self.clock() - ATTEMPTS_S
        wrong = [at for at in self._wrong.get(remote, ()) if at > since]
        if wrong:
            self._wrong[remote] = wrong
        else:
            self._wrong.pop(remote, None)
        return len(wrong) >= ATTEMPTS

    def role(self, request: web.Request) -> Role:
        """What the sender of a request may do."""
        if self.token is None:
            return self._most
        session = self._sessions.get(request.cookies.get(COOKIE, ""))
        if session is not None and session[1] > self.clock():
            return session[0]
        return self.role_by(request.headers.get("Authorization", ""), request.remote or "")

    def role_by(self, authorization: str, remote: str) -> Role:
        """What somebody at the address ``remote`` may do, by the header ``Authorization``."""
        if self.token is None:
            return self._most
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or self.is_barred(remote):
            return Role.NOBODY
        role = self._role_of(token.strip())
        if role is Role.NOBODY:
            self._note_wrong(remote)
        return role

    def knows_host(self, header: str) -> bool:
        """Whether ``Host`` names this server. A name that is not known may be one that somebody else points here."""
        host = _host_of(header)
        if host in {self.host, "localhost", *self.hosts}:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return address.is_loopback if is_loopback(self.host) else True

    def is_own_origin(self, request: web.Request) -> bool:
        """Whether a page of this server, or no page at all, has sent a request."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = request.headers.get("Origin")
        return origin is None or origin.partition("://")[2] == request.headers.get("Host", "")

    @property
    def _most(self) -> Role:
        """What anybody may do at most."""
        return Role.VIEW if self.read_only else Role.OPERATE

    def _role_of(self, token: str) -> Role:
        # Both are compared each time, in a time that does not tell how much of them was right.
        known = ((self.token, Role.OPERATE), (self.view_token, Role.VIEW))
        said = _bytes(token)
        roles = [
            min(role, self._most) for secret, role in known if secret is not None and hmac.compare_digest(_bytes(secret), said)
        ]
        return max(roles, default=Role.NOBODY)

    def _note_wrong(self, remote: str) -> None:
        remote = _network(remote)
        if len(self._wrong) >= MOST_ADDRESSES:
            self._wrong.pop(next(iter(self._wrong)))
        self._wrong.setdefault(remote, []).append(self.clock())


def guard(app: web.Application, access: Access, open_paths: Collection[str] = ()) -> None:
    """Turn away from an application who may not, and send the headers that keep pages to themselves.

    ``open_paths`` are for all who know the server's name, without a token: those of a probe, for instance.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = _refused(access, request, app, open_paths)
        return await handler(request) if refused is None else refused

    async def seal(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")

    app.middlewares.append(guarded)
    app.on_response_prepare.append(seal)


def needs(request: web.Request, role: Role) -> None:
    """Raises ``HTTPForbidden`` where the sender may not do what ``role`` may."""
    if request[ROLE] < role:
        raise web.HTTPForbidden(text="you may look only\n")


ROLE = web.RequestKey("role", Role)


def _refused(
    access: Access, request: web.Request, app: web.Application, open_paths: Collection[str]
) -> web.StreamResponse | None:
    if not access.knows_host(request.headers.get("Host", "")):
        return web.Response(
            status=403, text="this server is not known by that name; name it with web_hosts, or with hosts of serve\n"
        )
    asks_to_change = request.method not in _SAFE or request.headers.get("Upgrade", "").lower() == "websocket"
    if asks_to_change and not access.is_own_origin(request):
        return web.Response(status=403, text="this comes from a page of another site\n")
    request[ROLE] = access.role(request)
    is_open = request.match_info.route.name in _OPEN or request.path in open_paths
    if request[ROLE] is not Role.NOBODY or is_open:
        return None
    if access.is_barred(request.remote or ""):
        return web.Response(status=429, text="too many wrong tokens; wait a minute\n", headers={"Retry-After": "60"})
    if SIGN_IN_PAGE in app.router and request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        return web.Response(status=303, headers={"Location": _way(request.path, app.router[SIGN_IN_PAGE].url_for().path)})
    return web.Response(status=401, text="a token is needed\n", headers={"WWW-Authenticate": "Bearer"})


def _network(remote: str) -> str:
    """Whose tokens are counted together: whoever has an address of IPv6 has the other 2^64 of its network, too."""
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return remote
    if address.version == 4 or address.ipv4_mapped is not None or address.is_loopback:
        return remote
    return str(ipaddress.ip_network((int(address), 64), strict=False))


def _way(start: str, end: str) -> str:
    """From one path to another: a proxy may have put a path of its own in front of both, and taken it away again."""
    return posixpath.relpath(end, posixpath.dirname(start))


def _bytes(text: str) -> bytes:
    # Bytes of a header that are no UTF-8 come as lone surrogates.
    return text.encode("utf-8", "surrogatepass")


def _host_of(header: str) -> str:
    """``[::1]:8080`` as ``::1``; an empty name for what is none."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].rstrip(".")
