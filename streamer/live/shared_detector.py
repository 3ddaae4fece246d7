"""One detector for many cameras: a thread that goes round fairly, always on the newest frame of each."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from streamer.errors import DetectorError, DetectorTimeout
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.live.fair_share import FairShare
from streamer.perception.selection import detect_in
from streamer.stages import Detector

log = logging.getLogger(__name__)


class SharedDetector:
    """Owns a detector, which is called by one thread of this object's own, for the cameras that have a client.

    A camera leaves its newest frame, at any time and without waiting; an older one that was not begun yet is replaced.
    Who is next is decided by :class:`~streamer.live.fair_share.FairShare`. When the detector raises on a camera's frame, that
    camera's place raises it from then on, and the others go on: a broken detector ends each of them on its own frame, a
    picture that it cannot bear ends only the camera that made it.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        watch: AbstractContextManager[object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.detector = detector
        self._watch = watch or nullcontext()
        """Entered for each call, so that a watchdog knows of one that does not end."""
        self._clock = clock
        self._share = FairShare()
        self._clients: dict[str, DetectorClient] = {}
        self._waiting: dict[str, Frame] = {}
        self._closing = False
        self._thread: threading.Thread | None = None
        self._busy: tuple[str, float] | None = None
        self._changed = threading.Condition()

    def client(self, camera: str, weight: float = 1.0) -> DetectorClient:
        """A place for a camera; ``weight`` is its share relative to the others. Raises ``ValueError`` for a name twice."""
        with self._changed:
            self._share.add(camera, weight)
            client = self._clients[camera] = DetectorClient(self, camera)
        return client

    def busy(self) -> tuple[str, float] | None:
        """The camera whose frame the detector works on, and since when (monotonic seconds); None while it is idle."""
        return self._busy

    def close(self, timeout_s: float = 2.0) -> None:
        """Let the call under way end, then close the detector. Raises ``DetectorTimeout`` when it does not. Twice is fine."""
        with self._changed:
            self._closing = True
            self._waiting.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            self.detector.close()
            return
        thread.join(timeout_s)
        if thread.is_alive():
            raise DetectorTimeout(
                f"the detector {self.detector.name} did not come back within {timeout_s:g} s",
                hint="the process has to end to get rid of it",
            )

    def _submit(self, camera: str, frame: Frame) -> None:
        with self._changed:
            if self._closing or camera not in self._clients:
                return
            self._waiting[camera] = frame
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="detector", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _leave(self, camera: str) -> None:
        with self._changed:
            self._waiting.pop(camera, None)
            self._clients.pop(camera, None)
            self._share.remove(camera)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    break
                camera = self._share.next(self._waiting)
                frame = self._waiting.pop(camera)
                client = self._clients[camera]
                client.begun = frame
            self._detect(client, frame)
        self.detector.close()

    def _detect(self, client: DetectorClient, frame: Frame) -> None:
        begun = self._clock()
        self._busy = (client.camera, begun)
        try:
            with self._watch:
                found = detect_in(self.detector, frame)
        except Exception as error:
            log.exception("the detector failed on a frame of %s", client.camera, extra={"source": client.camera})
            client.failed(error)
        else:
            client.answered(frame, found, self._clock() - begun)
        finally:
            self._busy = None


class DetectorClient:
    """One camera's place at a shared detector; implements ``follow.DetectorService``.

    :meth:`submit`, :meth:`poll` and :meth:`ask` are for the camera's inference thread.
    """

    def __init__(self, shared: SharedDetector, camera: str) -> None:
        self.camera = camera
        self.detections = 0
        """Frames that the detector has worked on."""
        self.busy_s = 0.0
        """Seconds that it took."""
        self.begun: Frame | None = None
        """The frame that the detector began last, answered or not."""
        self._shared = shared
        self._answer: deque[tuple[Frame, Instances]] = deque(maxlen=1)
        self._asked: Frame | None = None
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._closed = False

    @property
    def detector(self) -> Detector:
        """The detector, for its name and labels: not to be called."""
        return self._shared.detector

    def submit(self, frame: Frame) -> None:
        """Leave the newest frame. Never waits. Raises what the detector raised on an earlier frame of this camera."""
        self._raise()
        self._shared._submit(self.camera, frame)  # noqa: SLF001  # the two classes are one thing with two faces

    def poll(self) -> tuple[Frame, Instances] | None:
        """The newest answer, once, and the frame that it is of; None while there is none. Raises as :meth:`submit` does."""
        self._raise()
        try:
            return self._answer.popleft()
        except IndexError:
            return None

    def ask(self, frame: Frame, timeout_s: float | None = None) -> Instances | None:
        """Leave ``frame``, unless it was, and wait for its answer; no instances once closed. Raises as :meth:`submit` does.

        None when there is no answer within ``timeout_s`` seconds.
        """
        if frame is not self._asked:
            self._asked = frame
            self.submit(frame)
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._failure or self._answers(frame), timeout_s):
                return None
        if self._closed:
            return Instances.empty()
        answer = self.poll()
        return Instances.empty() if answer is None else answer[1]

    def _answers(self, frame: Frame) -> bool:
        return bool(self._answer) and self._answer[0][0] is frame

    def close(self) -> None:
        """Leave: the camera has gone. From any thread; may be called twice."""
        self._shared._leave(self.camera)  # noqa: SLF001  # as above
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def answered(self, frame: Frame, found: Instances, seconds: float) -> None:
        """Detector's thread: here is what was found."""
        self.detections += 1
        self.busy_s += seconds
        with self._changed:
            self._answer.append((frame, found))
            self._changed.notify_all()

    def failed(self, error: BaseException) -> None:
        """Detector's thread: it could not be done."""
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _raise(self) -> None:
        if self._failure is not None:
            raise DetectorError(f"the detector failed: {self._failure}") from self._failure
