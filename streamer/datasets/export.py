"""Records in, a dataset's folder out: the function behind ``export``."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from streamer.datasets.class_names import ClassNames, one_line
from streamer.datasets.coco import CocoDataset
from streamer.datasets.constant_rate_video import ConstantRateVideo
from streamer.datasets.cvat import CvatDataset
from streamer.datasets.dataset import VIDEO, Dataset, DatasetInfo, HasPictures
from streamer.datasets.datumaro import DatumaroDataset
from streamer.datasets.fiftyone import FiftyOneDataset
from streamer.datasets.label_studio import LabelStudioDataset
from streamer.datasets.mot import MotDataset
from streamer.datasets.mots import MotsDataset
from streamer.datasets.stored_frame import StoredFrame
from streamer.datasets.yolo import YoloDataset
from streamer.datasets.youtube_vis import YoutubeVisDataset
from streamer.errors import ConfigError, OutputRefused, OutputWriteFailed, StreamerError
from streamer.frame import Frame
from streamer.perception.recorded import MatchedFrames, refuse_another_recording, refuse_another_stream
from streamer.sinks.leftovers import working_folder
from streamer.sinks.stored import StoredRecords
from streamer.sources.video import VideoFile

FORMATS: Mapping[str, Callable[[DatasetInfo], Dataset]] = {
    "coco": CocoDataset,
    "cvat": CvatDataset,
    "yolo-detect": lambda info: YoloDataset(info, outlines=False),
    "yolo-seg": lambda info: YoloDataset(info, outlines=True),
    "mot": MotDataset,
    "mots": MotsDataset,
    "youtube-vis": YoutubeVisDataset,
    "datumaro": DatumaroDataset,
    "label-studio": LabelStudioDataset,
    "fiftyone": FiftyOneDataset,
}
"""How a format is called, and what writes it."""
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 95)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    frames: int
    objects: int
    notes: tuple[str, ...]
    """What a person should know: how many objects lost what, say."""


def export(
    records: str | os.PathLike[str],
    output: str | os.PathLike[str],
    to: str,
    *,
    video: str | os.PathLike[str] | None = None,
    every: int = 1,
    overwrite: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> Exported:
    """Write records as a dataset of the format ``to``, one of ``FORMATS``, into the new folder ``output``.

    With ``video``, the recording that the records are of, its pictures come along. Of ``every`` N frames one is written. The
    folder appears whole or not at all; memory does not grow with the records. ``overwrite``: one that is there is replaced.
    ``on_progress`` is told how much of the records was read, 0..1.

    Raises ``ConfigError`` for an unknown format, ``OutputRefused`` for a folder that is there, ``RecordsDiffer`` for another
    recording, ``StreamerError`` for records that cannot be read, and ``OutputWriteFailed``.
    """
    check_format(to)
    if every < 1:
        raise ConfigError(f"every is {every}", hint="give 1 or more")
    target = Path(output)
    if os.path.lexists(target) and not overwrite:
        raise OutputRefused(f"{target} exists", hint="give the name of a new folder")
    if not target.parent.is_dir():
        raise OutputRefused(f"there is no folder {target.parent}", hint="make it first, or check the name")
    stored = StoredRecords(records)
    try:
        with working_folder(target) as working:
            folder = working / "dataset"
            folder.mkdir()
            exported = _write(stored, folder, FORMATS[to], video, every, on_progress)
            if overwrite:
                _replace(target, folder)
            else:
                folder.rename(target)
    except OSError as error:
        raise OutputWriteFailed(f"{target} cannot be written ({error.strerror})", hint="check the free space") from error
    return exported


def check_format(to: str) -> None:
    """Raise ``ConfigError`` where there is no format of that name."""
    if to not in FORMATS:
        raise ConfigError(f"there is no format {to!r}", hint=f"take one of {', '.join(FORMATS)}")


def _replace(target: Path, folder: Path) -> None:
    """Put ``folder`` where ``target`` is, though another process may be doing the same."""
    for number in itertools.count():
        with suppress(FileNotFoundError):
            target.rename(folder.with_name(f"replaced-{number}"))
        try:
            folder.rename(target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        else:
            return


def _write(
    stored: StoredRecords,
    folder: Path,
    make: Callable[[DatasetInfo], Dataset],
    video: str | os.PathLike[str] | None,
    every: int,
    on_read: Callable[[float], None] | None,
) -> Exported:
    rate = stored.stream.get("rate")
    names = ClassNames(stored.labels)
    info = DatasetInfo(
        folder=folder,
        source=one_line(stored.stream["source"]),
        width=stored.size[0],
        height=stored.size[1],
        labels=names.written,
        rate=None if rate is None else Fraction(rate),
        every=every,
        pictures=video is not None,
    )
    frames = objects = 0
    with ExitStack() as undo:
        dataset = make(info)
        undo.callback(dataset.close)
        copy = None
        if not isinstance(dataset, HasPictures):
            if video is None:
                raise ConfigError(
                    "this format counts the frames of a video, which is right only at a constant rate",
                    hint="give --video: a copy at a constant rate is written beside it",
                )
            (folder / VIDEO).parent.mkdir()
            copy = ConstantRateVideo(folder / VIDEO, stored.size, info.copy_rate)
            undo.callback(copy.close)
        for place, (line, frame) in enumerate(_frames(stored, video, undo, on_read)):
            if place % every:
                continue
            try:
                found = StoredFrame.of(line)
                for one in found.objects:  # of classes that the detector's label map does not name
                    names.add(one.class_id, one.class_name)
                if frame is not None and isinstance(dataset, HasPictures):
                    _write_picture(frame, dataset.picture(found))
                if frame is not None and copy is not None:
                    copy.add(frame)
                dataset.add(found)
            except (ValueError, KeyError, TypeError) as error:
                raise StreamerError(
                    f"{stored.path}: frame {line.get('frame')} cannot be read: {error!r}", hint="the file is damaged"
                ) from error
            frames += 1
            objects += len(found.objects)
        dataset.finish()
        if copy is not None:
            copy.finish()
    notes = [f"{count} of {objects} objects are {what}" for what, count in dataset.lost.items()]
    notes += names.notes()
    if stored.end is None:
        notes.append("the records have no end line: the run was killed or failed, or goes on")
    return Exported(frames, objects, tuple(notes))


def _frames(
    stored: StoredRecords,
    video: str | os.PathLike[str] | None,
    undo: ExitStack,
    on_read: Callable[[float], None] | None,
) -> Iterator[tuple[Mapping[str, object], Frame | None]]:
    """The lines of the frames, with their pictures where there is a video."""
    if video is None:
        yield from ((line, None) for line in stored.frames(on_read=on_read))
        return
    refuse_another_recording(stored, os.fspath(video))
    source = VideoFile(os.fspath(video), start_s=stored.stream.get("start_s"), end_s=stored.stream.get("end_s"))
    undo.callback(source.close)
    refuse_another_stream(stored, source.open())
    matched = MatchedFrames(source, stored, on_read)
    for frame in matched.frames():
        yield matched.lines.popleft(), frame


def _write_picture(frame: Frame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(frame.rgb()[..., ::-1]), _QUALITY)
    path.write_bytes(encoded.tobytes())
