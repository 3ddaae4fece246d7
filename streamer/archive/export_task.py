"""Exporting the records of each recording of an archive."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from streamer.archive.exporter import Exporter
from streamer.archive.inputs import Found, Recording, find
from streamer.archive.task import NOT_OF_THE_RESULT, Task
from streamer.config.export import ExportConfig
from streamer.datasets.export import check_format
from streamer.errors import ConfigError
from streamer.object_storage.addresses import address_of
from streamer.sinks.leftovers import remove_partial
from streamer.sources.fingerprint import fingerprint

_RECORDS = ".jsonl"


@dataclass(frozen=True)
class ExportTask(Task[ExportConfig]):
    """See ``Task``."""

    doing: ClassVar[str] = "exporting"
    not_done: ClassVar[str] = "not exported"
    anew: ClassVar[str] = "another folder"
    keeps_journal: ClassVar[bool] = False
    scratch: ClassVar[None] = None
    cores: ClassVar[int] = 1
    gpu: ClassVar[None] = None

    def folders(self) -> list[Path]:
        """See ``Task``. Raises ``ConfigError`` for addresses."""
        if address_of(self.settings.output) is not None or address_of(self.settings.video) is not None:
            raise ConfigError("export takes files and folders", hint="mount the storage (rclone mount), and name that path")
        return [self.settings.output]

    def find(self, folders: Sequence[Path]) -> Found:
        """See ``Task``."""
        check_format(self.settings.to)
        return find(self.settings.input, folders, frozenset({_RECORDS}))

    def of(self, recording: Recording, *, overwrite: bool) -> Self:
        """See ``Task``. A dataset has the name of the recording, which is that of its records without their ending."""
        name = recording.name
        name = name[: -len(_RECORDS)] if name.lower().endswith(_RECORDS) else f"{name}.dataset"
        video = None if self.settings.video is None else f"{self.settings.video}/{name}"
        return self.changed(input=recording.path, output=self.settings.output / name, video=video, overwrite=overwrite)

    def results(self) -> Iterator[Path]:
        """See ``Task``."""
        yield self.settings.output

    def remove_unfinished(self) -> None:
        """See ``Task``."""
        remove_partial(self.settings.output)

    def digest(self) -> str:
        """See ``Task``. The video is known by its content."""
        values = self.settings.model_dump(exclude={*NOT_OF_THE_RESULT, "video"})
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def prepare(self) -> None:
        """Nothing is shared."""

    def for_processes(self) -> list[Self]:
        """See ``Task``."""
        return [self] * self.settings.workers

    def for_cluster(self) -> Self:
        """See ``Task``."""
        return self.changed(workers=1, ray=None)

    def doer(self) -> Exporter:
        """See ``Task``."""
        return Exporter()

    def content(self, recording: Recording) -> str | None:
        """See ``Task``: the records', and that of the video which goes with them."""
        records = super().content(recording)
        if records is None or self.settings.video is None:
            return records
        video = fingerprint(self.settings.video)
        return None if video is None else f"{records} {video}"
