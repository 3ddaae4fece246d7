"""Two records files in, how well they agree out: the function behind ``compare``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.comparison.class_judge import ClassFigures, ClassJudge, of_all
from streamer.comparison.matching import match
from streamer.comparison.objects import Objects, box_overlaps
from streamer.comparison.paired_frames import Line, PairedFrames
from streamer.comparison.pictures import check_folder, write_pictures
from streamer.comparison.worst_frames import WorstFrame, WorstFrames
from streamer.errors import ConfigError, OutputWriteFailed, StreamerError
from streamer.sinks.stored import StoredRecords

WORST = 10
"""Frames that are named where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How well what is judged agrees with what is taken for the truth."""

    frames: int
    """Frames that both have: these were judged."""
    classes: Mapping[str, ClassFigures]
    """By class name."""
    all: ClassFigures
    confusion: Counter[tuple[str | None, str | None]]
    """How often a true object of the first class was taken for one of the second; None: for none, or where none is."""
    worst: tuple[WorstFrame, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "frames": self.frames,
            "all": self.all.as_dict(),
            "classes": {name: figures.as_dict() for name, figures in self.classes.items()},
            "confusion": [
                {"truth": truth, "judged": judged, "objects": count} for (truth, judged), count in self.confusion.most_common()
            ],
            "worst": [
                {"frame": one.frame, "time_s": one.time_s, "errors": one.errors, "overlap": round(one.overlap, 4)}
                for one in self.worst
            ],
            "notes": list(self.notes),
        }


def compare(
    truth: str | os.PathLike[str],
    judged: str | os.PathLike[str],
    *,
    video: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    worst: int = WORST,
    on_progress: Callable[[float], None] | None = None,
) -> Comparison:
    """Judge the records ``judged`` by the records ``truth`` of the same recording.

    Frames that both have are judged, object by object of each class name. With ``video``, the recording, and ``output``, a new
    folder, the ``worst`` frames are drawn side by side. ``on_progress`` is told how much was read, 0..1. Memory does not grow
    with the masks: some bytes an object are held.

    Raises ``RecordsDiffer`` for records of different recordings, ``StreamerError`` for those that cannot be read,
    ``ConfigError`` and ``OutputRefused`` for arguments that do not fit, and ``OutputWriteFailed``.
    """
    if (video is None) != (output is None):
        raise ConfigError("pictures need the recording and a new folder", hint="give both --video and --output, or neither")
    if worst < 0:
        raise ConfigError(f"worst is {worst}", hint="give 0 or more")
    if output is not None:
        check_folder(Path(output))
    ours, theirs = StoredRecords(truth), StoredRecords(judged)
    run = _Comparing(ours, theirs, worst, on_progress)
    try:
        made = run.run()
    except OSError as error:
        raise OutputWriteFailed(
            f"a temporary file cannot be written ({error.strerror})", hint="check the free space"
        ) from error
    finally:
        run.close()
    if video is not None and output is not None:
        write_pictures(ours, theirs, made.worst, os.fspath(video), Path(output))
    return made


class _Comparing:
    def __init__(
        self, truth: StoredRecords, judged: StoredRecords, worst: int, on_progress: Callable[[float], None] | None
    ) -> None:
        self._truth, self._judged = truth, judged
        self._frames = PairedFrames(truth, judged, on_progress)
        self._judges: dict[str, ClassJudge] = {}
        self._confusion: Counter[tuple[str | None, str | None]] = Counter()
        self._worst = WorstFrames(worst)
        self._notes: Counter[str] = Counter()

    def run(self) -> Comparison:
        for truth, judged in self._frames:
            if truth is not None and judged is not None:
                self._add(truth, judged)
            elif truth is not None:
                self._notes["objects of the truth are in frames that were not judged"] += len(truth["instances"])
            elif judged is not None:
                self._notes["objects that were found are in frames without a truth"] += len(judged["instances"])
        judges = dict(sorted(self._judges.items()))
        tracked, masked = (
            all(any(flags[side] for flags in of_each) for side in (0, 1))
            for of_each in ([one.tracked for one in judges.values()], [one.masked for one in judges.values()])
        )
        classes = {name: judge.figures(tracked=tracked, masked=masked) for name, judge in judges.items()}
        return Comparison(
            frames=self._frames.pairs,
            classes=classes,
            all=of_all(list(classes.values()), tracked=tracked),
            confusion=self._confusion,
            worst=tuple(self._worst.worst()),
            notes=tuple(self._all_notes(tracked=tracked)),
        )

    def close(self) -> None:
        """Let go of temporary files."""
        for judge in self._judges.values():
            judge.close()

    def _add(self, line: Line, other: Line) -> None:
        truth, judged = self._objects(self._truth, line), self._objects(self._judged, other)
        iou = box_overlaps(truth, judged)
        for name in dict.fromkeys((*truth.names, *judged.names)):
            if name not in self._judges:
                self._judges[name] = ClassJudge()
            self._judges[name].add(truth, judged, truth.rows_of(name), judged.rows_of(name), iou)
        matching = match(truth, judged, iou)
        self._confusion.update(matching.pairs)
        self._worst.add(line, other, matching)

    def _objects(self, stored: StoredRecords, line: Line) -> Objects:
        whose = "of the truth" if stored is self._truth else "that were found"
        try:
            objects, again = Objects.of(line, stored.size)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise StreamerError(
                f"{stored.path}: frame {line.get('frame')} cannot be read: {error!r}", hint="the file is damaged"
            ) from error
        if again:
            self._notes[f"objects {whose} have the track of another one in their frame: not judged as tracks"] += again
        if without := sum(mask is None for mask in objects.masks):
            self._notes[f"objects {whose} have no mask: not judged as masks"] += without
        if without := int((objects.tracks < 0).sum()) - again:
            self._notes[f"objects {whose} have no track: not judged as tracks"] += without
        return objects

    def _all_notes(self, *, tracked: bool) -> list[str]:
        notes = []
        frames = self._frames
        if frames.only_truth:
            notes.append(f"{frames.only_truth} frames of the truth are not in {self._judged.path}: not judged")
        if frames.only_judged:
            notes.append(f"{frames.only_judged} frames of {self._judged.path} are not in the truth: not judged")
        notes += [f"{count} {what}" for what, count in self._notes.items() if count]
        if not tracked:
            notes.append("identities are not judged: not both have tracks")
        notes += [
            f"{stored.path} has no end line: the run was killed or failed, or goes on"
            for stored in (self._truth, self._judged)
            if stored.end is None
        ]
        return notes
