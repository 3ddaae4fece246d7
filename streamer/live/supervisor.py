"""Runs one or more cameras: threads, shared detector, windows, signals."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from streamer.config.live import CameraConfig, CameraOptions
from streamer.errors import SourceTimeout, StreamerError, in_one_line
from streamer.live.camera import DETECTOR, Camera
from streamer.live.copied_camera import CopiedCamera
from streamer.live.parts import Parts
from streamer.live.shared_detector import SharedDetector
from streamer.live.status import CameraStatus
from streamer.live.watchdog import Watchdog
from streamer.perception.analysed import Scene
from streamer.redact import redact
from streamer.runtime.opencv_threads import one_thread_each
from streamer.runtime.signals import Interrupts, SighupHandler

if TYPE_CHECKING:
    from streamer.sinks.window import Window

log = logging.getLogger(__name__)

Observer = Callable[[Sequence[CameraStatus], float], None]
"""Is shown how the cameras are, about once a second, by one thread; with the time in monotonic seconds."""

_STOP_S = 1.75
"""How long everything may take to end after it was asked to; then it is given up, so that three seconds are kept."""
_HURRY_S = 0.75
"""How long the answers under way are waited for; then the outputs are completed without them."""
_LEAVE_S = 1.1
"""How long giving up may take."""
_JOIN_S = 0.25
_REPORT_S = 1.0
_TICK_S = 0.1
"""How often it is looked at whether what was asked to end does."""
_SIGNAL_S = 0.5
"""How late a signal may be heard that the system hands to another thread than the main one. Linux hands it to that one."""
_SHOW_S = 0.02
_DETECTOR_CLOSE_S = 0.25


class Cameras:
    """Runs cameras that share a detector until all have ended, and owns the detector from :meth:`run` on.

    :meth:`run` is called by the main thread, which the windows and the signals belong to; each camera has a thread of its own.
    One that fails ends alone. ``detector`` and ``parts`` are None where all cameras are only copied.
    ``patient``: sources that are not there at the start are waited for. ``window_ends``: closing
    the windows ends everything, not only cameras that nothing but a window shows. ``observe``: if it raises, the cameras go
    on without it.
    """

    def __init__(
        self,
        configs: Mapping[str, CameraConfig],
        detector: SharedDetector | None,
        parts: Callable[[str, CameraConfig], Parts] | None,
        *,
        observe: Observer | None = None,
        patient: bool = True,
        window_ends: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failures: dict[str, BaseException] = {}
        """What ended cameras, by name, for those that failed."""
        self.interrupted = False
        """Whether it was ended before its sources did."""
        self.gave_up = False
        """Whether outputs were given up because they did not end in time."""
        self._clock = clock
        self._watchdog = Watchdog(clock=clock)
        self._shared = detector
        self.cameras: list[Camera | CopiedCamera] = []
        for name, config in configs.items():
            if detector is None or parts is None or config.only_copied:
                self.cameras.append(CopiedCamera(name, config, patient=patient, clock=clock))
                continue
            client = detector.client(name, config.weight)
            made = parts(name, config)
            self.cameras.append(Camera(name, config, client, made, self._watchdog, patient=patient, clock=clock))
        if detector is not None:
            for worker in detector.workers:
                stage = DETECTOR if len(detector.workers) == 1 else worker.name
                worker.watch = self._watchdog.watch(DETECTOR, stage, worker.limit_s)
        self._window_ends = window_ends
        self._observe = observe
        self._lock = threading.Lock()
        self._running = set(configs)
        self._done = threading.Event()
        self._woken = threading.Event()
        """Wakes the ticker, which otherwise sleeps from one report to the next."""
        self._hurry_at: float | None = None
        self._stop_at: float | None = None

    def stop(self) -> None:
        """From any thread (not from a signal handler): read no further, complete the outputs."""
        self.interrupted = True
        self._end_all()

    def abandon(self) -> None:
        """From any thread (not from a signal handler): give up everything."""
        self.interrupted = True
        for camera in self.cameras:
            camera.abandon()

    def statuses(self) -> list[CameraStatus]:
        """How all cameras are doing, in their order."""
        return [camera.status() for camera in self.cameras]

    def scene(self, camera: str) -> Scene | None:
        """What the zones and lines of a camera count; None for one that has none, or that there is not."""
        return next((each.scene for each in self.cameras if each.name == camera and isinstance(each, Camera)), None)

    def run(self) -> None:
        """Work until every camera has ended; what failed is in ``failures``."""
        threads = [
            threading.Thread(target=self._run_one, args=(camera,), name=f"camera-{camera.name}", daemon=True)
            for camera in self.cameras
        ]
        ticker = threading.Thread(target=self._tick, name="ticker", daemon=True)
        try:
            with one_thread_each(), Interrupts(self.stop, self.abandon), SighupHandler(self.stop):
                for thread in (*threads, ticker):
                    thread.start()
                self._show()
                while not self._done.wait(_SIGNAL_S):
                    # Python runs signal handlers in this thread, but the system may have handed the signal to another: a
                    # wait without an end would then go on until something else wakes it.
                    pass
        finally:
            self._all_ended()
            deadline = time.monotonic() + _JOIN_S
            for thread in (*threads, ticker):
                if thread.ident is not None:
                    thread.join(max(0.0, deadline - time.monotonic()))
            self._close_detector()

    def _run_one(self, camera: Camera | CopiedCamera) -> None:
        try:
            camera.run()
        except BaseException as error:  # kept for the caller: one camera's failure leaves the others alone
            self.failures[camera.name] = error
            if not isinstance(error, StreamerError):
                log.exception("%s: ended by an unforeseen error", camera.name, extra={"source": camera.name})
        finally:
            with self._lock:
                self._running.discard(camera.name)
                if not self._running:
                    self._all_ended()

    def _end_all(self) -> None:
        now = self._clock()
        self._hurry_at, self._stop_at = now + _HURRY_S, now + _STOP_S
        self._woken.set()
        for camera in self.cameras:
            camera.stop()

    def _all_ended(self) -> None:
        self._done.set()
        self._woken.set()

    def _tick(self) -> None:
        """About once a second: rates, watchdog, observer; more often: the end of those that are to end."""
        report_at = self._clock() + _REPORT_S
        leave_at = math.inf
        while True:
            ending = self._stop_at is not None or leave_at < math.inf
            self._woken.wait(_TICK_S if ending else max(_TICK_S, report_at - self._clock()))
            self._woken.clear()
            if self._done.is_set():
                return
            now = self._clock()
            if self._hurry_at is not None and now >= self._hurry_at:
                self._hurry_at = None
                for camera in self.cameras:
                    camera.hurry()
            if self._stop_at is not None and now >= self._stop_at:
                self._stop_at, leave_at = None, now + _LEAVE_S
                log.warning("not everything ended in time: giving up what is left")
                self.gave_up = True
                self.abandon()
            if now >= leave_at:
                self._leave()
                return
            if now < report_at:
                continue
            report_at = now + _REPORT_S
            try:
                self._report(now)
            except Exception:  # this thread also ends what does not end by itself
                log.exception("the statuses cannot be read")

    def _report(self, now: float) -> None:
        for camera in self.cameras:
            camera.sample(now)
        self._watchdog.check(now)
        if self._observe is None:
            return
        statuses = self.statuses()
        try:
            self._observe(statuses, now)
        except Exception as error:  # noqa: BLE001  # what people look at may have gone; the cameras have not
            log.warning("the statuses are not shown any more: %s", redact(in_one_line(error)))
            self._observe = None

    def _leave(self) -> None:
        """What cannot even be given up is left behind: the end of the process takes it along."""
        with self._lock:
            left = sorted(self._running)
        for name in left:
            text = f"{name} does not end"
            self.failures[name] = SourceTimeout(text, hint="its thread is left behind")
            log.error("%s; its thread is left behind", text, extra={"source": name})
        self._all_ended()

    def _show(self) -> None:
        """The main thread's work while there may be windows."""
        showing = [camera for camera in self.cameras if camera.config.show]
        windows: list[Window] = []
        try:
            while showing and not self._done.is_set():
                for camera in [camera for camera in showing if camera.views]:
                    if all(view.closed for view in camera.views):
                        showing.remove(camera)
                        self._window_closed(camera)
                windows = [cast("Window", view) for camera in showing for view in camera.views]
                if windows:
                    from streamer.sinks.window import show_new  # loads OpenCV, which only a window needs

                    show_new(windows, _SHOW_S)
                else:
                    self._done.wait(_SHOW_S)
        finally:
            for window in windows:
                window.close()

    def _window_closed(self, camera: Camera | CopiedCamera) -> None:
        for view in camera.views:
            cast("Window", view).close()
        if self._window_ends:
            self._end_all()
        elif not has_files_or_streams(camera.config):
            camera.stop()

    def _close_detector(self) -> None:
        if self._shared is None:
            return
        try:
            self._shared.close(_DETECTOR_CLOSE_S)
        except StreamerError as error:
            log.error("%s", redact(str(error)))  # noqa: TRY400  # one line; the traceback is that of the waiting
        except Exception:
            log.exception("closing the detector failed")


def has_files_or_streams(config: CameraOptions) -> bool:
    """Whether a camera has outputs beside a window."""
    paths = (config.output, config.record, config.record_annotated, config.detections, config.counts, config.events)
    return bool(config.publish) or any(path is not None for path in paths)
