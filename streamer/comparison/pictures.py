"""Frames drawn twice, side by side: the truth and what was found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from streamer.comparison.worst_frames import WorstFrame
from streamer.errors import OutputRefused, OutputWriteFailed, RecordsDiffer
from streamer.frame import Frame, Plane, StreamInfo
from streamer.perception.recorded import refuse_another_recording, refuse_another_stream
from streamer.render.renderer import Renderer
from streamer.sinks.leftovers import working_folder
from streamer.sinks.stored import StoredRecords
from streamer.sources.video import VideoFile
from streamer.stages import Annotated

_GAP_PX = 4
_NONE: tuple[int, WorstFrame | None] = 0, None
_WORDS_PX = 24
"""Height of the line of words over each picture."""


def check_folder(folder: Path) -> None:
    """Raise ``OutputRefused`` where no new folder can be made."""
    if os.path.lexists(folder):
        raise OutputRefused(f"{folder} exists", hint="give the name of a new folder")
    if not folder.parent.is_dir():
        raise OutputRefused(f"there is no folder {folder.parent}", hint="make it first, or check the name")


def write_pictures(truth: StoredRecords, judged: StoredRecords, frames: Sequence[WorstFrame], video: str, folder: Path) -> None:
    """Draw frames of the recording as ``RANK-frame_INDEX.png`` into a new folder, which appears whole or not at all.

    Raises ``RecordsDiffer`` for another recording, a ``SourceError`` and ``OutputWriteFailed``.
    """
    check_folder(folder)
    refuse_another_recording(truth, video)
    with closing(VideoFile(video)) as source:
        info = source.open()
        refuse_another_stream(truth, info)
        try:
            with working_folder(folder) as working:
                made = working / "pictures"
                made.mkdir()
                _draw(source, _Sides(truth, judged, info), frames, made)
                made.rename(folder)
        except OSError as error:
            raise OutputWriteFailed(f"{folder} cannot be written ({error.strerror})", hint="check the free space") from error


class _Sides:
    """Draws a frame with the objects of both."""

    def __init__(self, truth: StoredRecords, judged: StoredRecords, info: StreamInfo) -> None:
        ratio = info.sample_aspect_ratio
        self.truth = truth
        self._judged = judged
        self._drawing = [Renderer(stored.labels, sample_aspect_ratio=ratio) for stored in (truth, judged)]

    def __call__(self, frame: Frame, one: WorstFrame) -> Plane:
        """RGB, uint8 (height, width, 3)."""
        told = (self.truth, one.truth), (self._judged, one.judged)
        for stored, line in told:  # what either run covered stays covered on both sides
            if (cover := stored.cover(line)) is not None:
                frame = replace(frame, picture=cover.covered(frame))
        pictures = []
        for (stored, line), renderer, words in zip(told, self._drawing, ("truth", "judged"), strict=True):
            item = Annotated(frame, stored.instances(line))
            renderer(item)
            picture = replace(frame, picture=item.drawn()).rgb()
            head = np.zeros((_WORDS_PX, picture.shape[1], 3), np.uint8)
            cv2.putText(head, words, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
            pictures.append(np.concatenate([head, picture]))
        gap = np.full((pictures[0].shape[0], _GAP_PX, 3), 255, np.uint8)
        return np.concatenate([pictures[0], gap, pictures[1]], axis=1)


def _draw(source: VideoFile, sides: _Sides, frames: Sequence[WorstFrame], folder: Path) -> None:
    left: dict[Fraction, tuple[int, WorstFrame]] = {
        sides.truth.time_s(one.truth): (rank, one) for rank, one in enumerate(frames, start=1)
    }
    for frame in source.frames() if left else ():
        rank, one = left.pop(frame.pts * frame.time_base + source.shift_s, _NONE)
        if one is not None:
            _, encoded = cv2.imencode(".png", np.ascontiguousarray(sides(frame, one)[..., ::-1]))
            (folder / f"{rank:03d}-frame_{one.frame:06d}.png").write_bytes(encoded.tobytes())
        if not left:
            source.interrupt()
            break
    if left:
        at = min(left)
        raise RecordsDiffer(
            f"{sides.truth.path} has a frame at {float(at):.6f} s, the recording has none", hint="give its own recording"
        )
