"""``streamer models download``: a model into the cache, with a bar."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from streamer.detectors.hub_cache import MASK_RCNN, download
from streamer.errors import ConfigError


def download_model(spec: str) -> Path:
    """Fetch what ``spec`` (``mask-rcnn`` or ``hub:HANDLE``) names and return its folder.

    Raises ``ConfigError`` for a detector that needs no download, ``DetectorUnavailable`` when it cannot be had.
    """
    kind, _, handle = spec.partition(":")
    if spec == "mask-rcnn":
        handle = MASK_RCNN
    elif kind != "hub" or not handle:
        hint = "nanodet is built in" if spec.startswith("nanodet") else "mask-rcnn and hub:HANDLE are downloaded"
        raise ConfigError(f"there is nothing to download for {spec!r}", hint=hint)
    # No thread of its own redraws the bar: it moves when bytes come.
    bar = Progress(
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
    )
    with bar:
        task = bar.add_task(spec, total=None)

        def progress(received: int, total: int | None) -> None:
            bar.update(task, completed=received, total=total, refresh=True)

        return download(handle, progress)
