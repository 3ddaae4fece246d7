"""Settings: from YAML and the command line to checked, frozen objects. The names are those of the command's options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import Field, ValidationInfo, field_validator

from streamer.config.events import EventOptions
from streamer.config.fields import (
    Address,
    Count,
    FilePath,
    Interval,
    InvalidValue,
    Name,
    Option,
    Quality,
    RayAddress,
    Seconds,
    Settings,
    Switch,
    Text,
    Unset,
)
from streamer.config.shared import (
    DetectorOptions,
    DrawingOptions,
    FileOptions,
    PrivacyOptions,
    RecordsOptions,
    SelectionOptions,
)
from streamer.config.validation import load
from streamer.config.zones import PlacesOptions


class RecordingOptions(Settings):
    """Which recording, and which part of it."""

    panel: ClassVar[str] = "Source"

    input: Annotated[Address, Option(argument=True), Field(repr=False)]  # an address may hold a password
    """Recording or picture: a path or URL of anything that FFmpeg reads."""
    insecure: Switch = False
    """Read from ``rtsps``, ``https`` and ``rtmps`` servers whatever certificate they show."""
    decode: Literal["cpu", "cuda"] = "cpu"
    """Where the video is decoded: ``cuda`` on the NVIDIA GPU of ``device``; what cannot be decoded there is on the CPU, which a
    note says."""
    start: Annotated[Seconds | None, Unset("the beginning")] = None
    """Time of the first frame: seconds, MM:SS or HH:MM:SS."""
    end: Annotated[Seconds | None, Unset("the end")] = None
    """Time before which the last frame lies: seconds, MM:SS or HH:MM:SS."""

    @field_validator("end")
    @classmethod
    def _end_after_start(cls, end: float | None, info: ValidationInfo) -> float | None:
        start = info.data.get("start") or 0.0
        if end is not None and end <= start:
            raise InvalidValue(f"more than start, {start:g} s")
        return end


class OutputOptions(Settings):
    """The annotated recording."""

    panel: ClassVar[str] = "Output"

    output: Annotated[FilePath | None, Option(short="-o"), Unset("INPUT-annotated, beside the input")] = None
    """Annotated copy: .mp4, .mkv, .mov, .webm, .jpg and others; a folder where INPUT is a folder, a pattern or a list."""


class TrackingOptions(Settings):
    """How often the detector runs."""

    panel: ClassVar[str] = "Detector"

    inference_interval: Interval = 1
    """Run the detector on every N-th frame and follow the instances in between; 1: on every frame; ``auto``: the more often
    the more the picture changes."""
    track: Switch = False
    """Give instances identities also with an interval of 1; with a longer one they always have them."""


class EncodingOptions(Settings):
    """How the annotated recording is encoded."""

    panel: ClassVar[str] = "Encoding"

    encoder: Annotated[Text | None, Option(metavar="NAME"), Unset("libx264; libvpx-vp9 for .webm")] = None
    """Video encoder: libx264, libx265, libvpx-vp9, libsvtav1, h264_nvenc and others that open here; where NVENC does not, the
    same codec's encoder for CPUs is taken, which a note says."""
    crf: Annotated[Quality | None, Unset("a good one for the encoder, 20 for libx264")] = None
    """Constant quality: lower is better and larger."""
    preset: Annotated[Name | None, Unset("a good one for the encoder")] = None
    """How hard the encoder tries, in its own words."""
    audio: Literal["copy", "none"] = "copy"
    """Whether the input's audio goes into the output: ``copy`` as it is, or transcoded where the container cannot hold it."""


class ResultsOptions(Settings):
    """Files of what was found, besides the records."""

    panel: ClassVar[str] = "Records"

    coco: Annotated[FilePath | None, Option(metavar="FILE.json"), Unset("not written")] = None
    """File of the results in COCO's format."""


class ReportOptions(Settings):
    """What the command says."""

    panel: ClassVar[str] = "Process"

    quiet: Annotated[Switch, Option(short="-q")] = False
    """No progress, no summary."""


class ArchiveOptions(Settings):
    """What holds for a folder, a pattern or a list of recordings."""

    panel: ClassVar[str] = "Process"

    resume: Switch = False
    """Go on with a folder of recordings where an earlier run has ended: what is finished is left as it is."""
    workers: Count = 1
    """Processes with a detector each, side by side: on the recordings of a folder, or on the frames of one recording. With
    ``ray``: as many as the cluster has cores."""
    scratch: Annotated[FilePath | None, Option(metavar="FOLDER"), Unset("streamer/scratch in the user's cache folder")] = None
    """Folder of this machine for what is fetched from object storage (``s3://…``), and for results on their way there."""
    ray: RayAddress = None
    """Work on the recordings of a folder on the machines of a Ray cluster: ``auto`` (that of this machine), its HOST:PORT, or
    ``local`` (one that lasts as long as the command)."""


class AnnotateConfig(  # pydantic takes the fields of the last base first
    ArchiveOptions,
    ReportOptions,
    EncodingOptions,
    EventOptions,
    PlacesOptions,
    ResultsOptions,
    RecordsOptions,
    PrivacyOptions,
    DrawingOptions,
    TrackingOptions,
    SelectionOptions,
    DetectorOptions,
    FileOptions,
    OutputOptions,
    RecordingOptions,
):
    """Everything that ``streamer annotate`` can be told."""

    @property
    def needs_masks(self) -> bool:
        """Whether anybody looks at masks."""
        counted = self.zones or self.lines or self.zones_file
        return self.draws_masks or self.records_masks or bool(self.privacy or counted) or self.coco is not None


class EncodingSettings(Protocol):
    """How the drawn copy is written."""

    @property
    def encoder(self) -> str | None: ...
    @property
    def crf(self) -> float | None: ...
    @property
    def preset(self) -> str | None: ...
    @property
    def audio(self) -> Literal["copy", "none"]: ...
    @property
    def overwrite(self) -> bool: ...


class RecordingSettings(EncodingSettings, Protocol):
    """The settings that ``annotate`` and ``render`` have in common: what is read, and how its copy is written."""

    @property
    def input(self) -> str: ...
    @property
    def start(self) -> float | None: ...
    @property
    def end(self) -> float | None: ...
    @property
    def decode(self) -> Literal["cpu", "cuda"]: ...
    @property
    def device(self) -> str: ...


def load_annotate_config(
    path: str | os.PathLike[str] | None, overrides: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> AnnotateConfig:
    """Settings of ``annotate`` from a YAML file (or none) and ``overrides``, which win unless they are None.

    ``${VAR}`` in the file comes from the environment. Raises ``ConfigError`` that names file and line or the option, the
    value and what was expected.
    """
    return load(AnnotateConfig, path, overrides, environ)
