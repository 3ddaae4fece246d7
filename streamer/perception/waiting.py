"""Perception that waits for the shared detector on each frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from streamer.frame import Frame
from streamer.instances import Instances
from streamer.perception.selection import Selection
from streamer.stages import Annotated

_MIN_MASK_AGE_S = 1.5
_SLOW_FACTOR = 3.0


class BlockingDetector(Protocol):
    """A detector that is waited for."""

    @property
    def error(self) -> str:
        """Why it gives no answers; empty while it does."""
        ...

    def ask(self, frame: Frame, timeout_s: float | None = None, *, patient: bool = False) -> Instances | None:
        """Leave ``frame``, unless that was done, and wait for its answer; None after ``timeout_s`` without one: ask again.

        No instances once it is closed, and when the detector fails or is silent; ``patient`` waits longer for it.
        """
        ...

    def close(self) -> None:
        """Leave. May be called twice."""
        ...


class Waiting:
    """Perception without following: a frame waits for the shared detector, and newer ones wait or are skipped meanwhile.

    With ``patience_s``, :meth:`push` returns nothing when the answer takes longer, and hands out the frame with a later call.
    Damaged frames are shown as they are, without asking the detector.
    """

    def __init__(
        self,
        client: BlockingDetector,
        select: Selection,
        *,
        patient: bool = False,
        patience_s: float | None = None,
        max_mask_age_s: float | None = None,
    ) -> None:
        """``patient``: a detector that fails is waited for, since a recording can wait. ``max_mask_age_s``: how long instances
        are carried to frames that are skipped; None: as suits the detector's pace.
        """
        self._client = client
        self._select = select
        self._patient = patient
        self._patience_s = patience_s
        self._max_mask_age_s = max_mask_age_s
        self._asked: Frame | None = None
        self._known: Annotated | None = None
        self._latency_s = 0.0

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """The frame that the detector was asked about, once it has answered."""
        if self._asked is None:
            if frame.damaged:
                return [Annotated(frame, Instances.empty())]
            self._asked = frame
        asked = self._asked
        found = self._client.ask(asked, self._patience_s, patient=self._patient)
        if found is None:
            self._latency_s = max(self._latency_s, frame.captured_at - asked.captured_at)
            return []
        self._asked = None
        if not len(found) and self._client.error:
            # What was known before the detector failed ages on, as on frames that are skipped.
            return [self.skip(asked)]
        self._latency_s = frame.captured_at - asked.captured_at
        self._known = Annotated(asked, self._select(found), looked_s=asked.time_s)
        return [self._known]

    def skip(self, frame: Frame) -> Annotated:
        """``frame`` with the instances of the newest answer, while they are not too old."""
        known, limit = self._known, self._max_mask_age_s
        if limit is None:
            limit = max(_MIN_MASK_AGE_S, _SLOW_FACTOR * self._latency_s)
        if known is None:
            return Annotated(frame, Instances.empty())
        since = frame.time_s - known.frame.time_s
        looked = known.looked_s if 0.0 <= since <= limit else None
        return Annotated(frame, known.instances.carried(since, limit), looked_s=looked)

    def finish(self) -> Iterable[Annotated]:
        return []

    def close(self) -> None:
        self._client.close()
