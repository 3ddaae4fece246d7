"""A still picture as output: photo.jpg in, photo-annotated.jpg out."""

from __future__ import annotations

from pathlib import Path

from streamer.errors import OutputWriteFailed
from streamer.frame import StreamInfo
from streamer.sources.video import VideoFile
from streamer.stages import Annotated

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class PictureFile:
    """Implements ``stages.Sink`` for one frame; turned upright, so that no viewer has to."""

    name = "picture"

    def __init__(
        self, path: str | Path, info: StreamInfo, *, source: VideoFile | None = None, overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        self.frames_written = 0
        raise OutputWriteFailed("not there yet")

    def write(self, item: Annotated) -> None:
        """Take the picture."""

    def finish(self) -> None:
        """Write the file and give it its name."""

    def abandon(self) -> None:
        """Leave nothing behind."""
