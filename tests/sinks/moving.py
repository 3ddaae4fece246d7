"""Pictures for live outputs: a grey that says which one it is."""

from __future__ import annotations

from fractions import Fraction

import av

from streamer.frame import Frame, Orientation, StreamInfo, plane_views
from streamer.instances import Instances
from streamer.stages import Annotated

TIME_BASE = Fraction(1, 90_000)
RATE = 25
GREYS = 16
"""Pictures repeat after this many."""


def info(width: int = 64, height: int = 48, **more: object) -> StreamInfo:
    """A live stream at ``RATE``."""
    return StreamInfo(
        source="rtsp://viewer:***@gate/1",
        width=width,
        height=height,
        time_base=TIME_BASE,
        rate=Fraction(RATE),
        live=True,
        **more,  # type: ignore[arg-type]  # fields of StreamInfo
    )


def grey(index: int) -> int:
    """Luma of picture ``index``."""
    return 30 + 12 * (index % GREYS)


def item(
    index: int,
    width: int = 64,
    height: int = 48,
    *,
    pts: int | None = None,
    captured_at: float = 0.0,
    utc_s: float | None = None,
) -> Annotated:
    """Picture ``index``, drawn."""
    picture = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(plane_views(picture), (grey(index), 128, 128), strict=True):
        plane[:] = value
    frame = Frame(
        picture=picture,
        index=index,
        pts=index * 90_000 // RATE if pts is None else pts,
        time_base=TIME_BASE,
        source="gate",
        captured_at=captured_at,
        orientation=Orientation(),
        utc_s=utc_s,
    )
    return Annotated(frame, Instances.empty(), picture)


def index_of(picture: av.VideoFrame) -> int:
    """Which of the ``GREYS`` pictures this is."""
    return round((float(plane_views(picture)[0].mean()) - 30) / 12) % GREYS
