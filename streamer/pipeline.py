"""The pipeline: threads that capture, infer and draw, and the calling thread, which writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from streamer.channel import Channel, Closed, Overflow, Room
from streamer.errors import DetectorTimeout, StageFailed, StreamerError
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.runtime.early_thread import EarlyThread
from streamer.stages import Annotated, CanGiveUp, CanSkip, GivenUp, Perception, Sink, Source
from streamer.stats import Stats

Render = Callable[[Annotated], None]
"""Sets ``picture`` of the item that it is given."""

_MOST_FRAMES = 10_000
"""Most frames that may wait where a ``Room`` says how many seconds and bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is to become of every frame of a live source, whatever is shown of it."""

    record: Callable[[Annotated], None]
    """Takes every frame in order, not drawn yet, in the inference thread. Must not wait."""
    room: Room[Frame]
    """How much may wait for perception."""
    newest_only: bool = False
    """Whether perception waits for the detector: then only the newest frame is handed to it, the others are skipped."""


class Pipeline:
    """Runs one source through perception and renderer into its sinks, and owns all of them from :meth:`run` on.

    Bounded channels between the threads. Of a recording, frames are drawn in a thread of their own, one ahead of the one that
    is written, so that the frame rate does not end at the sum of both; of a live source the calling thread draws: a picture
    that waits drawn would be shown late. After the first failure of any stage nothing more is read, the frames that are past
    that stage are still written, the sinks are completed (one that failed itself is abandoned), the threads are joined with a
    deadline, and :meth:`run` raises ``StageFailed`` from the cause. Without a single frame the sinks are abandoned.
    ``source`` must be open already, and ``perception`` warmed up: capture starts at once.

    Of a live source (``drop_oldest``) only the newest frames reach the sinks, and none older than ``max_staleness_s``. With a
    ``recording`` every frame goes there first. What waited for too long, or was overtaken, is recorded with the instances
    that perception knows, without being looked at, and not shown. Drawing is put off until somebody needs the picture, so
    that a recording which lags behind does not delay what is shown.

    ``on_item`` is called after each frame has been written, ``on_idle`` every ``idle_interval_s`` seconds while none comes,
    both in the calling thread. ``early`` is a thread that is ready to draw a recording.
    """

    def __init__(
        self,
        source: Source,
        perception: Perception,
        render: Render,
        sinks: Sequence[Sink],
        *,
        overflow: Overflow = Overflow.WAIT,
        capacity: int = 4,
        max_staleness_s: float | None = None,
        recording: Recording | None = None,
        on_item: Callable[[Annotated], None] | None = None,
        on_idle: Callable[[], None] | None = None,
        idle_interval_s: float = 0.25,
        clock: Callable[[], float] = time.monotonic,
        join_timeout_s: float = 5.0,
        early: EarlyThread | None = None,
    ) -> None:
        self.stats = Stats()
        self.completed: list[Sink] = []
        """The sinks whose outputs are whole, once :meth:`run` has ended."""
        self._source = source
        self._perception = perception
        self._render = render
        self._sinks = list(sinks)
        self._max_staleness_s = max_staleness_s
        self._recording = recording
        self._on_item = on_item
        self._on_idle = on_idle
        self._idle_interval_s = idle_interval_s
        self._clock = clock
        self._join_timeout_s = join_timeout_s
        self._results: Channel[Annotated]
        if recording is None:
            self._frames = Channel[Frame](capacity, overflow, self._dropped_when_full)
            self._results = Channel(capacity, Overflow.WAIT)
        else:
            self._frames = Channel[Frame](_MOST_FRAMES, overflow, self._dropped_when_full, room=recording.room)
            # What is recorded already may be left out of what is shown.
            self._results = Channel(capacity, Overflow.DROP_OLDEST)
        self._draws_ahead = recording is None and overflow is Overflow.WAIT
        self._drawn = Channel[Annotated](1) if self._draws_ahead else self._results
        """What the calling thread takes."""
        self._early = early
        self._drawing = threading.Lock()
        self._failure: StageFailed | None = None
        self._broken: Sink | None = None
        """The sink that failed while it was written to."""
        self._lock = threading.Lock()
        self._stopping = False
        self._abandoned = False
        self._busy_with = "nothing"

    @property
    def interrupted(self) -> bool:
        """Whether :meth:`stop`, :meth:`abandon` or a failure ended the run before the source did."""
        return self._stopping or self._failure is not None

    @property
    def abandoned(self) -> bool:
        """Whether :meth:`abandon` was called."""
        return self._abandoned

    @property
    def queues(self) -> dict[str, tuple[int, float]]:
        """The channels by name: items that wait now, and how full that is, 0..1."""
        return {"frames": (len(self._frames), self._frames.fill), "results": (len(self._results), self._results.fill)}

    def stop(self) -> None:
        """From any thread (not from a signal handler): read no further, work off what was read, finish the outputs."""
        self._stopping = True
        self._source.interrupt()

    def abandon(self) -> None:
        """From any thread (not from a signal handler): discard everything and return from :meth:`run` as soon as possible."""
        self._stopping = self._abandoned = True
        self._discard()
        for sink in self._sinks:
            if isinstance(sink, CanGiveUp):
                sink.give_up()

    def run(self) -> Stats:
        """Work until the source ends, somebody stops it, or a stage fails. Blocks; writes in this thread.

        Raises ``StageFailed`` with the first failure as its cause.
        """
        threads = [
            threading.Thread(target=self._capture, name="capture", daemon=True),
            threading.Thread(target=self._infer, name="inference", daemon=True),
        ]
        self.stats.started_at = self._clock()
        for thread in threads:
            thread.start()
        if self._draws_ahead:
            drawing = self._early or EarlyThread("render", lambda: None)
            drawing.hand(self._draw_ahead)
            threads.append(drawing)
        try:
            if not self._guard("render", self._write_all):
                self._discard()
            self._complete_sinks()
        finally:
            for sink in self._sinks:
                if sink not in self.completed:
                    sink.abandon()
            self._join(threads)
            self.stats.ended_at = self._clock()
        if self._failure is not None:
            raise self._failure
        return self.stats

    def _capture(self) -> None:
        self._guard("capture", self._capture_all)
        # Also after a failure: what was read before it is worked off.
        self._frames.finish()

    def _capture_all(self) -> None:
        try:
            before = self._clock()
            for frame in self._source.frames():
                self.stats.latencies["decode"].add(self._clock() - before)
                self.stats.frames_in += 1
                self.stats.damaged_frames += frame.damaged
                try:
                    self._frames.send(frame)
                except Closed:
                    self._drop("abandoned")
                    return
                before = self._clock()
        finally:
            self._source.close()

    def _infer(self) -> None:
        if not self._guard("inference", self._infer_all):
            self._without_perception(self._frames.abandon(), "abandoned")
        self._busy_with = "closing the detector"
        # What was read has been handed on before the detector closes, so that one which hangs there costs no frame.
        self._results.finish()
        self._guard("inference", self._perception.close)

    def _infer_all(self) -> None:
        held = 0  # frames that perception keeps to look ahead
        try:
            for frame in self._frames:
                self._busy_with = f"frame {frame.index}"
                if self._passed_over(frame):
                    continue
                before = self._clock()
                held += 1
                try:
                    ready = list(self._perception.push(frame))
                except BaseException:
                    held -= 1
                    self._without_perception([frame], "failed")
                    raise
                took_s = self._clock() - before
                if self._recording is not None:
                    held = 0
                    ready = self._record(frame, ready)
                else:
                    held -= len(ready)
                for item in ready:
                    # Where frames are held back, the time of this call says nothing about one of them.
                    inference_s = took_s if item.inference_s is None and item.frame is frame and held == 0 else item.inference_s
                    if inference_s is not None:
                        self.stats.latencies["inference"].add(inference_s)
                if not self._pass_on(ready):
                    return
            if not self._results.closed:
                for item in self._perception.finish():
                    held -= 1
                    if item.inference_s is not None:
                        self.stats.latencies["inference"].add(item.inference_s)
                    if not self._pass_on([item]):
                        return
        finally:
            self._drop("interrupted" if self._stopping and not self._abandoned else "abandoned", held)

    def _passed_over(self, frame: Frame) -> bool:
        """Whether ``frame`` is too old, or overtaken by a newer one: then it is recorded, or dropped, and done with."""
        stale = self._max_staleness_s is not None and self._clock() - frame.captured_at > self._max_staleness_s
        recording = self._recording
        if recording is None:
            if stale:
                self._drop("stale")
            return stale
        if stale or (recording.newest_only and len(self._frames)):
            self._record(frame, [])
            return True
        return False

    def _record(self, frame: Frame, ready: Iterable[Annotated]) -> list[Annotated]:
        """Record ``frame`` as it is in ``ready``, else skipped. Returns ``ready``, to be shown: the answer for a frame may come
        long after it was recorded.
        """
        recording = self._recording
        assert recording is not None
        shown = list(ready)
        item = next((item for item in shown if item.frame is frame), None)
        if item is None:
            item = self._skipped(frame)
        for each in (item, *shown):
            each.render = self._draw
        try:
            recording.record(item)
        except Exception as error:
            self._drop("failed")
            raise StageFailed("outputs", error) from error
        self._count_out(item)
        return shown

    def _without_perception(self, frames: Sequence[Frame], cause: str) -> None:
        """Perception has failed: record ``frames`` as they came, or drop them for ``cause``."""
        if self._recording is None:
            self._drop(cause, len(frames))
            return
        for frame in frames:
            self._record(frame, [self._skipped(frame)])

    def _skipped(self, frame: Frame) -> Annotated:
        perception = self._perception
        return perception.skip(frame) if isinstance(perception, CanSkip) else Annotated(frame, Instances.empty())

    def _draw_ahead(self) -> None:
        if not self._guard("render", self._draw_all):
            self._drop("abandoned", len(self._frames.abandon()) + len(self._results.abandon()))
        # Also after a failure: what was drawn before it is written.
        self._drawn.finish()

    def _draw_all(self) -> None:
        for item in self._results:
            self._render_next(item)
            try:
                self._drawn.send(item)
            except Closed:
                self._drop("abandoned")
                return

    def _render_next(self, item: Annotated) -> None:
        """Draw an item that nobody else draws."""
        before = self._clock()
        try:
            self._render(item)
        except BaseException:
            self._drop("failed")
            raise
        self.stats.latencies["render"].add(self._clock() - before)

    def _draw(self, item: Annotated) -> None:
        """In any thread: draw ``item`` unless that was done. A failure ends the run, and the picture stays as it came."""
        with self._drawing:
            if item.picture is not None:
                return
            before = self._clock()
            try:
                self._render(item)
            except Exception as error:  # noqa: BLE001  # kept and raised by run(); the frame is recorded all the same
                item.picture = item.clean()
                if self.stats.ended_at is None:
                    self._fail(StageFailed("render", error))
            else:
                self.stats.latencies["render"].add(self._clock() - before)

    def _count_out(self, item: Annotated) -> None:
        self.stats.frames_out += 1
        self.stats.instances.update(item.instances.class_ids.tolist())

    def _pass_on(self, items: list[Annotated]) -> bool:
        for sent, item in enumerate(items):
            try:
                self._results.send(item)
            except Closed:
                if self._recording is None:
                    self._drop("abandoned", len(items) - sent)
                return False
        return True

    def _next_item(self) -> Annotated | None:
        """The next item to write, or None at the end; meanwhile tells ``on_idle`` that nothing comes."""
        while True:
            try:
                # Never without end: the kernel may hand a signal to any thread, and only this one runs its handler.
                return self._drawn.receive(self._idle_interval_s)
            except Closed:
                return None
            except TimeoutError:
                if self._on_idle is not None:
                    self._on_idle()

    def _write_all(self) -> None:
        recorded = self._recording is not None
        while (item := self._next_item()) is not None:
            if not recorded and not self._draws_ahead:
                self._render_next(item)
            before = self._clock()
            try:
                self._write(item)
            except BaseException:
                if not recorded:
                    self._drop("failed")
                raise
            written = self._clock()
            self.stats.latencies["encode"].add(written - before)
            self.stats.latencies["e2e"].add(written - item.frame.captured_at)
            if not recorded:
                self._count_out(item)
            if self._on_item is not None:
                self._on_item(item)

    def _write(self, item: Annotated) -> None:
        for sink in self._sinks:
            try:
                sink.write(item)
            except Exception as error:
                self._broken = sink
                raise StageFailed(sink.name, error) from error

    def _complete_sinks(self) -> None:
        """Complete each sink whose frames are good; what cannot be completed is left for :meth:`run` to abandon."""
        if self._failure is not None and not self.stats.frames_out:
            return
        for sink in self._sinks:
            if self._abandoned:
                return
            if sink is self._broken:
                continue
            try:
                sink.finish()
            except GivenUp:
                return
            except Exception as error:  # noqa: BLE001  # kept and raised by run(), with the sink's name
                self._fail(StageFailed(sink.name, error))
            else:
                self.completed.append(sink)

    def _guard(self, stage: str, work: Callable[[], None]) -> bool:
        """Do ``work``; a failure is kept for :meth:`run`. Whether it went well."""
        try:
            work()
        except StageFailed as failure:
            self._fail(failure)
        except BaseException as error:  # noqa: BLE001  # kept and raised by run(): no failure of a thread may end quietly
            self._fail(StageFailed(stage, error))
        else:
            return True
        return False

    def _fail(self, failure: StageFailed) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = failure
        self._source.interrupt()

    def _discard(self) -> None:
        self._source.interrupt()
        frames, results = len(self._frames.abandon()), len(self._results.abandon())
        if self._draws_ahead:
            results += len(self._drawn.abandon())
        self._drop("abandoned", frames + (results if self._recording is None else 0))

    def _join(self, threads: list[threading.Thread]) -> None:
        """Wait for the threads; one that does not end is left behind (a daemon) and reported as a failure."""
        deadline = self._clock() + self._join_timeout_s
        for thread in threads:
            thread.join(max(0.0, deadline - self._clock()))
            if thread.is_alive():
                stuck: StreamerError = DetectorTimeout(
                    f"the {thread.name} thread did not end within {self._join_timeout_s:g} s (busy with {self._busy_with})",
                    hint="what was written before is complete; the process has to end to get rid of the thread",
                )
                self._fail(StageFailed(thread.name, stuck))

    def _dropped_when_full(self, _frame: Frame) -> None:
        self._drop("queue_full")

    def _drop(self, cause: str, frames: int = 1) -> None:
        # Several threads count here, and adding is no atomic step.
        if frames:
            with self._lock:
                self.stats.dropped[cause] += frames
