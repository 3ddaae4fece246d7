"""``streamer models download``: a model into the cache, with a bar."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from streamer.detectors import hub_cache
from streamer.detectors.handles import is_handle
from streamer.detectors.registry import saved_model_of
from streamer.errors import ConfigError


def download_model(spec: str, *, again: bool = False, accept_changed: bool = False) -> Path:
    """Fetch what ``spec`` (``mask-rcnn``, ``hub:HANDLE`` or ``kaggle:HANDLE``) names and return its folder.

    ``again`` and ``accept_changed`` are those of :func:`hub_cache.download`. Raises ``ConfigError`` for a detector that needs
    no download, ``DetectorUnavailable`` when it cannot be had.
    """
    handle = saved_model_of(spec)
    if handle is None or not is_handle(handle):
        hint = "nanodet is built in" if spec.startswith("nanodet") else "mask-rcnn, hub:HANDLE and kaggle:HANDLE are downloaded"
        raise ConfigError(f"there is nothing to download for {spec!r}", hint=hint)
    hub_cache.check_handle(handle)
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
        task = bar.add_task(spec, total=None, visible=False)

        def progress(received: int, total: int | None) -> None:
            bar.update(task, completed=received, total=total, visible=True, refresh=True)

        return hub_cache.download(handle, progress, again=again, accept_changed=accept_changed)
