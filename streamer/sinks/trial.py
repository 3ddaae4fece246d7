"""A rehearsal of the output: its plan written with the first packets of everything, trailer and all, and read back.

One picture is encoded: where fragments are copied into a final shape at the end, they are in the rehearsal, too.
"""

from __future__ import annotations

import io
from collections import Counter, deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import av.error
from av.container import InputContainer
from av.packet import Packet

from streamer.errors import OutputRefused
from streamer.sinks.containers import Container
from streamer.sinks.muxer import Muxer
from streamer.sinks.samples import Samples
from streamer.sinks.stream_plan import Plan, plan_streams
from streamer.sources.passthrough import Passthrough
from streamer.sources.video import VideoFile

_Failures = (av.error.FFmpegError, OSError, ValueError)


class Pictures(Protocol):
    """Encodes a picture for the muxer that was begun last, at a time in seconds."""

    def __call__(self, start_s: Fraction) -> Iterator[Packet[Any]]: ...


class BuildMuxer(Protocol):
    """Begins the output by a plan, in memory, in one of the forms that it takes; ``fragments`` are what is copied into its
    final shape."""

    def __call__(
        self, plan: Plan, samples: Samples, file: io.BytesIO, *, fragmented: bool, fragments: InputContainer | None = None
    ) -> Muxer: ...


def proven_plan(
    source: VideoFile, container: Container, build: BuildMuxer, pictures: Pictures, *, audio: bool, path: Path
) -> Plan:
    """The plan by which the output can be written: tried out before any frame is drawn, since it fails at its end otherwise.

    What does not go together is left out, with a note. Raises ``OutputRefused`` for ``path`` where not even the picture alone
    can be written, and a ``SourceError``.
    """
    reader = Passthrough(source)
    try:
        samples = Samples(reader, source.stream_index)
        whole = plan_streams(samples, source.stream_index, container, audio=audio)
        reason = ""
        plans = deque([whole, whole.sound_only(samples.streams), whole.nothing()])
        while plans:
            plan = plans.popleft()
            try:
                file = io.BytesIO()
                muxer = build(plan, samples, file, fragmented=container.two_steps)
                _rehearse(muxer, file, pictures(max(samples.start_s, Fraction(0))))
                if container.two_steps:
                    _rehearse_final_shape(build, plan, samples, file)
            except _MissingKind as missing:
                reason = reason or str(missing)
                smaller = plan.without(missing.kind, samples.streams)
                if smaller.carried != plan.carried or smaller.attached != plan.attached:
                    plans.appendleft(smaller)
            except _Failures as error:
                reason = reason or " ".join(str(getattr(error, "strerror", None) or error).split())
            else:
                return plan
    finally:
        reader.close()
    raise OutputRefused(f"{path} cannot be written ({reason})", hint="take another ending, such as .mkv")


def _rehearse_final_shape(build: BuildMuxer, plan: Plan, samples: Samples, written: io.BytesIO) -> None:
    """Copy the fragments in ``written``, as is done at the end, and read that back. Raises as :func:`_rehearse`."""
    written.seek(0)
    with av.open(written, "r") as fragments:
        file = io.BytesIO()
        packets = fragments.demux(fragments.streams.video[0])
        muxer = build(plan, samples, file, fragmented=False, fragments=fragments)
        _rehearse(muxer, file, (packet for packet in packets if packet.size))


def _rehearse(muxer: Muxer, file: io.BytesIO, packets: Iterator[Packet[Any]]) -> None:
    """Write the file and read it back.

    Raises FFmpeg's errors, ``OSError`` and ``ValueError``; ``_MissingKind`` when less comes back than went in.
    """
    try:
        for packet in packets:
            muxer.write(packet)
        # Of attachments a cover comes back as a picture.
        expected = Counter(str(stream.type) for stream in muxer.streams if stream.type != "attachment")
        muxer.finish()
    except BaseException:
        muxer.abort()
        raise
    file.seek(0)
    with av.open(file, "r", options={"skip_frame": "all"}) as written:  # decoding would take longer than all else
        missing = expected - Counter(str(stream.type) for stream in written.streams)
    for kind in missing:
        raise _MissingKind(kind)


class _MissingKind(Exception):
    """Of a kind of streams (``audio``) fewer come back than were written."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"{kind} cannot be read back")
        self.kind = kind
