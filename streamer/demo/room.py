"""Those who try the demo: their connections, sessions and clips. Everything here runs in the server's loop."""

from __future__ import annotations

import asyncio
import logging
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from streamer.config.demo import DemoConfig
from streamer.demo.choice import BadChoice, Choice
from streamer.demo.detectors import Detectors
from streamer.demo.player import Player
from streamer.demo.session import DemoSession
from streamer.frame import Frame
from streamer.web.ice import IceServers
from streamer.web.peer import Peer

log = logging.getLogger(__name__)

_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg"
_MOST_FAILED = 100
_FAILED = "This session was ended by an error of the server, which its log names. Please start again."
_NO_CLIP = "this is no clip that can be played: bring an MP4, MOV, WebM, MKV or AVI file"
CAMERA, TEST, CLIP = "camera", "test", "clip:"
"""Where pictures come from: the browser's camera, the test scene, a clip that was brought (``clip:KEY``)."""


class RoomFull(Exception):
    """As many as there may be are here already; the message says so kindly."""


class SessionFailed(Exception):
    """An unforeseen error has ended a session; the message tells the viewer."""


class BadClip(Exception):
    """A clip that is too large, or none; the message says what may be."""


@dataclass(slots=True)
class _Guest:
    session: DemoSession
    peer: Peer
    player: Player | None = None
    clip: str = ""
    told: str = ""
    """Why its player cannot play; empty where it can."""


class Room:
    """At most so many at a time. Keys are secrets that only the page which began a session knows."""

    def __init__(self, config: DemoConfig) -> None:
        self._config = config
        self.detectors = Detectors(config)
        self._guests: dict[str, _Guest] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="streamer-demo-")
        self._clips: dict[str, Path] = {}
        self._failed: dict[str, None] = {}
        """Keys of the sessions that an error has ended, the newest last: whoever asks for one is told so."""
        self._closing: set[asyncio.Task[None]] = set()

    def first_choice(self) -> Choice:
        """What is chosen before anybody chooses."""
        return Choice(self.detectors.own, self._config.classes)

    async def enter(self, offer: str, source: str, said: Mapping[str, Any]) -> tuple[str, str]:
        """Begin a session for a browser's offer. Returns its key and the answer, SDP.

        Raises ``BadOffer``, ``BadChoice`` and ``RoomFull``.
        """
        choice = self.first_choice().changed(said, self.detectors.names)
        clip = self._clips.get(source.removeprefix(CLIP)) if source.startswith(CLIP) else None
        if source not in (CAMERA, TEST) and clip is None:
            raise BadChoice("source: expected camera, test or a clip that is there")
        if len(self._guests) >= self._config.sessions:
            raise RoomFull(
                f"{self._config.sessions} browsers try it just now, as many as there may be. Please come again in a minute."
            )
        key = secrets.token_urlsafe(16)
        loop = asyncio.get_running_loop()

        def put(picture: Any, pts: int) -> None:
            try:
                loop.call_soon_threadsafe(peer.outgoing.put, picture, pts)
            except RuntimeError:
                log.debug("the server was closed meanwhile")

        def ended(reason: str) -> None:
            log.info("demo: a browser has gone: %s", reason)
            self._let_go(key)

        def failed() -> None:
            try:
                loop.call_soon_threadsafe(self._fail, key)
            except RuntimeError:
                log.debug("the server was closed meanwhile")

        session = DemoSession(f"demo-{key[:6]}", self.detectors, choice, self._config, put, failed)
        peer = Peer(session.take_picture if source == CAMERA else None, ended, IceServers.of(self._config).for_server)
        guest = self._guests[key] = _Guest(session, peer, clip=source.removeprefix(CLIP) if clip else "")
        try:
            answer = await peer.answer(offer)
        except BaseException:
            await peer.close("the offer cannot be used")
            raise
        if source != CAMERA:
            guest.player = self._player("test:" if clip is None else str(clip), guest)
        log.info("demo: a browser has come, %d are here", len(self._guests))
        return key, answer

    def choose(self, key: str, said: Mapping[str, Any]) -> Choice:
        """Change what somebody has chosen. Raises ``KeyError`` and ``BadChoice``."""
        session = self._guests[key].session
        choice = session.choice.changed(said, self.detectors.names)
        session.choose(choice)
        return choice

    def status(self, key: str) -> dict[str, Any]:
        """How somebody's session is doing. Raises ``KeyError``, and ``SessionFailed`` for one that an error has ended."""
        if key in self._failed:
            raise SessionFailed(_FAILED)
        guest = self._guests[key]
        told = guest.session.status()
        return {**told, "problem": guest.told or told["problem"], "guests": len(self._guests), "most": self._config.sessions}

    async def leave(self, key: str) -> None:
        """End somebody's session; one that has ended already, as its connection closed first, is no error."""
        if (guest := self._guests.get(key)) is not None:
            await guest.peer.close("it has said goodbye")

    async def bring(self, chunks: AsyncIterator[bytes]) -> str:
        """Keep a clip until who brought it has gone, and return its key. Raises ``BadClip`` and ``RoomFull``."""
        if len(self._clips) >= 2 * self._config.sessions:
            self._forget_unused()
        if len(self._clips) >= 2 * self._config.sessions:
            raise RoomFull("there are too many clips just now. Please come again in a minute.")
        key = secrets.token_urlsafe(16)
        path = Path(self._folder.name) / key
        most = self._config.upload_mb * 1_000_000
        self._clips[key] = path
        try:
            with path.open("wb") as file:
                async for chunk in bounded(chunks, most):
                    await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(check_clip, path)
        except BaseException:
            self._drop(key)
            raise
        return key

    async def close(self) -> None:
        """Send all away."""
        for guest in list(self._guests.values()):
            await guest.peer.close("the server ends")
        self.detectors.close()
        self._folder.cleanup()

    def _player(self, source: str, guest: _Guest) -> Player:
        def failed(reason: str) -> None:
            guest.told = f"the clip cannot be played: {reason.replace(self._folder.name, '').replace(f'/{guest.clip}', 'it')}"

        def take(frame: Frame) -> None:
            guest.session.take(frame)

        return Player(source, take, failed)

    def _fail(self, key: str) -> None:
        """End the session of a browser whose pictures nobody works on any more."""
        guest = self._guests.get(key)
        if guest is None:
            return
        self._failed[key] = None
        while len(self._failed) > _MOST_FAILED:
            del self._failed[next(iter(self._failed))]
        closing = asyncio.ensure_future(guest.peer.close("its session has failed"))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _let_go(self, key: str) -> None:
        guest = self._guests.pop(key, None)
        if guest is None:
            return
        clip = self._clips.pop(guest.clip, None)

        def close() -> None:
            if guest.player is not None:
                guest.player.close()
            guest.session.close()
            if clip is not None:
                clip.unlink(missing_ok=True)

        # Threads are waited for, which the loop must not be.
        asyncio.get_running_loop().run_in_executor(None, close)

    def _forget_unused(self) -> None:
        used = {guest.clip for guest in self._guests.values()}
        for key in [key for key in self._clips if key not in used]:
            self._drop(key)

    def _drop(self, key: str) -> None:
        path = self._clips.pop(key, None)
        if path is not None:
            path.unlink(missing_ok=True)


async def bounded(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """``chunks``, of ``most`` bytes in all. Raises ``BadClip`` where there are more."""
    room = most
    async for chunk in chunks:
        room -= len(chunk)
        if room < 0:
            raise BadClip(f"a clip may have {most // 1_000_000} MB at most")
        yield chunk


def check_clip(path: Path) -> None:
    """Raise ``BadClip`` for what is no file of pictures: a list of addresses, say, would have them opened from here."""
    try:
        with av.open(str(path), options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"}) as container:
            if not container.streams.video:
                raise BadClip("the clip has no picture")
            # A file may be both: what it is taken for when it is played must be what it is taken for here.
            with av.open(str(path), options={"protocol_whitelist": "file"}) as played:
                if played.format.name != container.format.name:
                    raise BadClip(_NO_CLIP)
    except av.FFmpegError as error:
        raise BadClip(_NO_CLIP) from error
