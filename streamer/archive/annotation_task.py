"""Annotating each recording of an archive."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from streamer.annotation import worker_devices
from streamer.archive.annotator import Annotator
from streamer.archive.inputs import Found, Recording, find
from streamer.archive.task import NOT_OF_THE_RESULT, Task
from streamer.config.annotate import AnnotateConfig
from streamer.config.zones import places_of
from streamer.detectors.device import gpu_index
from streamer.detectors.from_settings import DEFAULT_SCORE, threads_each
from streamer.detectors.preparing import fetch
from streamer.errors import ConfigError
from streamer.object_storage.addresses import address_of
from streamer.redact import redact
from streamer.sinks.containers import CONTAINERS
from streamer.sinks.leftovers import remove_partial
from streamer.sinks.picture import PICTURE_SUFFIXES
from streamer.sources.fingerprint import fingerprint

_OTHER_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/")
_ENDINGS = {"detections": ".jsonl", "coco": ".json", "counts": ".csv", "events": ""}
_FILES = ("output", "detections", "coco", "counts")


@dataclass(frozen=True)
class AnnotationTask(Task[AnnotateConfig]):
    """See ``Task``."""

    doing: ClassVar[str] = "annotating"
    not_done: ClassVar[str] = "not annotated"
    anew: ClassVar[str] = "--overwrite"
    keeps_journal: ClassVar[bool] = True

    @property
    def scratch(self) -> Path | None:
        """See ``Task``."""
        return self.settings.scratch

    def folders(self) -> list[Path]:
        """See ``Task``. Raises ``ConfigError`` where OUTPUT is not given, for addresses that are no object storage, and where
        some are folders and some addresses."""
        config = self.settings
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

    def find(self, folders: Sequence[Path]) -> Found:
        """See ``Task``."""
        places_of(self.settings)
        return find(self.settings.input, folders)

    def of(self, recording: Recording, *, overwrite: bool) -> Self:
        """See ``Task``.

        The picture keeps the recording's name where that kind of file can be written, and has ``.mp4`` added where not, so that
        ``a.wmv`` and ``a.mp4`` do not meet. Records and the like have their ending added to the whole name.
        """
        picture = recording.name
        if Path(picture).suffix.lower() not in (*CONTAINERS, *PICTURE_SUFFIXES):
            picture += ".mp4"
        update: dict[str, object] = {
            "input": recording.path,
            "overwrite": overwrite,
            "resume": False,
            "workers": 1,
            "ray": None,
        }
        update["output"] = None if self.settings.output is None else self.settings.output / picture
        for field, ending in _ENDINGS.items():
            folder = getattr(self.settings, field)
            update[field] = None if folder is None else folder / (recording.name + ending)
        return self.changed(**update)

    def results(self) -> Iterator[Path]:
        """See ``Task``."""
        for field in _FILES:
            path: Path | None = getattr(self.settings, field)
            if path is not None:
                yield path

    def remove_unfinished(self) -> None:
        """See ``Task``."""
        for path in self.results():
            if address_of(path) is None:
                remove_partial(path)

    def digest(self) -> str:
        """See ``Task``."""
        config = self.settings
        values = config.model_dump(exclude={*NOT_OF_THE_RESULT, *_ENDINGS, "scratch"})
        values["detector"] = redact(config.detector)  # another token is not another detector
        values["asked"] = [name for name in _ENDINGS if getattr(config, name) is not None]
        values["content"] = [_content(file) for file in (config.labels, config.zones_file, config.detector)]
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=_plain).encode()).hexdigest()

    def prepare(self) -> None:
        """Fetch the model."""
        fetch(self.settings)

    def for_processes(self) -> list[Self]:
        """See ``Task``: at least one for each device."""
        devices = worker_devices(self.settings)
        update: dict[str, object] = {"workers": 1}
        if len(devices) > 1 and self.settings.threads is None and self.settings.detector in DEFAULT_SCORE:
            update["threads"] = threads_each(len(devices))
        return [self.changed(**update, device=device) for device in devices]

    def for_cluster(self) -> Self:
        """See ``Task``."""
        # Those of the built-in detector take all cores where nothing is said.
        threads = self.cores if self.settings.detector in DEFAULT_SCORE else self.settings.threads
        return self.changed(workers=1, ray=None, threads=threads)

    @property
    def cores(self) -> int:
        """As many as the detector has threads."""
        return self.settings.threads or 1

    @property
    def gpu(self) -> str | None:
        """That of the detector, or of the decoder."""
        if gpu_index(self.settings.device) is not None:
            return self.settings.device
        return "cuda" if self.settings.decode == "cuda" else None

    def doer(self) -> Annotator:
        """See ``Task``."""
        return Annotator(self.settings)


def _plain(value: object) -> object:
    """A setting that JSON does not know, in the same form each time."""
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if not isinstance(value, Path):
        raise TypeError(f"a setting of {type(value).__name__} has no plain form")
    return str(value)


def _content(name: str | Path | None) -> list[str | None]:
    """Fingerprints of a file, or of all files of a folder such as a SavedModel; none for a name that is neither."""
    if name is None:
        return []
    path = Path(name)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [fingerprint(file) for file in files]
