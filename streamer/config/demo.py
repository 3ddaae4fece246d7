"""Settings of the webcam demo."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from streamer.config.fields import Count, Endpoint, Settings
from streamer.config.shared import DetectorOptions, SelectionOptions
from streamer.config.validation import load
from streamer.config.web import WebOptions, with_secrets


class DemoOptions(Settings):
    """The demo itself."""

    panel: ClassVar[str] = "Web"

    sessions: Annotated[Count, Field(le=64)] = 4
    """Browsers that may try it at the same time; more are asked to come back."""
    upload_mb: Annotated[Count, Field(le=10_000)] = 200
    """Largest clip in megabytes that somebody without a camera may bring."""


class DemoConfig(DemoOptions, WebOptions, SelectionOptions, DetectorOptions):
    """Everything that ``streamer web`` can be told."""

    web: Endpoint = "8080"
    """Where it is served; 127.0.0.1 where only a port is named. For others than this machine a token is needed: one that is
    made and told once, or ``web_token``, and https (``tls_cert``, ``tls_key``), since browsers give no camera to plain http."""

    @property
    def needs_masks(self) -> bool:
        """Masks are drawn, unless somebody chooses otherwise."""
        return True

    @property
    def privacy(self) -> Mapping[str, str]:
        """Nothing is covered."""
        return {}


def load_demo_config(
    path: str | os.PathLike[str] | None, overrides: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> DemoConfig:
    """Settings of ``streamer web`` from a YAML file (or none) and ``overrides``, which win unless they are None.

    ``${VAR}`` comes from the environment, in the file and as a secret. Raises ``ConfigError`` that names file and line or
    the option.
    """
    return load(DemoConfig, path, with_secrets(overrides, environ), environ)
