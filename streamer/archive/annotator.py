"""Annotating one recording after the other with one detector, in a process of an archive."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from streamer.annotation import annotate_with, ready_detectors
from streamer.archive.messages import Came, Failed, Finished
from streamer.archive.task import Work
from streamer.config.annotate import AnnotateConfig
from streamer.errors import StageFailed, StreamerError, in_one_line
from streamer.object_storage.addresses import address_of
from streamer.perception.journal import DetectionJournal
from streamer.perception.selection import detect_in
from streamer.redact import redact
from streamer.sinks.atomic import make_folder
from streamer.stages import Detector
from streamer.stats import Stats

_TELL_S = 0.2


class Annotator:
    """Implements ``task.Doer`` with detectors that stay loaded."""

    def __init__(self, settings: AnnotateConfig) -> None:
        """Raises ``StreamerError`` for a detector that cannot be used."""
        self._settings = settings
        self._detectors = ready_detectors(settings)

    def work(self, work: Work[AnnotateConfig], tell: Callable[[Came], object]) -> Finished | Failed:
        """What became of a recording. ``tell`` is called several times a second, by the calling thread."""
        # Of several devices it is this worker's that decodes the pictures, too.
        task = work.task.changed(device=self._settings.device)
        answer, broken = _annotated(replace(work, task=task), self._detectors, tell)
        if broken:
            # What has failed once inside may be in any state.
            for detector in self._detectors:
                detector.close()
            self._detectors = ready_detectors(self._settings)
        return answer


def _annotated(
    work: Work[AnnotateConfig], detectors: Sequence[Detector], tell: Callable[[Came], object]
) -> tuple[Finished | Failed, bool]:
    """What became of a recording, and whether the detector has failed at it."""
    told = 0.0

    def on_progress(stats: Stats, total: int | None, now: float) -> None:
        nonlocal told
        if now - told >= _TELL_S:
            told = now
            tell(Came(stats.frames_out, total))

    settings = work.task.settings
    journal: DetectionJournal | None = None
    try:
        _make_folders(settings)
        if work.journal is not None:
            # Held by a copy of this work on a machine that was given up, and goes on: then it is done without.
            with suppress(BlockingIOError):
                journal = DetectionJournal(work.journal, work.about, detectors)
        detect = detect_in if journal is None else journal.detect
        # A part of it is of no use to the next try, and would stay beside the whole.
        summary = annotate_with(settings, on_progress=on_progress, detectors=detectors, detect=detect, keep_incomplete=False)
    except StreamerError as error:
        broken = isinstance(error, StageFailed) and error.stage == "inference"
        return Failed(redact(str(error))), broken
    except Exception as error:  # noqa: BLE001  # a fault of ours at one recording must not end the others
        sys.stderr.write(redact(traceback.format_exc()))
        return Failed(redact(in_one_line(error))), True
    finally:
        if journal is not None:
            journal.close()
    if not summary.frames_out:
        return Failed("there is no frame in it"), False
    return Finished(summary.frames_out, summary.files, summary.notes), False


def _make_folders(settings: AnnotateConfig) -> None:
    for path in (settings.output, settings.detections, settings.coco, settings.counts, settings.events):
        if path is not None and address_of(path) is None:
            make_folder(path.parent)
