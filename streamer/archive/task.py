"""What is done with each recording of an archive: the one thing that annotating and exporting do not share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from streamer.archive.inputs import Found, Recording
from streamer.archive.messages import Came, Failed, Finished
from streamer.config.annotate import AnnotateConfig
from streamer.config.export import ExportConfig
from streamer.sources.fingerprint import fingerprint

C = TypeVar("C", AnnotateConfig, ExportConfig)

NOT_OF_THE_RESULT = frozenset({"input", "output", "overwrite", "quiet", "resume", "workers", "ray"})
"""Settings of every task that a result does not depend on: the input is known by its content."""


class Doer(Protocol):
    """Does the task for one recording after the other, in a process of its own."""

    def work(self, work: Any, tell: Callable[[Came], object]) -> Finished | Failed:
        """What became of a ``Work``. ``tell`` is called several times a second, by the calling thread."""


@dataclass(frozen=True)
class Task(ABC, Generic[C]):
    """A task for a whole archive, and, by :meth:`of`, for one recording of it. It is sent to processes and other machines."""

    settings: C
    doing: ClassVar[str]
    """As in "annotating"."""
    not_done: ClassVar[str]
    """As in "not annotated"."""
    anew: ClassVar[str]
    """What is to be given, in words, for the work to begin anew where there is earlier work."""
    keeps_journal: ClassVar[bool]
    """Whether a recording goes on where it was, after a kill, by a journal of what was found in it."""

    @property
    @abstractmethod
    def scratch(self) -> Path | None:
        """Folder of this machine for what an archive in object storage keeps here; None: the usual one."""

    @abstractmethod
    def folders(self) -> list[Path]:
        """The folders, or addresses of object storage, that an archive's results go to, OUTPUT first.

        Raises ``ConfigError`` where they cannot be used.
        """

    @abstractmethod
    def find(self, folders: Sequence[Path]) -> Found:
        """The recordings of the archive, none of which lies in ``folders``. Raises ``ConfigError`` for wrong settings."""

    @abstractmethod
    def of(self, recording: Recording, *, overwrite: bool) -> Self:
        """That of one recording: with its own input and results, all else as for the archive."""

    @abstractmethod
    def results(self) -> Iterator[Path]:
        """The files, or the folder, that are written for one recording."""

    @abstractmethod
    def remove_unfinished(self) -> None:
        """Remove what a process that was killed at this recording has left under temporary names."""

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of all settings that a result depends on, with the content of the files that they name."""

    @abstractmethod
    def prepare(self) -> None:
        """Do, once and before processes of this machine start, what each of them would do."""

    @abstractmethod
    def for_processes(self) -> list[Self]:
        """The tasks of the processes of this machine, one each."""

    @abstractmethod
    def for_cluster(self) -> Self:
        """That of a worker on another machine, which has so many ``cores`` for itself."""

    @property
    @abstractmethod
    def cores(self) -> int:
        """So many a worker needs."""

    @property
    @abstractmethod
    def gpu(self) -> str | None:
        """The device, such as ``cuda``, that a worker needs; None: no GPU."""

    @abstractmethod
    def doer(self) -> Doer:
        """Who does it, with all loaded that is needed. Raises ``StreamerError``, as for a detector that cannot be used."""

    def content(self, recording: Recording) -> str | None:
        """What the input of one recording is known again by; None where it cannot be read."""
        return recording.mark or fingerprint(recording.path)

    def with_settings(self, settings: C) -> Self:
        """The same task with others."""
        return replace(self, settings=settings)

    def changed(self, **update: object) -> Self:
        """The same task with some settings changed."""
        return replace(self, settings=self.settings.model_copy(update=update))


@dataclass(frozen=True, slots=True)
class Work(Generic[C]):
    """A recording that its task is to be done for."""

    task: Task[C]
    journal: Path | None = None
    """File of what the detector finds, by which the work goes on after a kill; None: it begins anew."""
    about: Mapping[str, object] = field(default_factory=dict)
    """What the answers of the detector depend on."""
