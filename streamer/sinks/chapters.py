"""Chapters of a recording, moved and cut as its picture is."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from streamer.frame import StreamInfo
from streamer.sinks.samples import Samples
from streamer.sources.passthrough import Passthrough


def moved_chapters(passthrough: Passthrough | Samples, info: StreamInfo, shift_s: Fraction) -> list[Any]:
    """The input's chapters, cut and moved as the video was."""
    moved = []
    end_s = passthrough.cut_end_s
    for chapter in passthrough.container.chapters():
        time_base = chapter["time_base"] or info.time_base
        difference_s = shift_s - passthrough.shift_s
        start = max(chapter["start"] + round(difference_s / time_base), 0 if passthrough.shift_s else chapter["start"])
        end = chapter["end"] + round(difference_s / time_base)
        if end_s is not None:
            end = min(end, round((end_s + difference_s) / time_base))
        if end > start:
            moved.append({**chapter, "start": start, "end": end})
    return moved
