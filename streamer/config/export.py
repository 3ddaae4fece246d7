"""Settings of ``export``: records, and the format they go to."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.config.fields import Address, Count, FilePath, RayAddress, Settings, Switch, Text
from streamer.config.validation import build


class ExportConfig(Settings):
    """Everything that ``streamer export`` can be told."""

    input: Address
    """Records; or a folder, a pattern or a list of them."""
    output: FilePath
    """New folder of the dataset; of many records, folder of the datasets."""
    to: Text
    """Name of the format."""
    video: Address | None = None
    """The recording that the records are of; of many records, the folder of the recordings."""
    every: Count = 1
    """Of so many frames one is written."""
    overwrite: Switch = False
    """Replace a dataset: of an archive's own, no command offers it."""
    resume: Switch = False
    """Go on with many records where an earlier run has ended."""
    workers: Count = 1
    """Processes side by side, of many records."""
    ray: RayAddress = None
    """Cluster of the machines that work."""
    quiet: Switch = False
    """No progress."""


def load_export_config(given: Mapping[str, object]) -> ExportConfig:
    """Settings of ``export``. Raises ``ConfigError`` that names the option, the value and what was expected."""
    return build(ExportConfig, None, given)
