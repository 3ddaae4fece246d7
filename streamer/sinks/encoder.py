"""A video file as output: the drawn frames encoded, all other streams of the input copied."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from streamer.errors import OutputWriteFailed
from streamer.frame import StreamInfo
from streamer.sources.video import VideoFile
from streamer.stages import Annotated


class VideoEncoder:
    """Implements ``stages.Sink``. ``source`` must be open when this is built; all checks are made here, before any reading.

    ``encoder=None``: libx264, or libvpx-vp9 in a .webm. ``crf``/``preset`` None: the encoder's sensible default.
    Raises ``OutputRefused``, ``ConfigError``, ``EncoderUnavailable``, ``OutputWriteFailed``.
    """

    name = "encoder"

    def __init__(
        self,
        path: str | Path,
        info: StreamInfo,
        *,
        source: VideoFile | None = None,
        encoder: str | None = None,
        crf: float | None = None,
        preset: str | None = None,
        audio: Literal["copy", "none"] = "copy",
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        """What could not be carried over, one sentence each; complete after construction (finish may add)."""
        self.frames_written = 0
        raise OutputWriteFailed("not there yet")

    def write(self, item: Annotated) -> None:
        """Encode ``item.picture``."""

    def finish(self) -> None:
        """Complete the file and give it its name."""

    def abandon(self) -> None:
        """Leave nothing behind."""
