"""Frames and instances for the tests of sinks that look at no pixel."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from streamer.frame import Frame, StreamInfo
from streamer.instances import Instances
from streamer.stages import Annotated

LABELS = {1: "person", 3: "car"}
TIME_BASE = Fraction(1, 12800)
INFO = StreamInfo(source="in.mp4", width=64, height=48, time_base=TIME_BASE, rate=Fraction(30000, 1001))


def annotated(
    index: int, instances: Instances, *, pts: int | None = None, duration: int = 512, utc_s: float | None = None
) -> Annotated:
    """Frame ``index`` of a stream of 25 frames a second, with these instances."""
    frame = Frame(
        picture=av.VideoFrame(64, 48, "yuv420p"),
        index=index,
        pts=512 * index if pts is None else pts,
        time_base=TIME_BASE,
        source="in.mp4",
        captured_at=0.0,
        duration=duration,
        utc_s=utc_s,
    )
    return Annotated(frame, instances)


def person_and_car() -> Instances:
    """A person whose mask fills its box (finer than the pixels, so that no corner is lost), and a car without one."""
    return Instances(
        boxes_xyxy=np.array([[10, 8, 20, 28], [30.126, -2, 70, 20]], np.float32),
        scores=np.array([0.98764, 0.5], np.float32),
        class_ids=np.array([1, 3], np.int64),
        masks=np.ones((2, 20, 20), np.float32),
        has_mask=np.array([True, False]),
    )
