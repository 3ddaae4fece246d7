"""The stages of a pipeline: small protocols that any class can implement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import av
import numpy as np
from numpy.typing import NDArray

from streamer.analysis.facts import SceneFacts
from streamer.frame import Frame, StreamInfo
from streamer.instances import Instances


class Source(Protocol):
    """Where frames come from. ``open``, ``frames`` and ``close`` are called by one thread at a time."""

    def open(self) -> StreamInfo:
        """Open it and say what it is. Raises a ``SourceError``."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield frames in presentation order until the end; blocks while none is there. Raises a ``SourceError``."""
        ...

    def interrupt(self) -> None:
        """From any thread: make ``frames`` end soon, without an error. Frames decoded already still come."""
        ...

    def close(self) -> None:
        """Let go of files, sockets and threads. May be called twice."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Finds objects in a picture. A class with these members works as ``--detector package.module:Class``."""

    # Read-only members, so that a plain attribute of a narrower type (a dict, a tuple) fits as well.
    @property
    def name(self) -> str:
        """Short name for records and reports."""
        ...

    @property
    def labels(self) -> Mapping[int, str]:
        """Class id to class name."""
        ...

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Largest useful picture (width, height): it is handed no more pixels than that; None for the picture's own size."""
        ...

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        """Find objects in an RGB picture, uint8 (height, width, 3); boxes in pixels of that very array."""
        ...

    def warm_up(self) -> None:
        """Do what the first call would otherwise have to wait for."""
        ...

    def close(self) -> None:
        """Let go of the model. May be called twice."""
        ...


@runtime_checkable
class DetectsWanted(Protocol):
    """A detector for which masks are work of their own, done for those objects only that somebody wants."""

    def detect_wanted(
        self, image: NDArray[np.uint8], wanted: Callable[[Instances], NDArray[np.intp]], *, masks: bool = True
    ) -> Instances:
        """As ``Detector.detect``, of the rows that ``wanted`` picks of what was found; without masks where none are needed.

        ``wanted`` is given boxes, scores and classes.
        """
        ...


@runtime_checkable
class DetectsSelected(Protocol):
    """A detector in another process or on another machine, which has to be told what is wanted."""

    def detect_selected(
        self,
        image: NDArray[np.uint8],
        *,
        score_threshold: float,
        class_ids: frozenset[int] | None,
        max_instances: int | None,
        masks: bool,
    ) -> Instances:
        """As ``Detector.detect``, of what has that score (0..1) and more, of those classes (None: all), and at most so many,
        best first (None: all); without masks where none are needed. It may give more than that."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A detector that remembers what it saw in earlier pictures."""

    def forget(self) -> None:
        """Another recording begins: answer as if nothing had been seen yet."""
        ...


@runtime_checkable
class CanReload(Protocol):
    """A detector that can be made anew after it has failed: what was at fault, such as a GPU, is not this process's."""

    def reload(self) -> None:
        """Load it again and warm it up; blocks as long as that takes. Raises a ``DetectorError``, also once it is closed."""
        ...


class Cover(Protocol):
    """What must not be seen of a frame."""

    def covered(self, frame: Frame) -> av.VideoFrame:
        """A new picture of ``frame``, as stored, in which it cannot be seen; same pts and time base. In any thread."""
        ...


@dataclass(slots=True, eq=False)
class Annotated:
    """A frame, what was found in it and, once the renderer has seen it, the picture to show."""

    frame: Frame
    instances: Instances
    picture: av.VideoFrame | None = None
    """The drawn picture, as stored (not turned upright), same pts and time base; owned with this object."""
    inference_s: float | None = None
    """What the detector took for this frame, in seconds; None where the time in perception is all that is known."""
    render: Callable[[Annotated], None] | None = None
    """Draws it, once, in the thread that needs the picture first; None where that is not put off."""
    facts: SceneFacts | None = None
    """Who is in which zone and what happened; None where there are no zones and no lines."""
    looked_s: float | None = None
    """Stream time, in seconds, of the newest frame of this scene of which the detector's answer is known; None: of none."""
    cut: bool = False
    """Whether it does not continue the picture before: a cut, or a light that was switched on."""
    cover: Cover | None = None
    """What must be covered before anything leaves the process; None where no privacy is asked for."""

    def drawn(self) -> av.VideoFrame:
        """The picture to show or record: drawn now if that was put off; :meth:`clean` where nothing is drawn."""
        if self.picture is None and self.render is not None:
            self.render(self)
        return self.clean() if self.picture is None else self.picture

    def clean(self) -> av.VideoFrame:
        """The picture without drawings: the frame's own, or a new one in which all is covered that must be."""
        return self.frame.picture if self.cover is None else self.cover.covered(self.frame)


class Perception(Protocol):
    """Turns frames into annotated frames, one for one and in order; it may hold some back to look ahead."""

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """Hand in the next frame; get those that are ready now, perhaps none."""
        ...

    def finish(self) -> Iterable[Annotated]:
        """No more frames will come: get those that were held back."""
        ...

    def close(self) -> None:
        """Let go of threads and models. May be called twice, and without ``finish``."""
        ...


@runtime_checkable
class CanSkip(Protocol):
    """A perception that has something to say about a frame that it does not look at."""

    def skip(self, frame: Frame) -> Annotated:
        """``frame`` with the newest instances that are known. Called in the order of the frames; never waits."""
        ...


class Sink(Protocol):
    """Where annotated frames go. Used by one thread; ends with exactly one of ``finish`` and ``abandon``."""

    @property
    def name(self) -> str:
        """Short name for errors and reports."""
        ...

    def write(self, item: Annotated) -> None:
        """Take the next frame. Raises a ``SinkError``."""
        ...

    def finish(self) -> None:
        """Complete the output: afterwards it is whole. Raises a ``SinkError``."""
        ...

    def abandon(self) -> None:
        """Give up: leave nothing half done behind. Never raises."""
        ...


class GivenUp(Exception):
    """What ``finish`` raises after ``give_up``: there is no output."""


@runtime_checkable
class CanGiveUp(Protocol):
    """A sink whose ``finish`` may take long."""

    def give_up(self) -> None:
        """From any thread: a ``finish`` under way raises :class:`GivenUp` soon; what it was completing is discarded."""
        ...


class State(StrEnum):
    """How a source, a camera or an output is. ``starting`` → ``running`` ⇄ ``reconnecting`` → ``ended`` or ``failed``."""

    STARTING = "starting"
    """It connects, or begins, for the first time."""
    RUNNING = "running"
    """It does its work."""
    RECONNECTING = "reconnecting"
    """It did its work, does not any more, and tries to get back to it."""
    ENDED = "ended"
    """Its work is done, or it was stopped."""
    FAILED = "failed"
    """Given up for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputStatus:
    """One output of a camera."""

    name: str
    """What it is and where it goes, without credentials."""
    state: State = State.RUNNING
    frames: int = 0
    """Frames that it has written."""
    bytes: int = 0
    """Bytes that it has written, as far as it counts them."""
    dropped: int = 0
    """Frames that it was too slow for."""
    queued: int = 0
    """Frames that wait for it now."""
    fill: float = 0.0
    """How full its queue is, 0..1."""
    error: str = ""
    """Why it is not running, without credentials."""

    @property
    def trouble(self) -> str:
        """Why it does not do its work; empty while it does."""
        if self.state not in (State.RECONNECTING, State.FAILED):
            return self.error
        return f"{self.state}: {self.error}" if self.error else str(self.state)


class Output(Sink, Protocol):
    """A sink that can say how it is doing, and that nothing comes."""

    def idle(self, text: str) -> None:
        """No frame comes: say so to eyes."""
        ...

    def status(self) -> OutputStatus:
        """From any thread: how it is doing."""
        ...


class View(Output, Protocol):
    """A window: it never fails, a person closes it."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        ...


@runtime_checkable
class Reporting(Sink, Protocol):
    """A sink that can say how it is doing."""

    def status(self) -> OutputStatus:
        """From any thread: how it is doing."""
        ...


class DetectorService(Protocol):
    """A detector that works elsewhere: in a thread of its own, perhaps for many cameras."""

    @property
    def begun(self) -> Sequence[Frame]:
        """The frames that were begun last, answered or not: as many as may be under way at once.

        With them any older than the newest that may still be begun: an answer is of use only while its frame is kept.
        """
        ...

    def submit(self, frame: Frame) -> None:
        """Leave the newest frame; an older one that was not begun yet is replaced. Never waits."""
        ...

    def poll(self) -> tuple[Frame, Instances] | None:
        """The newest answer and the frame that it is of, once; else None."""
        ...

    def close(self) -> None:
        """Leave. May be called twice."""
        ...
