"""Settings of ``render``: those of ``annotate`` without a detector, and the records to draw."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, ClassVar

from streamer.config.annotate import EncodingOptions, OutputOptions, RecordingOptions, ReportOptions
from streamer.config.fields import DeviceName, FilePath, Names, Option, Settings, Share, Unset
from streamer.config.shared import DrawingOptions, FileOptions, PrivacyOptions, SelectionOptions
from streamer.config.validation import load
from streamer.config.zones import PlacesOptions


class StoredOptions(Settings):
    """What is drawn in place of a detector's answers."""

    panel: ClassVar[str] = "Records"

    records: Annotated[FilePath, Option(flag="--from", metavar="FOUND.jsonl")]
    """Records of the run, as ``detections`` wrote them."""
    device: DeviceName = "auto"
    """The GPU that ``decode`` means."""


class ChosenOptions(SelectionOptions):
    """Which of the stored instances are drawn."""

    panel: ClassVar[str] = "Picture"

    score_threshold: Annotated[Share | None, Unset("that of the run")] = None
    """Least score of a stored instance that is drawn."""
    classes: Annotated[Names, Unset("all in the records", by_none=False)] = None
    """Names of the classes to draw, such as ``person,car``; ``all`` for every class."""


class RenderConfig(  # pydantic takes the fields of the last base first
    ReportOptions,
    EncodingOptions,
    PlacesOptions,
    PrivacyOptions,
    DrawingOptions,
    ChosenOptions,
    FileOptions,
    OutputOptions,
    StoredOptions,
    RecordingOptions,
):
    """Everything that ``streamer render`` can be told."""


class FoundOptions(Settings):
    """The records of a camera."""

    panel: ClassVar[str] = "Records"

    records: Annotated[FilePath, Option(flag="--from", metavar="FOUND.jsonl")]
    """Records of the camera, as its ``detections`` wrote them."""


class EventRenderConfig(EncodingOptions, DrawingOptions, ChosenOptions, FileOptions, FoundOptions):
    """Everything that ``streamer events render`` can be told of the picture."""


def load_event_render_config(overrides: Mapping[str, object]) -> EventRenderConfig:
    """Settings of ``events render``. Raises ``ConfigError`` that names the option, the value and what was expected."""
    return load(EventRenderConfig, None, overrides, {})


def load_render_config(
    path: str | os.PathLike[str] | None, overrides: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> RenderConfig:
    """Settings of ``render`` from a YAML file (or none) and ``overrides``, which win unless they are None.

    ``${VAR}`` in the file comes from the environment. Raises ``ConfigError`` that names file and line or the option, the
    value and what was expected.
    """
    return load(RenderConfig, path, overrides, environ)
