"""Perception and renderer of a live pipeline that may fail: frames go on without masks, and the part is built anew."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar

from streamer.errors import StreamerError
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.pipeline import Render
from streamer.runtime.backoff import Backoff
from streamer.runtime.circuit_breaker import CircuitBreaker
from streamer.stages import Annotated, CanSkip, Cover, Perception

log = logging.getLogger(__name__)

T = TypeVar("T")

_BACKOFF = Backoff(initial_s=0.1, max_s=10.0)


class Rebuilt(Generic[T]):
    """A part that is thrown away when it fails, and built anew once a backoff is over. For one thread at a time.

    Raises at construction what ``build`` raises; afterwards a ``build`` that raises is a failure as any other.
    """

    def __init__(
        self,
        camera: str,
        stage: str,
        build: Callable[[], T],
        clock: Callable[[], float] = time.monotonic,
        *,
        made_for: Callable[[], object] = lambda: None,
    ) -> None:
        """``made_for`` returns what parts are made for: where that differs from before, :meth:`renew` makes a new one."""
        self._camera = camera
        self._stage = stage
        self._made_for, self._current = made_for(), made_for
        self._part: T | None = build()
        self._build = build
        self._clock = clock
        self._breaker = CircuitBreaker(_BACKOFF)

    @property
    def part(self) -> T | None:
        """The part in use; None between a failure and the next attempt."""
        return self._part

    @property
    def failures(self) -> int:
        """How often it has failed."""
        return self._breaker.failures

    @property
    def error(self) -> str:
        """Why it failed last, without credentials; empty once it has recovered."""
        return f"{self._stage} failed: {self._breaker.reason}" if self._breaker.reason else ""

    @property
    def outdated(self) -> bool:
        """Whether the part was made for something else than there is now."""
        return self._current() != self._made_for

    def renew(self) -> None:
        """Let go of a part that is outdated: the next call has a new one."""
        self._part, self._made_for = None, self._current()
        self._breaker.retry_now()

    def call(self, work: Callable[[T], object]) -> bool:
        """Let the part do ``work``. Returns whether it did: if not, it failed, or waits to be built anew."""
        if self._part is None and self._clock() < self._breaker.retry_at:
            return False
        extra = {"source": self._camera, "stage": self._stage}
        try:
            if self._part is None:
                self._part = self._build()
            work(self._part)
        except Exception as error:
            self._part = None
            # With the traceback, but once: afterwards the health has the reason.
            if self._breaker.failed(error, self._clock()):
                text = "%s: %s failed and is built anew, frames go on without masks"
                if isinstance(error, StreamerError):  # a wrong setting, which is known only since the detector is there
                    log.error(f"{text}: %s", self._camera, self._stage, self._breaker.reason, extra=extra)  # noqa: G004, TRY400
                else:
                    log.exception(text, self._camera, self._stage, extra=extra)
            return False
        if self._breaker.worked(self._clock()):
            log.warning("%s: %s works again", self._camera, self._stage, extra=extra)
        return True


class GuardedPerception:
    """Implements ``stages.Perception`` around a perception of a live source, which hands on each frame at once.

    A frame that it fails on goes on without instances. A perception that failed is not closed: it holds nothing but the
    camera's client of the detector, which its successor uses. ``watch`` is entered for each frame, so that a watchdog knows of
    one that takes too long.
    """

    def __init__(
        self,
        perception: Rebuilt[Perception],
        watch: AbstractContextManager[object] | None = None,
        cover: Cover | None = None,
    ) -> None:
        """``cover`` is what must not be seen of a frame of which nothing is known."""
        self._perception = perception
        self._watch = watch or nullcontext()
        self._cover = cover

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """What the perception hands on, or ``frame`` without instances.

        So are frames during which the perception became outdated: what it found is named, chosen and covered by class ids that
        mean others now.
        """
        ready: list[Annotated] = []
        if self._perception.outdated:
            ready.extend(self._unknown(item.frame) for item in self.finish())
            self._perception.renew()
        said: list[Annotated] = []
        with self._watch:
            done = self._perception.call(lambda perception: said.extend(perception.push(frame)))
        if done and self._perception.outdated:
            said = [self._unknown(item.frame) for item in said]
        return [*ready, *said] if done else [*ready, self._unknown(frame)]

    def skip(self, frame: Frame) -> Annotated:
        """What the perception says of ``frame`` without looking at it, or ``frame`` without instances."""
        said = [self._unknown(frame)]

        def ask(perception: Perception) -> None:
            if isinstance(perception, CanSkip):
                said.append(perception.skip(frame))

        self._perception.call(ask)
        return said[-1]

    def finish(self) -> Iterable[Annotated]:
        """What the perception has held back."""
        ready: list[Annotated] = []
        with self._watch:
            self._perception.call(lambda perception: ready.extend(perception.finish()))
        return ready

    def _unknown(self, frame: Frame) -> Annotated:
        return Annotated(frame, Instances.empty(), cover=self._cover)

    def close(self) -> None:
        """Close the perception in use."""
        if (perception := self._perception.part) is not None:
            perception.close()


class GuardedRender:
    """A renderer that may fail: then the picture stays as it came. Any thread may call it, one at a time."""

    def __init__(self, render: Rebuilt[Render], watch: AbstractContextManager[object] | None = None) -> None:
        self._render = render
        self._watch = watch or nullcontext()

    def __call__(self, item: Annotated) -> None:
        """Draw ``item``."""
        with self._watch:
            if self._render.outdated:
                self._render.renew()
            if not self._render.call(lambda render: render(item)):
                item.picture = item.clean()
