"""What the processes of an archive and the one that hands out the work tell each other."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.errors import StreamerError


@dataclass(frozen=True, slots=True)
class Ready:
    """The detector is loaded: recordings can come."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """The worker cannot be used for any recording."""

    error: StreamerError
    of_machine: bool = False
    """Whether that says something of its machine only, not of the detector."""


@dataclass(frozen=True, slots=True)
class Came:
    """How far the recording has come."""

    frames: int
    of: int | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The recording is done."""

    frames: int
    files: tuple[str, ...]
    """Those that are there, as the worker sees them."""
    notes: tuple[str, ...]
    machine: str = ""
    """In words, where that is another one."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The recording cannot be done."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotHere:
    """The recording cannot be done on this machine, which others may see."""

    machine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The worker is no more: said in its place by whoever started it."""

    how: str
    """What has become of it, in words that follow "the process that worked on it"."""
    by_work: bool = True
    """Whether its process has ended for certain, for which its recording may be to blame. Otherwise the machine is lost, and
    the process may go on where nobody sees it."""


Message = Ready | Unusable | Came | Finished | Failed | NotHere | Gone
