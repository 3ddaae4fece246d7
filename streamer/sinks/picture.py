"""A still picture as output: photo.jpg in, photo-annotated.jpg out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from streamer.errors import OutputRefused, OutputWriteFailed
from streamer.frame import Plane, StreamInfo
from streamer.sinks.atomic import PendingFile
from streamer.sources.photo_metadata import PhotoMetadata, encoded_with_metadata
from streamer.sources.video import VideoFile
from streamer.stages import Annotated

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_QUALITY = {
    ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 95),
    ".jpeg": (cv2.IMWRITE_JPEG_QUALITY, 95),
    ".webp": (cv2.IMWRITE_WEBP_QUALITY, 95),
}


class PictureFile:
    """Implements ``stages.Sink`` for one frame. The picture is turned upright, so that no viewer has to.

    EXIF data, XMP data and ICC profile of ``source`` go along; the orientation becomes 1, and a preview is removed.

    All checks are made at construction. Raises ``OutputRefused``; while writing ``OutputWriteFailed``, which leaves no file.
    """

    name = "picture"

    def __init__(self, path: str | Path, info: StreamInfo, *, source: VideoFile | None = None, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        self.frames_written = 0
        self._suffix = self.path.suffix.lower()
        if self._suffix not in PICTURE_SUFFIXES:
            raise OutputRefused(f"{path} is no picture's name", hint=f"take one of {', '.join(PICTURE_SUFFIXES)}")
        if info.frames != 1:
            raise OutputRefused(f"{path} holds one picture, the input more", hint="give a video's name, such as .mp4")
        self._rgb: Plane | None = None
        self._metadata, lost = (source.metadata if source else PhotoMetadata()).of_a_drawn_picture()
        self.notes += lost
        if source is not None and source.side_data.transparent:
            self.notes.append(
                "transparency (the alpha channel) is left out: see-through parts are shown as if they were opaque"
            )
        self._file = PendingFile(path, source=source.path if source else None, overwrite=overwrite)

    def write(self, item: Annotated) -> None:
        """Take the picture. Raises ``OutputWriteFailed`` for a second one."""
        if self._rgb is not None:
            raise OutputWriteFailed(f"{self.path} holds one picture, and a second came", hint="give a video's name")
        self._rgb = replace(item.frame, picture=item.drawn()).rgb()
        self.frames_written = 1

    def finish(self) -> None:
        """Write the file and give it its name. Raises ``OutputWriteFailed``."""
        if self._rgb is None:
            self.abandon()
            self.notes.append(f"no frame came: {self.path} was not written")
            return
        try:
            bgr = np.ascontiguousarray(self._rgb[..., ::-1])
            encoded, lost = encoded_with_metadata(bgr, self._suffix, _QUALITY.get(self._suffix, ()), self._metadata)
            self.notes += lost
            self._file.temporary.write_bytes(encoded)
            self._file.commit()
        except (OSError, cv2.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise OutputWriteFailed(f"{self.path} cannot be written ({reason})", hint="check the free space") from error
        finally:
            self._file.discard()

    def abandon(self) -> None:
        """Remove what was begun. Never raises."""
        self._file.discard()
