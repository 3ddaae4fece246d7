"""The clip of an event with what was found drawn on it: the function behind ``events render``."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from streamer.annotation import encoder_of
from streamer.config.render import EventRenderConfig
from streamer.errors import ConfigError
from streamer.events.event import Event
from streamer.events.footage import cut_around
from streamer.perception.recorded import stored_selection
from streamer.perception.recorded_by_clock import RecordedByClock
from streamer.pipeline import Pipeline
from streamer.render.renderer import Renderer, Style
from streamer.runtime.opencv_threads import one_thread_each
from streamer.runtime.signals import Interrupts
from streamer.sinks.atomic import check_output
from streamer.sinks.stored import StoredRecords
from streamer.sources.video import VideoFile


def render_event(
    event: Event, footage: Path, output: Path, config: EventRenderConfig, *, before_s: float, after_s: float
) -> Sequence[str]:
    """Draw the records of an event's time onto its footage, with ``before_s`` and ``after_s`` seconds around it.

    Returns what has to be known of it. Blocks until all is written. Raises ``OutputRefused``, ``ConfigError`` where there is no
    footage or there are no records of that time, ``SourceError``, and ``StageFailed`` after the first frame.
    """
    check_output(output, overwrite=config.overwrite)
    stored = StoredRecords(config.records)
    select = stored_selection(config, stored)
    with tempfile.TemporaryDirectory(prefix=".event-", dir=output.parent) as folder, ExitStack() as undo:
        clip, notes = cut_around(event, footage, Path(folder) / "clip.mp4", before_s=before_s, after_s=after_s)
        if len(clip.paths) > 1:
            notes.append("the camera changed its picture on the way: only the part before is drawn")
        source = VideoFile(clip.paths[0])
        undo.callback(source.close)
        info = source.open()
        perception = RecordedByClock(stored, select, clip.start_utc_s)
        if not perception.reaches(clip.end_utc_s):
            raise ConfigError(
                f"{stored.path} holds nothing of the time of the event",
                hint=f"name the file that detections of {event.camera} wrote then; without detections there are no records",
            )
        sink = encoder_of(config, output, source)
        undo.callback(sink.abandon)
        renderer = Renderer(
            stored.labels,
            style=Style(draw=config.draw, mask_opacity=config.mask_opacity),
            sample_aspect_ratio=info.sample_aspect_ratio,
        )
        undo.pop_all()
        pipeline = Pipeline(source, perception, renderer, [sink])
        with one_thread_each(), Interrupts(pipeline.stop, pipeline.abandon):
            stats = pipeline.run()
    if missing := stats.frames_out - perception.drawn:
        notes.append(f"{missing} of {stats.frames_out} frames are without records: nothing is drawn on them")
    return [*notes, *source.notes, *sink.notes]
