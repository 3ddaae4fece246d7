"""The clip of an event, cut out of the footage again."""

from __future__ import annotations

from pathlib import Path

from streamer.errors import ConfigError, OutputRefused
from streamer.events.event import Event
from streamer.recording.clips import Clip, cut_clip
from streamer.sinks.atomic import check_output

_LESS_S = 0.5
"""What is missing of a clip is told from here on."""


def cut_again(
    event: Event, footage: Path, target: Path, *, before_s: float, after_s: float, overwrite: bool = False
) -> list[str]:
    """Cut what ``footage`` holds of an event, with ``before_s`` and ``after_s`` seconds around it, into ``target``.

    Returns what has to be known of it.

    Raises ``OutputRefused`` for a target that cannot be, ``ConfigError`` where nothing was recorded, and ``OutputWriteFailed``.
    """
    if target.suffix.lower() != ".mp4":
        raise OutputRefused(f"{target}: clips are MP4 files", hint="give the file the ending .mp4")
    for suffix in (".mp4", ".mov"):  # which of them it becomes depends on the sound
        check_output(target.with_suffix(suffix), overwrite=overwrite)
    clip, notes = cut_around(event, footage, target, before_s=before_s, after_s=after_s)
    if clip.paths != (target,):
        notes.append(f"written: {', '.join(str(path) for path in clip.paths)}")
    return notes


def cut_around(event: Event, footage: Path, target: Path, *, before_s: float, after_s: float) -> tuple[Clip, list[str]]:
    """The same into ``target`` or, for other sound, a ``.mov`` beside it, and what has to be known of it.

    Raises ``ConfigError`` where nothing was recorded, and ``OutputWriteFailed``.
    """
    end_utc = event.end_utc if event.end_utc is not None else event.seen_utc or event.start_utc
    start_utc_s, end_utc_s = event.start_utc - before_s, end_utc + after_s
    clip = cut_clip(footage, event.camera, start_utc_s, end_utc_s, target)
    if not clip.paths:
        raise ConfigError(
            f"{footage} holds nothing of {event.camera} at the time of the event",
            hint="name the folder of record; older footage may have been removed by keep_hours, keep_gb or a full disk",
        )
    return clip, _notes(event, clip, start_utc_s, end_utc_s)


def _notes(event: Event, clip: Clip, start_utc_s: float, end_utc_s: float) -> list[str]:
    notes = []
    if event.end_utc is None:
        notes.append("the event had not ended when it was written down last")
    if (late_s := clip.start_utc_s - start_utc_s) > _LESS_S:
        notes.append(f"the first {late_s:.1f} s were not recorded")
    if (early_s := end_utc_s - clip.end_utc_s) > _LESS_S:
        notes.append(f"the last {early_s:.1f} s were not recorded")
    return notes
