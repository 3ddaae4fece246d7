"""The pictures of one camera on their way to browsers: encoded once for all who watch, not at all while nobody does."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import StreamInfo
from streamer.stages import Annotated, OutputStatus, State
from streamer.web.encoded_video import EncodedVideo, pts_of
from streamer.web.objects import drawable, drawable_places
from streamer.web.packets import PacketHub
from streamer.web.relay import call_all

log = logging.getLogger(__name__)

MOST_FPS = 15.0
"""Pictures a second that are encoded, at most."""
MOST_WIDTH = 1280
"""Wider pictures are made smaller, in pixels."""
SMALLER_WIDTHS = (640, 320)
PRIVATE = "privacy covers something, which the camera's own video would show"
_QUALITY = 80
_BROKEN = "pictures cannot be encoded; the log of streamer says why"
_WAIT_S = 0.5
_AGAIN_S = 1.0
"""After a picture that could not be encoded, the next one is not tried sooner."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture as it is sent."""

    number: int
    """Counts up with each picture of the feed."""
    clean: bytes
    """JPEG without drawings; what privacy covers is covered."""
    drawn: bytes
    """JPEG with drawings; empty where nobody asked for it."""
    objects: str
    """JSON: what is in the picture, and where."""


class Viewer:
    """Somebody who watches a feed: always the newest picture, or the newest notice. Used in the server's loop."""

    def __init__(self, *, drawn: bool) -> None:
        self.drawn = drawn
        """Whether it wants pictures with drawings."""
        self._newest: Shown | str | None = None
        self._there = asyncio.Event()

    def put(self, what: Shown | str) -> None:
        """Leave a picture, or a notice; what was not taken is gone."""
        self._newest = what
        self._there.set()

    async def next(self) -> Shown | str:
        """Wait for the next one."""
        await self._there.wait()
        self._there.clear()
        assert self._newest is not None
        return self._newest


class Reader(Protocol):
    """Somebody who plays a video, and wants to know what is in each picture. Used in the server's loop."""

    def tell(self, text: str) -> None:
        """JSON: what is in a picture, or a notice; never waits."""
        ...


class Feed:
    """Takes the frames of one camera, and gives them to all who watch.

    Frames come from the camera's thread, which never waits: the newest one wins. A thread of its own encodes while somebody
    watches. Viewers live in the server's loop.
    """

    def __init__(self, name: str, *, packets: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """``packets``: the camera's own packets may be seen, too; not where anything has to be covered."""
        self.name = name
        self.hub = PacketHub(name) if packets else None
        """What sends the camera's packets; None where they stay here."""
        self.encoded = EncodedVideo(name, MOST_WIDTH, clock=clock)
        """The same pictures, encoded here."""
        self.smaller = tuple(EncodedVideo(name, width, clock=clock) for width in SMALLER_WIDTHS)
        """The same for lines that do not take as much."""
        self._clock = clock
        self._lock = threading.Condition()
        self._newest: Annotated | None = None
        self._info: StreamInfo | None = None
        self._labels: Mapping[int, str] = {}
        self._viewers: dict[Viewer, asyncio.AbstractEventLoop] = {}
        self._readers: dict[Reader, asyncio.AbstractEventLoop] = {}
        """Who plays a video, and wants to know only what is in each picture."""
        self._notice = ""
        """Why no frames come; empty while they do."""
        self._told = ""
        """The reason that was logged last why a picture could not be encoded."""
        self._closed = False
        self._number = 0
        self._thread = threading.Thread(target=self._work, name=f"web-{name}", daemon=True)
        self._thread.start()

    @property
    def watched(self) -> int:
        """How many watch."""
        with self._lock:
            return len(self._viewers) + len(self._readers)

    @property
    def video(self) -> PacketHub:
        """What sends the best video that there is of the camera: its own packets, or what is encoded here."""
        return self.encoded.hub if self.why_encoded else self.hub or self.encoded.hub

    @property
    def videos(self) -> tuple[PacketHub, ...]:
        """The same in several sizes, the best one first."""
        return (self.video, *(each.hub for each in self.smaller))

    @property
    def why_encoded(self) -> str:
        """Why the camera's packets are not sent as they are; empty where they are, or where it will show."""
        if self.hub is None:
            return PRIVATE
        return "" if self.hub.codec or self.hub.is_waiting else self.hub.why_not

    def begin(self, info: StreamInfo, labels: Mapping[int, str]) -> None:
        """Frames of a stream will come."""
        with self._lock:
            self._info, self._labels = info, labels

    def take(self, item: Annotated) -> None:
        """The next frame; never blocks."""
        with self._lock:
            self._newest, self._notice = item, ""
            if self._viewers or self._readers:
                self._lock.notify()

    def tell(self, notice: str) -> None:
        """No frames come, and why."""
        with self._lock:
            self._newest, self._notice = None, notice
            viewers, readers = dict(self._viewers), dict(self._readers)
        _give(viewers, notice)
        _tell(readers, json.dumps({"notice": notice}))

    def join(self, viewer: Viewer) -> None:
        """From the server's loop: begin to watch."""
        with self._lock:
            self._viewers[viewer] = asyncio.get_running_loop()
            if self._notice:
                viewer.put(self._notice)
            self._lock.notify()

    def leave(self, viewer: Viewer) -> None:
        """From the server's loop: watch no longer."""
        with self._lock:
            self._viewers.pop(viewer, None)

    def read(self, viewer: Reader) -> None:
        """From the server's loop: begin to tell what is in each picture."""
        with self._lock:
            self._readers[viewer] = asyncio.get_running_loop()
            if self._notice:
                viewer.tell(json.dumps({"notice": self._notice}))
            self._lock.notify()

    def read_no_more(self, viewer: Reader) -> None:
        """From the server's loop: tell no longer."""
        with self._lock:
            self._readers.pop(viewer, None)

    def close(self) -> None:
        """End the thread."""
        with self._lock:
            self._closed = True
            self._lock.notify()
        self._thread.join(2.0)

    @property
    def _encodings(self) -> tuple[EncodedVideo, ...]:
        return (self.encoded, *self.smaller)

    def _rest(self) -> None:
        for video in self._encodings:
            if not video.watched:
                video.rest()

    def _work(self) -> None:
        due = 0.0
        while True:
            with self._lock:
                while not self._closed and not (self._newest is not None and (self._viewers or self._readers)):
                    self._lock.wait(_WAIT_S)
                    self._rest()
                if self._closed:
                    return
                wait_s = due - self._clock()
                if wait_s > 0 and not self._readers:
                    self._lock.wait(wait_s)
                    continue
                item, self._newest = self._newest, None
                viewers, readers, info, labels = dict(self._viewers), dict(self._readers), self._info, self._labels
            if item is None or info is None:
                continue
            if wait_s > 0:
                viewers = {}  # too soon for another JPEG
            else:
                due = self._clock() + 1.0 / MOST_FPS
            try:
                self._number += 1
                objects = json.dumps(objects_of(item, info, labels, self._number))
                _tell(readers, objects)
                self._rest()
                for video in self._encodings:
                    if video.watched:
                        video.encode(item, info)
                shown = encoded(item, objects, self._number, drawn=any(viewer.drawn for viewer in viewers)) if viewers else None
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                if reason != self._told:  # not for each frame
                    self._told = reason
                    log.exception("%s: a picture cannot be encoded for the web", self.name)
                _give(viewers, _BROKEN)
                _tell(readers, json.dumps({"notice": _BROKEN}))
                due = self._clock() + _AGAIN_S
                continue
            self._told = ""
            if shown is not None:
                _give(viewers, shown)


class FeedOutput:
    """Implements ``stages.Output``: hands the frames of one stream to a feed, which outlives it."""

    def __init__(self, feed: Feed, info: StreamInfo, labels: Mapping[int, str]) -> None:
        self.name = "web"
        self._feed = feed
        self._frames = 0
        self._state = State.STARTING
        feed.begin(info, labels)

    def write(self, item: Annotated) -> None:
        """Hand over the next frame."""
        self._frames += 1
        self._state = State.RUNNING
        self._feed.take(item)

    def idle(self, text: str) -> None:
        """Tell viewers why no frame comes."""
        self._feed.tell(text)

    def finish(self) -> None:
        """No more frames of this stream come."""
        self._state = State.ENDED
        self._feed.tell("ended")

    def abandon(self) -> None:
        """The same."""
        self.finish()

    def status(self) -> OutputStatus:
        """From any thread: how it is doing."""
        return OutputStatus(name=self.name, state=self._state, frames=self._frames)


def encoded(item: Annotated, objects: str, number: int, *, drawn: bool) -> Shown:
    """A frame as it is sent, with what :func:`objects_of` says of it as JSON."""
    clean = _jpeg(item, drawn=False)
    return Shown(number, clean, _jpeg(item, drawn=True) if drawn else b"", objects)


def objects_of(item: Annotated, info: StreamInfo, labels: Mapping[int, str], number: int) -> dict[str, object]:
    """What is in a frame, for a page to draw: outlines as polygons in pixels of the upright picture."""
    frame, found = item.frame, item.instances
    zones = [()] * len(found) if item.facts is None else item.facts.zones
    return {
        "number": number,
        "width": info.width,
        "height": info.height,
        "pixel_aspect": float(info.sample_aspect_ratio if not info.orientation.sideways else 1 / info.sample_aspect_ratio),
        "time_s": round(frame.time_s, 3),
        "camera_pts": frame.camera_pts,
        "pts": pts_of(item),
        "instances": drawable(found, labels, zones, (info.width, info.height)),
        "places": drawable_places(item.facts, (info.width, info.height)),
    }


def _jpeg(item: Annotated, *, drawn: bool) -> bytes:
    frame = replace(item.frame, picture=item.drawn() if drawn else item.clean())
    width, height = frame.width, frame.height
    if width > MOST_WIDTH:
        width, height = MOST_WIDTH, max(1, round(height * MOST_WIDTH / width))
    rgb: NDArray[np.uint8] = frame.rgb((width, height))
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    return data.tobytes()


def _tell(readers: Mapping[Reader, asyncio.AbstractEventLoop], text: str) -> None:
    call_all(readers, lambda reader: reader.tell(text))


def _give(viewers: Mapping[Viewer, asyncio.AbstractEventLoop], what: Shown | str) -> None:
    call_all(viewers, lambda viewer: viewer.put(what))
