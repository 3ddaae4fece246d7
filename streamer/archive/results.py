"""Where the results of one recording of an archive stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from streamer.archive.inputs import Recording
from streamer.config.annotate import AnnotateConfig
from streamer.config.export import ExportConfig
from streamer.datasets import export as datasets
from streamer.errors import ConfigError
from streamer.object_storage.addresses import address_of
from streamer.redact import redact
from streamer.sinks.atomic import remove_partial
from streamer.sinks.containers import CONTAINERS
from streamer.sinks.picture import PICTURE_SUFFIXES

ArchiveConfig = AnnotateConfig | ExportConfig
"""What is done with all of an archive: recordings are annotated, or records exported."""
RECORDS = ".jsonl"
_OTHER_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/")
_ENDINGS = {"detections": ".jsonl", "coco": ".json", "counts": ".csv", "events": ""}


def folders(config: ArchiveConfig) -> list[Path]:
    """The folders, or addresses of object storage, that an archive's results go to, OUTPUT first.

    Raises ``ConfigError`` where OUTPUT is not given, for other addresses, and where some are folders and some addresses.
    """
    if isinstance(config, ExportConfig):
        if address_of(config.output) is not None or address_of(config.video) is not None:
            raise ConfigError("export takes files and folders", hint="mount the storage (rclone mount), and name that path")
        return [config.output]
    if config.output is None:
        raise ConfigError(
            f"{config.input} is a folder, a pattern or a list, and needs an OUTPUT folder",
            hint="name one with -o, such as -o annotated",
        )
    given = [folder for folder in (config.output, *(getattr(config, field) for field in _ENDINGS)) if folder is not None]
    for folder in given:
        if address_of(folder) is None and _OTHER_ADDRESS.match(str(folder)):
            told = redact(str(folder).replace(":/", "://", 1))
            raise ConfigError(
                f"{told} is an address, and results of an archive go to folders or object storage (s3, gs, az)",
                hint="mount the storage (rclone mount, NFS), at the same path on all machines, and name that path",
            )
    if len({address_of(folder) is None for folder in given}) > 1:
        raise ConfigError(
            "some results are to go to folders, and some to object storage",
            hint="name addresses for all of them, or folders",
        )
    if address_of(config.events) is not None:
        raise ConfigError("a folder of events is a file that grows, and clips", hint="leave out --events, or give folders")
    return given


def settings_for(config: ArchiveConfig, recording: Recording, *, overwrite: bool) -> ArchiveConfig:
    """The settings of one recording, or of its records: its own input and results, all else as for the archive.

    The picture keeps the recording's name where that kind of file can be written, and has ``.mp4`` added where not, so that
    ``a.wmv`` and ``a.mp4`` do not meet. Records and the like have their ending added to the whole name; a dataset has
    the name of the recording, which is that of its records without this ending.
    """
    if isinstance(config, ExportConfig):
        name = recording.name[: -len(RECORDS)] if recording.name.lower().endswith(RECORDS) else f"{recording.name}.dataset"
        video = None if config.video is None else f"{config.video}/{name}"
        own = {"input": recording.path, "output": config.output / name, "video": video, "overwrite": overwrite}
        return config.model_copy(update=own)
    picture = recording.name
    if Path(picture).suffix.lower() not in (*CONTAINERS, *PICTURE_SUFFIXES):
        picture += ".mp4"
    update: dict[str, object] = {"input": recording.path, "overwrite": overwrite, "resume": False, "workers": 1, "ray": None}
    update["output"] = None if config.output is None else config.output / picture
    for field, ending in _ENDINGS.items():
        folder = getattr(config, field)
        update[field] = None if folder is None else folder / (recording.name + ending)
    return config.model_copy(update=update)


def written(config: ArchiveConfig) -> Iterator[Path]:
    """The files, or the folder, that one recording's settings name."""
    if isinstance(config, ExportConfig):
        yield config.output
        return
    for path in (config.output, config.detections, config.coco, config.counts):
        if path is not None:
            yield path


def remove_unfinished(config: ArchiveConfig) -> None:
    """Remove what a process that was killed at this recording has left under temporary names."""
    if isinstance(config, ExportConfig):
        datasets.remove_unfinished(config.output)
        return
    for path in written(config):
        if address_of(path) is None:
            remove_partial(path)
