"""Video by WebRTC, asked for with one request (WHEP, draft-ietf-wish-whep): an offer comes, the answer goes back."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections import deque
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from aiohttp import web

from streamer.web.feed import Feed
from streamer.web.ice import IceServers
from streamer.web.letting_go import letting_go
from streamer.web.line import Sizes
from streamer.web.offer import for_viewer, has_h264, without_names

if TYPE_CHECKING:
    from streamer.web.line import Line
    from streamer.web.packets import PacketHub, VideoHead
    from streamer.web.video_peer import PacketTrack, VideoPeer

log = logging.getLogger(__name__)

SDP = "application/sdp"
MOST_TOLD = 500
"""Messages that may wait for one page; more are left out."""
SEND_S = 10.0
"""A page that takes no message for so long is sent away."""
_MODULES = ("streamer.web.peer", "streamer.web.video_peer")
NOT_INSTALLED = 'streamer has no WebRTC here: pip install "streamer[web]"'


def is_installed() -> bool:
    """Whether there is what WebRTC needs."""
    return find_spec("aiortc") is not None


async def prepare() -> None:
    """Load what WebRTC needs, which takes a second the first time, and nobody waits for."""
    if is_installed():
        for name in _MODULES:
            await asyncio.to_thread(import_module, name)


class WhepError(Exception):
    """An offer that is refused; ``status`` is that of HTTP."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Session:
    """One browser that watches one camera; implements ``feed.Reader``. Used in the server's loop."""

    def __init__(self, feed: Feed, hub: PacketHub) -> None:
        self.feed = feed
        self.hub = hub
        self._sizes = Sizes(len(feed.videos))
        self.over = ""
        """Why it has ended; empty while it lives."""
        self.track: PacketTrack
        self.peer: VideoPeer
        self._messages: deque[str] = deque()
        self._there = asyncio.Event()

    def tell(self, text: str) -> None:
        """JSON for the page; left out where too much waits."""
        if len(self._messages) < MOST_TOLD:
            self._messages.append(text)
            self._there.set()

    def begun(self, head: VideoHead) -> None:
        """Another video begins: which time of what is told of a picture its stamp is."""
        self.tell(json.dumps({"stamps": head.stamps}))

    def sent(self, rtp: int, stamp: int | None) -> None:
        """A picture has gone out: its time stamp as the page sees it, and the camera's."""
        self.tell(json.dumps({"rtp": rtp, "stamp": stamp}))

    def refused(self, why: str) -> None:
        """No more pictures come this way."""
        self.tell(json.dumps({"refused": why}))

    def wants_key(self) -> None:
        """The browser has lost something. A camera makes no key frame when asked to: what came since its last comes again."""
        if self.hub.make_key is None:
            self.hub.pictures.again(self.track)
        else:
            self.hub.make_key()

    def looked(self, line: Line, now_s: float) -> None:
        """Go over to a smaller picture where the line does not take this one, and try a larger one later."""
        if not self._sizes.judge(too_thin=line.is_too_thin(self.hub.pictures.bits_per_s, now_s), now_s=now_s):
            return
        self.hub.pictures.leave(self.track)
        self.hub = self.feed.videos[self._sizes.current]
        self.hub.pictures.join(self.track)
        takes = (line.bits_per_s or 0) / 1e6
        text = f"a smaller picture: the line takes {takes:.1f} Mbit/s" if self._sizes.current else ""
        log.info("%s: a viewer gets %s", self.feed.name, text or "the best picture again", extra={"source": self.feed.name})
        self.tell(json.dumps({"smaller": text}))

    def end(self, reason: str) -> None:
        """It ends."""
        self.over = self.over or reason
        self._there.set()

    async def next(self) -> str | None:
        """Wait for the next message; None when it has ended."""
        while not self._messages and not self.over:
            self._there.clear()
            await self._there.wait()
        return self._messages.popleft() if self._messages else None


class Sessions:
    """All browsers that watch by WebRTC. Keys are secrets that only the page which began a session knows."""

    def __init__(self, ice: IceServers) -> None:
        self._ice = ice
        self._open: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    def get(self, key: str) -> Session | None:
        """The session of that key, while it lives."""
        return self._open.get(key)

    async def open(self, feed: Feed, offer: str, reached: str) -> tuple[str, str]:
        """Begin one for a browser's offer, which has reached the server at that address. Returns its key and the answer, SDP.

        Raises ``WhepError``.
        """
        hub = feed.video
        if hub is feed.hub and (why := hub.why_not_webrtc):
            raise WhepError(409, why)
        if not has_h264(offer):
            raise WhepError(406, "this browser plays no H.264 by WebRTC")
        if not is_installed():
            raise WhepError(501, NOT_INSTALLED)
        await prepare()
        from streamer.web.peer import BadOffer
        from streamer.web.video_peer import PacketTrack, VideoPeer

        key = secrets.token_urlsafe(16)
        session = self._open[key] = Session(feed, hub)

        def ended(reason: str) -> None:
            log.info("%s: a viewer by WebRTC has gone: %s", feed.name, reason, extra={"source": feed.name})
            self._open.pop(key, None)
            session.hub.pictures.leave(session.track)
            feed.read_no_more(session)
            session.end(reason)

        session.track = PacketTrack(session.begun, session.sent, session.refused)
        session.peer = VideoPeer(session.track, ended, self._ice.for_server, wants_key=session.wants_key, looked=session.looked)
        try:
            answer = await session.peer.answer(without_names(offer))
        except BadOffer as error:
            await session.peer.close(f"its offer cannot be used: {error}")
            raise WhepError(400, str(error)) from error
        except BaseException:
            await session.peer.close("it left while it came")
            raise
        session.hub.pictures.join(session.track)
        feed.read(session)
        return key, for_viewer(answer, reached)

    async def close(self) -> None:
        """Send all away."""
        for session in list(self._open.values()):
            await session.peer.close("the server ends")


def add_whep(
    app: web.Application,
    feed_of: Callable[[web.Request], Feed],
    room: Callable[[], None],
    ice: IceServers,
) -> None:
    """Serve video by WebRTC. ``feed_of`` and ``room`` raise ``HTTPException``: there is no such camera, too many watch."""
    sessions = Sessions(ice)

    async def come(request: web.Request) -> web.Response:
        feed = feed_of(request)
        room()
        if request.content_type != SDP:
            raise web.HTTPUnsupportedMediaType(text=f"expected an offer: {SDP}\n")
        reached = request.transport and request.transport.get_extra_info("sockname")
        try:
            offer = await request.text()
            key, sdp = await sessions.open(feed, offer, str(reached[0]) if reached else "")
        except (UnicodeDecodeError, LookupError) as error:
            raise web.HTTPBadRequest(text="the offer cannot be read\n") from error
        except WhepError as error:
            return web.Response(status=error.status, text=f"{error}\n")
        answer = web.Response(status=201, text=sdp, content_type=SDP, headers={"Location": f"{request.rel_url.raw_path}/{key}"})
        for link in ice.links():
            answer.headers.add("Link", link)
        return answer

    def session_of(request: web.Request) -> Session:
        session = sessions.get(request.match_info["session"])
        if session is None or session.feed is not feed_of(request):
            raise web.HTTPNotFound(text="there is no such session\n")
        return session

    async def leave(request: web.Request) -> web.Response:
        await session_of(request).peer.close("it has said goodbye")
        return web.Response()

    async def listen(request: web.Request) -> web.StreamResponse:
        """A WebSocket: which picture is on the way, and what is in it. The session ends with it."""
        session = session_of(request)
        socket = web.WebSocketResponse(heartbeat=SEND_S, max_msg_size=1024)
        await socket.prepare(request)
        telling = asyncio.ensure_future(_tell(socket, session))
        try:
            with letting_go(request):
                async for _ in socket:  # it says nothing; this ends when it has gone, or is sent away
                    pass
                if session.over:
                    await telling
        finally:
            telling.cancel()
            await session.peer.close("its page is gone")
        return socket

    async def close(_: web.Application) -> None:
        await sessions.close()

    app.router.add_post("/api/cameras/{camera}/whep", come)
    app.router.add_get("/api/cameras/{camera}/whep/{session}", listen)
    app.router.add_delete("/api/cameras/{camera}/whep/{session}", leave)
    app.on_shutdown.append(close)


async def _tell(socket: web.WebSocketResponse, session: Session) -> None:
    """Send what is told, until the session ends or the page takes nothing for too long."""
    try:
        while (text := await session.next()) is not None:
            async with asyncio.timeout(SEND_S):
                await socket.send_str(text)
        reason = session.over
    except TimeoutError:
        reason = f"the page has taken nothing for {SEND_S:.0f} s"
        session.end(reason)
    except ConnectionError:
        return
    await socket.close(code=4000, message=reason.encode()[:120], drain=False)
