"""Settings of ``render``: those of ``annotate`` without a detector, and the records to draw."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, ClassVar

from streamer.config.annotate import EncodingOptions, OutputOptions, RecordingOptions, ReportOptions
from streamer.config.fields import DeviceName, FilePath, Option, Settings
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


class RenderConfig(  # pydantic takes the fields of the last base first
    ReportOptions,
    EncodingOptions,
    PlacesOptions,
    PrivacyOptions,
    DrawingOptions,
    SelectionOptions,
    FileOptions,
    OutputOptions,
    StoredOptions,
    RecordingOptions,
):
    """Everything that ``streamer render`` can be told."""


def load_render_config(
    path: str | os.PathLike[str] | None, overrides: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> RenderConfig:
    """Settings of ``render`` from a YAML file (or none) and ``overrides``, which win unless they are None.

    ``${VAR}`` in the file comes from the environment. Raises ``ConfigError`` that names file and line or the option, the
    value and what was expected.
    """
    return load(RenderConfig, path, overrides, environ)
