"""All outputs of one camera as one sink: recordings get every frame, viewers the newest; one that is slow delays no other."""

from __future__ import annotations

import glob
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.channel import Room
from streamer.frame import Frame, picture_bytes
from streamer.redact import redact
from streamer.stages import Annotated, Output, OutputStatus, Reporting, Sink, State, View

log = logging.getLogger(__name__)

BUFFER_BYTES = 256 * 2**20
"""Pictures that may wait for one recording, as they were captured: 86 frames of 1080p. Drawn, they take as much again; the
recordings of a camera share them."""


class FileSink:
    """A sink that writes one file, with what there is to say of it."""

    def __init__(self, sink: Sink, path: Path) -> None:
        self.name = f"{sink.name} {path.name}"
        self._sink = sink
        self._path = path
        self._frames = 0
        self._state = State.STARTING

    def write(self, item: Annotated) -> None:
        self._sink.write(item)
        self._frames += 1
        self._state = State.RUNNING

    def finish(self) -> None:
        self._sink.finish()
        self._state = State.ENDED

    def abandon(self) -> None:
        self._sink.abandon()
        self._state = State.ENDED

    def idle(self, text: str) -> None:
        """A recording gets no false frames."""

    def status(self) -> OutputStatus:
        return OutputStatus(name=self.name, state=self._state, frames=self._frames, bytes=self._bytes())

    def _bytes(self) -> int:
        # While it is written, a video stands beside its path under a hidden name that holds the final one.
        begun = (
            [self._path] if self._path.exists() else list(self._path.parent.glob(f".{glob.escape(self._path.stem)}.partial-*"))
        )
        try:
            return sum(path.stat().st_size for path in begun)
        except FileNotFoundError:
            return 0  # renamed just now; the next look finds it


class DirectOutput:
    """A sink that can say how it is doing, without a queue: the pipeline waits for it."""

    def __init__(self, sink: Reporting) -> None:
        self.name = sink.name
        self.write = sink.write
        self.finish = sink.finish
        self.abandon = sink.abandon
        self.status = sink.status

    def idle(self, text: str) -> None:
        """A recording gets no false frames."""


class Failures:
    """Where outputs report that they failed: one line in the log for each."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self.errors: list[BaseException] = []
        """What happened, in order."""

    def __call__(self, output: str) -> Callable[[BaseException], None]:
        """The ``on_failure`` of the output of that name."""

        def report(error: BaseException) -> None:
            self.errors.append(error)
            text = redact(" ".join(str(error).split()) or type(error).__name__)
            log.error("%s: %s failed: %s", self._camera, output, text, extra={"source": self._camera, "output": output})

        return report


@dataclass(frozen=True, slots=True)
class OutputSet:
    """The outputs of a camera by what they want."""

    recordings: Sequence[Output] = ()
    """Files and records: every frame."""
    streams: Sequence[Output] = ()
    """What is published: the newest frames."""
    windows: Sequence[View] = ()


class Outputs:
    """Implements ``stages.Sink``; how long :meth:`write` may take is up to the outputs: queued ones never wait.

    With ``every_frame``, recordings get their frames by :meth:`record`, and :meth:`write` is for what people watch. An output
    that fails (and tells ``failures``) leaves the others alone; when the last one has failed, ``write`` raises what the first
    one raised. All end at once, not one after the other: it takes what the slowest takes.
    """

    name = "outputs"

    def __init__(self, outputs: OutputSet, failures: Failures, *, every_frame: bool = False) -> None:
        self._recordings = list(outputs.recordings)
        self._streams = list(outputs.streams)
        self._windows = list(outputs.windows)
        self._failures = failures
        self._every_frame = every_frame

    def record(self, item: Annotated) -> None:
        """Hand ``item`` to every recording."""
        self._raise_when_all_failed()
        for output in self._recordings:
            output.write(item)

    def write(self, item: Annotated) -> None:
        """Hand ``item`` to every output."""
        if not self._every_frame:
            self.record(item)
        self._raise_when_all_failed()
        for output in (*self._streams, *self._windows):
            output.write(item)

    def idle(self, text: str) -> None:
        """Show a notice to viewers while no frame arrives; recordings get nothing."""
        for output in (*self._streams, *self._windows):
            output.idle(text)

    def finish(self) -> None:
        """Complete all of them. Raises what the first one that could not be completed raised."""
        errors: list[BaseException] = []
        self._end(lambda output: output.finish(), errors)
        self._raise_when_all_failed()
        if errors:
            raise errors[0]

    def abandon(self) -> None:
        """Give up all of them."""
        errors: list[BaseException] = []
        self._end(lambda output: output.abandon(), errors)
        for error in errors:
            log.error("giving up an output failed: %s", redact(str(error)))

    def statuses(self) -> tuple[OutputStatus, ...]:
        """From any thread: how they are doing."""
        return tuple(output.status() for output in (*self._recordings, *self._streams, *self._windows))

    def _end(self, end: Callable[[Output], None], errors: list[BaseException]) -> None:
        def guarded(output: Output) -> None:
            try:
                end(output)
            except Exception as error:  # noqa: BLE001  # raised by the thread that waits for this one
                errors.append(error)

        for view in self._windows:
            guarded(view)
        threads = [
            threading.Thread(target=guarded, args=(output,), name=f"end-{output.name}", daemon=True)
            for output in (*self._recordings, *self._streams)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            # Each output has its own deadline within.
            thread.join()

    def _raise_when_all_failed(self) -> None:
        errors = self._failures.errors
        outputs = len(self._recordings) + len(self._streams)
        if errors and len(errors) >= outputs and all(view.closed for view in self._windows):
            raise errors[0]


def frame_room(seconds: float) -> Room[Frame]:
    """How many frames may wait for perception, where all of them are recorded."""
    return Room(
        seconds=seconds,
        size_bytes=BUFFER_BYTES,
        time_s=lambda frame: frame.time_s,
        bytes_of=lambda frame: picture_bytes(frame.picture),
    )


def item_room(seconds: float) -> Room[Annotated]:
    """How many frames may wait for one recording."""
    frames = frame_room(seconds)
    return Room(
        seconds=seconds,
        size_bytes=BUFFER_BYTES,
        time_s=lambda item: frames.time_s(item.frame),
        bytes_of=lambda item: frames.bytes_of(item.frame),
    )
