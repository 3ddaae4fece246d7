"""A recording and the records of a run in, the annotated recording out, without a detector."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from streamer.annotation import default_output, opened, what_is_left
from streamer.config.render import RenderConfig, load_render_config
from streamer.config.zones import places_of
from streamer.errors import ConfigError, StageFailed
from streamer.perception.analysed import Analysed, Scene, check_places
from streamer.perception.privacy import PrivacyRules, Private, privacy_in_words, privacy_rules
from streamer.perception.recorded import (
    MatchedFrames,
    Recorded,
    refuse_another_recording,
    refuse_another_stream,
    stored_selection,
)
from streamer.perception.selection import Selection
from streamer.pipeline import Pipeline
from streamer.render.labels import load_letters
from streamer.render.places import PlacesDrawing
from streamer.render.renderer import Renderer, Style
from streamer.runtime import tls
from streamer.runtime.early_thread import EarlyThread
from streamer.runtime.opencv_threads import one_thread_each
from streamer.runtime.signals import Interrupts
from streamer.sinks.atomic import check_output
from streamer.sinks.counts import Counts
from streamer.sinks.same_file import refuse_clashes
from streamer.sinks.stored import StoredRecords
from streamer.stages import Annotated, Perception, Sink
from streamer.stats import Stats
from streamer.summary import Summary


def render(
    input: str | os.PathLike[str],  # noqa: A002  # the name of the command's argument
    output: str | os.PathLike[str] | None = None,
    *,
    records: str | os.PathLike[str],
    **options: Any,
) -> Summary:
    """Draw stored records onto their recording, as ``streamer render`` does, and return the summary.

    ``options`` are the fields of ``RenderConfig``. With the drawing options of the run that wrote the records the picture is
    the very same. Blocks until all is written. Raises as :func:`streamer.annotate`, and ``RecordsDiffer`` for records of
    another recording.
    """
    overrides = {"input": os.fspath(input), "output": None if output is None else Path(output), "records": Path(records)}
    return render_with(load_render_config(None, {**overrides, **options}))


def render_with(config: RenderConfig, *, on_progress: Callable[[Stats, int | None, float], None] | None = None) -> Summary:
    """The same with checked settings; ``on_progress`` as ``annotate_with`` has it."""
    output = config.output or default_output(config.input)
    places = places_of(config)
    read: dict[str, str | os.PathLike[str] | None] = {
        "the input": config.input,
        "the records": config.records,
        "the file of zones": config.zones_file,
    }
    refuse_clashes(read, (output, config.counts))
    for path in (output, config.counts):
        if path is not None and (path.is_file() or not path.exists()):  # a pipe or a device may be written to
            check_output(path, overwrite=config.overwrite)
    if config.insecure:
        tls.leave_unchecked(config.input)
    stored = StoredRecords(config.records)
    select = stored_selection(config, stored)
    rules = _privacy(config, stored)
    refuse_another_recording(stored, config.input)
    with ExitStack() as undo:
        drawing = EarlyThread("render", load_letters)
        undo.callback(drawing.discard)
        source, info, picture_sink = opened(
            config, output, undo, start_s=stored.stream.get("start_s"), end_s=stored.stream.get("end_s")
        )
        refuse_another_stream(stored, info)
        check_places(places, (info.width, info.height))
        scene = Scene(*places, stored.labels, by_minute=config.counts is not None) if places else None
        sinks: list[Sink] = [picture_sink]
        if config.counts is not None and scene is not None:
            counts = Counts(config.counts, scene.totals, overwrite=config.overwrite, whole=True)
            undo.callback(counts.abandon)
            sinks.append(counts)
        renderer = Renderer(
            stored.labels,
            style=Style(draw=config.draw, mask_opacity=config.mask_opacity),
            sample_aspect_ratio=info.sample_aspect_ratio,
            places=PlacesDrawing(*places) if places else None,
        )
        matched = MatchedFrames(source, stored)
        # What is to be covered must not depend on what is to be shown.
        perception: Perception = Recorded(matched, stored, select if rules is None else Selection())
        if rules is not None:
            perception = Private(perception, rules, select, ahead=True)
        if scene is not None:
            perception = Analysed(perception, scene)
        undo.pop_all()
        total = None if source.start_s is not None or source.end_s is not None else info.frames

        def on_item(_item: Annotated) -> None:
            if on_progress is not None:
                on_progress(pipeline.stats, total, time.monotonic())

        pipeline = Pipeline(matched, perception, renderer, sinks, on_item=on_item, early=drawing)
        with one_thread_each(), Interrupts(pipeline.stop, pipeline.abandon):
            try:
                stats = pipeline.run()
            except StageFailed as failure:
                paths = dict(zip(sinks, [path for path in (output, config.counts) if path is not None], strict=True))
                failure.hint = what_is_left(failure, pipeline.stats.frames_out, [paths[sink] for sink in pipeline.completed])
                raise
    files = [] if pipeline.abandoned else [output, config.counts]
    return Summary.of(
        stats,
        stored.labels,
        info,
        now=time.monotonic(),
        files=[path for path in files if path is not None and path.exists()],
        places={} if scene is None else scene.totals.as_dict(),
        notes=[
            *source.notes,
            *picture_sink.notes,
            *_notes(config, stored, complete=not pipeline.interrupted),
            *([f"abandoned: there is no {output}"] if pipeline.abandoned else []),
        ],
        damaged_packets=source.damaged_packets,
        interrupted=pipeline.interrupted,
    )


def _privacy(config: RenderConfig, stored: StoredRecords) -> PrivacyRules | None:
    """What must be covered beyond what the run covered; None where that is nothing.

    Raises ``ConfigError`` where the records do not tell what must be covered.
    """
    rules = privacy_rules(config, stored)
    if rules is None or privacy_in_words(config) == stored.stream.get("privacy"):
        return None
    if rules.methods and not stored.stream.get("tracked"):
        raise ConfigError(
            f"{stored.path} does not tell enough to cover objects",
            hint="run annotate with --privacy, or with --track and --detections, and draw those records",
        )
    return rules


def _notes(config: RenderConfig, stored: StoredRecords, *, complete: bool) -> list[str]:
    """What a person should know of the picture: where it cannot be that of the run."""
    notes = []
    if stored.schema < 2:
        notes.append(
            "the records are of schema 1: outlines are drawn from whole pixels, nothing fades out, and it is not known "
            "whether they are of this very file"
        )
    if stored.stream["masks"] == "none" and config.draws_masks:
        notes.append("the records hold no masks: boxes are drawn in their place")
    if config.privacy and "privacy" not in stored.stream:
        notes.append("objects that the run did not record, since the detector was less sure of them, are not covered")
    if complete and not stored.whole:
        notes.append("the run that wrote the records did not come to the end of the recording: this ends where it did")
    return notes
