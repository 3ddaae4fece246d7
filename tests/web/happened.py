"""A folder of events with pictures, clips and records, as a run leaves it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streamer.events.event import Event
from streamer.events.store import EVENTS_FILE, EventStore
from streamer.recording.segment_file import start_note
from streamer.runtime.utc import iso_utc
from streamer.web.access import Access
from streamer.web.event_library import EventCamera
from streamer.web.server import WebServer
from streamer.web.service import Service
from streamer.web.wall import Wall, wall_app
from tests.events.happenings import START_UTC, ended, event

RATE = 25
SIZE = (320, 192)
CLIP_S = 8
PRE_S = 2.0
NOTHING = Service(lambda _: (b"", "text/plain"), lambda: (200, {}), dict)


def clip_start(number: int) -> float:
    return START_UTC + number - PRE_S


def write_events(folder: Path, count: int) -> EventStore:
    """Events 1 to ``count`` of the cameras ``gate`` and ``yard`` in turns; the last one goes on. The first one has a clip."""
    folder.mkdir(exist_ok=True)
    store = EventStore(folder / EVENTS_FILE)
    for number in range(1, count + 1):
        store.record(kept(folder, number, going_on=number == count))
    write_clip(folder / "gate" / f"{event(1).id}.mp4", clip_start(1))
    return store


def kept(folder: Path, number: int, *, going_on: bool) -> Event:
    """An event with its picture in ``folder``."""
    camera = "gate" if number % 2 else "yard"
    own = folder / camera
    own.mkdir(parents=True, exist_ok=True)
    made = event if going_on else ended
    happened = made(
        number,
        camera=camera,
        classes=("person",) if number % 3 else ("car", "person"),
        scores=(0.9,) if number % 3 else (0.8, 0.9),
        zones=("door",) if number % 2 else (),
    )
    for name, shade in ((f"{happened.id}.jpg", 40 * (number % 6)), (f"{happened.id}-clean.jpg", 20)):
        cv2.imwrite(str(own / name), np.full((360, 640, 3), shade, np.uint8))
    said: dict[str, Any] = {"snapshot": own / f"{happened.id}.jpg", "clean_snapshot": own / f"{happened.id}-clean.jpg"}
    if number == 1:
        said["clip"] = own / f"{happened.id}.mp4"
    return Event(**{**{key: getattr(happened, key) for key in Event.__slots__}, **said})


def write_clip(path: Path, start_utc_s: float, codec: str = "libx264") -> None:
    """A clip in which each picture shows its number, as dark and light squares in the lowest 16 rows, the lowest bit first."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        container.metadata["comment"] = start_note(datetime.fromtimestamp(start_utc_s, UTC), camera_clock=True)
        stream = container.add_stream(codec, rate=RATE, options={"preset": "ultrafast", "g": "25"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, RATE)
        for number in range(CLIP_S * RATE):
            picture = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
            for bit in range(8):
                picture[-16:, 16 * bit : 16 * bit + 16] = 255 * (number >> bit & 1)
            left, top = place(number)
            picture[top : top + 40, left : left + 40] = 230
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def place(number: int) -> tuple[int, int]:
    """Where the object is in a picture of the clip: left and top."""
    return 20 + number % 200, 60


def write_records(path: Path, start_utc_s: float, count: int = CLIP_S * RATE) -> None:
    """Records of the clip's pictures, and of an hour before them."""
    head = {
        "type": "stream",
        "schema": 2,
        "source": "camera",
        "width": SIZE[0],
        "height": SIZE[1],
        "time_base": "1/90000",
        "detector": "bright",
        "streamer": "0",
        "rate": "25/1",
        "live": True,
        "masks": "none",
        "labels": {"1": "person"},
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head) + "\n")
        for number in range(-3600, count):
            left, top = place(number) if number >= 0 else (0, 0)
            at = start_utc_s + (number / RATE if number >= 0 else number)
            found = {
                "class": "person",
                "class_id": 1,
                "score": 0.9,
                "box_xyxy": [left, top, left + 40, top + 40],
                "track_id": 7,
                "state": "followed",
                "mask_age_s": 0.1,
                "foot_xy": [left + 20, top + 40],
                "zones": ["door"],
            }
            line = {
                "type": "frame",
                "frame": max(0, number),
                "pts": 3600 * number,
                "time_s": 0.0,
                "utc": iso_utc(at),
                "instances": [found],
            }
            file.write(json.dumps(line) + "\n")


@contextmanager
def served(cameras: dict[str, EventCamera], address: str = "0", **access: Any) -> Iterator[WebServer]:
    """The pages of a run whose cameras have made these events."""
    wall = Wall([])
    try:
        allowed = Access(host=address.rpartition(":")[0] or "127.0.0.1", **access)
        with WebServer(address, lambda: wall_app(wall, allowed, NOTHING, list, cameras)) as server:
            yield server
    finally:
        wall.close()
