"""The whole road from a file to a file, with nothing found and nothing drawn: what goes in has to come out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.pipeline import Pipeline
from streamer.sinks.encoder import VideoEncoder
from streamer.sources.video import VideoFile
from streamer.stats import Stats
from tests.fakes import FakePerception, draw_nothing


@dataclass(frozen=True, slots=True)
class Road:
    """What a run leaves to be looked at."""

    source: VideoFile
    encoder: VideoEncoder
    stats: Stats


def reencode(
    path: Path | str, output: Path | str, *, start_s: float | None = None, end_s: float | None = None, **options: Any
) -> Road:
    """Run ``path`` through the pipeline into ``output``."""
    source = VideoFile(path, start_s=start_s, end_s=end_s)
    info = source.open()
    if options.get("encoder", "libx264") == "libx264":
        options.setdefault("preset", "ultrafast")
    encoder = VideoEncoder(output, info, source=source, **options)
    stats = Pipeline(source, FakePerception(), draw_nothing, [encoder]).run()
    return Road(source, encoder, stats)
