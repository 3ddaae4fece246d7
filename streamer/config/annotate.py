"""Settings: from YAML and the command line to checked, frozen objects. The names are those of the command's options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from streamer.config.document import load_yaml
from streamer.config.fields import (
    Count,
    Drawn,
    Expected,
    FilePath,
    Seconds,
    Settings,
    Share,
    Switch,
    Text,
    Unfit,
    listed,
    number,
)
from streamer.config.validation import build


class AnnotateConfig(Settings):
    """Everything that ``streamer annotate`` can be told."""

    input: Annotated[Text, Field(repr=False)]  # an address may hold a password
    """Path or URL of the recording or picture."""
    output: FilePath | None = None
    """Path of the annotated recording; None: beside the input, ``-annotated`` added to its name."""
    detector: Text = "people"
    """``people``, ``mask-rcnn``, ``hub:HANDLE``, the path of a SavedModel, or ``package.module:Class``."""
    labels: FilePath | None = None
    """File of class names that replaces the detector's own."""
    threads: Count | None = None
    """Threads of the detector; None: as many as it finds good."""
    score_threshold: Share | None = None
    """Least score, 0..1; None: the detector's own default (0.4 for ``people``)."""
    classes: Annotated[tuple[Text, ...], BeforeValidator(listed), Expected("names, separated by commas")] | None = None
    """Names of the classes to keep; None: all."""
    max_instances: Count | None = None
    """Most instances of a frame, best first; None: all."""
    inference_interval: Annotated[
        Literal["auto"] | Count, BeforeValidator(number), Expected("a whole number, 1 or more, or auto")
    ] = 1
    """Run the detector on every N-th frame and follow the instances in between; 1: on every frame; ``auto``: the more often
    the more the picture changes."""
    track: Switch = False
    """Give instances identities also with an interval of 1; with a longer one they always have them."""
    draw: Drawn | None = None
    """What to draw of each instance; None: the renderer's own choice."""
    mask_opacity: Share | None = None
    """How strongly masks cover the picture, 0..1; None: the renderer's own choice."""
    start: Seconds | None = None
    """Seconds into the recording of the first frame; None: its beginning."""
    end: Seconds | None = None
    """Seconds into the recording before which the last frame lies; None: its end."""
    encoder: Text | None = None
    """Video encoder; None: the one for the output's container, libx264, or libvpx-vp9 for .webm."""
    crf: Annotated[float, BeforeValidator(number), Field(ge=0, le=63), Expected("a number 0..63")] | None = None
    """Constant quality of the encoder, lower is better; None: a good one for that encoder."""
    preset: (
        Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value), Expected("a name")] | None
    ) = None
    """How hard the encoder tries, in its own words; None: a good one for that encoder."""
    audio: Annotated[Literal["copy", "none"], Expected("copy or none")] = "copy"
    """Whether the input's audio goes into the output."""
    detections: FilePath | None = None
    """Path of the records, as JSON Lines."""
    masks: Annotated[Literal["rle", "polygon", "none"], Expected("rle, polygon or none")] = "rle"
    """How the records hold masks."""
    coco: FilePath | None = None
    """Path of the results in COCO's format."""
    overwrite: Switch = False
    """Whether files of these names may be replaced."""
    quiet: Switch = False
    """No progress, no summary."""

    @field_validator("end")
    @classmethod
    def _end_after_start(cls, end: float | None, info: ValidationInfo) -> float | None:
        start = info.data.get("start") or 0.0
        if end is not None and end <= start:
            raise Unfit(f"more than start, {start:g} s")
        return end


def load_annotate_config(path: str | os.PathLike[str] | None, overrides: Mapping[str, object]) -> AnnotateConfig:
    """Settings of ``annotate`` from a YAML file (or none) and ``overrides``, which win unless they are None.

    Raises ``ConfigError`` that names file and line or the option, the value and what was expected.
    """
    return build(AnnotateConfig, None if path is None else load_yaml(path), overrides)
