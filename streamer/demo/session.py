"""One browser's pictures: in, looked at, drawn, out. The newest one wins everywhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av

from streamer.config.demo import DemoConfig
from streamer.demo.choice import Choice
from streamer.demo.detectors import Detectors
from streamer.errors import StreamerError
from streamer.follow.identities import Identities
from streamer.frame import Frame
from streamer.live.guarded import GuardedPerception, GuardedRender, Rebuilt
from streamer.live.rates import Rates
from streamer.live.shared_detector import DetectorClient
from streamer.perception.background import NOT_YET, Background
from streamer.perception.following import Following
from streamer.perception.selection import Selection, class_ids, selection
from streamer.render.renderer import Renderer, Style
from streamer.sinks.live_encoder import upright_even
from streamer.stages import Perception

log = logging.getLogger(__name__)

CLOCK = Fraction(1, 90_000)
"""Seconds a tick of the pictures that go out."""
PERSON = "person"
"""Who stands before the background."""
_WAIT_S = 1.0

Put = Callable[[av.VideoFrame, int], None]
"""Takes a picture, ``yuv420p``, upright and of even size, that nobody else has, and its time in ticks of ``CLOCK``."""


class DemoSession:
    """Works on the pictures of one browser in a thread of its own. :meth:`take` and :meth:`choose` are for any thread."""

    def __init__(
        self,
        name: str,
        detectors: Detectors,
        choice: Choice,
        config: DemoConfig,
        put: Put,
        failed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``name`` is for the log. ``config`` says what of all that is found is shown, where ``choice`` does not. ``failed`` is
        told, in the session's thread, that an unforeseen error has ended it; the log says which."""
        self.name = name
        self._detectors = detectors
        self._config = config
        self._put = put
        self._failed = failed
        self._clock = clock
        self._changed = threading.Condition()
        self._choice, self._wanted = choice, choice
        self._newest: Frame | None = None
        self._closed = False
        self._client: DetectorClient | None = None
        self._problem = ""
        self._taken = self._shown = 0
        self._process_s = 0.0
        """What the last picture took, from coming in to going out."""
        self._following: Following | None = None
        self._perception: GuardedPerception | None = None
        self._render: GuardedRender | None = None
        self._rates = Rates()
        self._thread = threading.Thread(target=self._run, name=f"demo-{name}", daemon=True)
        self._thread.start()

    def take(self, frame: Frame) -> None:
        """The next picture; one that was not begun yet is replaced. Never waits."""
        with self._changed:
            self._newest = frame
            self._taken += 1
            self._changed.notify()

    def take_picture(self, picture: av.VideoFrame) -> None:
        """The same, of a picture that has just come from a browser."""
        assert picture.pts is not None
        base = picture.time_base or CLOCK
        frame = Frame(
            picture=picture,
            index=self._taken,
            pts=picture.pts,
            time_base=Fraction(base.numerator, base.denominator),
            source=self.name,
            captured_at=self._clock(),
        )
        self.take(frame)

    @property
    def choice(self) -> Choice:
        """What was chosen last."""
        return self._wanted

    def choose(self, choice: Choice) -> None:
        """Change what is looked for and drawn, from the next picture on."""
        with self._changed:
            self._wanted = choice

    def status(self) -> dict[str, Any]:
        """How it is doing now, for the page."""
        client, following = self._client, self._following
        busy_s = 0.0 if client is None else client.busy_s
        detections = 0 if client is None else client.detections
        self._rates.sample(
            self._clock(), {"taken": self._taken, "shown": self._shown, "detections": detections, "busy_s": busy_s}
        )
        asked = self._rates["detections"]
        return {
            "problem": self._problem or ("" if client is None else client.error),
            "awaiting": "" if client is None else client.awaiting,
            "taken": self._taken,
            "shown": self._shown,
            "taken_fps": round(self._rates["taken"], 1),
            "shown_fps": round(self._rates["shown"], 1),
            "detections_fps": round(asked, 1),
            "detector_ms": round(1e3 * self._rates["busy_s"] / asked, 1) if asked else None,
            "mask_ms": None if following is None else round(1e3 * following.detection_latency_s, 1),
            "process_ms": round(1e3 * self._process_s, 1),
        }

    def close(self) -> None:
        """Let go of thread and detector. May be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)

    # The session's thread.

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    while self._newest is None and not self._closed:
                        self._changed.wait(_WAIT_S)
                    if self._closed:
                        return
                    frame, self._newest = self._newest, None
                    choice = self._wanted
                if frame is not None:
                    self._work(frame, choice)
        except Exception:
            log.exception("%s: ended by an unforeseen error", self.name)
            self._failed()
        finally:
            if self._client is not None:
                self._client.close()

    def _work(self, frame: Frame, choice: Choice) -> None:
        """Look at one picture, and send it back."""
        if self._perception is None or choice != self._choice:
            self._prepare(choice)
        begun = self._clock()
        if self._perception is None or self._render is None:
            # What is missing is told beside the picture; what was to be covered is not shown.
            self._send(frame, frame.picture if choice.background == "none" else NOT_YET.covered(frame))
            return
        for item in self._perception.push(frame):
            self._render(item)
            self._send(item.frame, item.drawn())
        self._process_s = self._clock() - begun

    def _send(self, frame: Frame, picture: av.VideoFrame) -> None:
        width, height = (side + side % 2 for side in (frame.width, frame.height))
        self._put(upright_even(picture, frame.orientation, width, height), round(frame.pts * frame.time_base / CLOCK))
        self._shown += 1

    def _prepare(self, choice: Choice) -> None:
        """Make what looks and draws as it was chosen; where that cannot be, the picture goes on without it, told."""
        self._choice = choice
        self._perception = self._render = None
        try:
            client = self._client_of(choice.detector)
            shown = self._shown_of(choice, client)
            kept: frozenset[int] = frozenset()
            find = shown
            if choice.background != "none":
                kept = class_ids([PERSON], client.detector.labels, client.detector.name) or kept
                if shown.class_ids is not None:
                    find = Selection(shown.score_threshold, shown.class_ids | kept)
            client.wanted = find.to_follow
            identities = Identities()

            def perception() -> Perception:
                self._following = following = Following(client, find, identities=identities)
                if choice.background == "none":
                    return following
                return Background(following, kept, choice.background, shown)

            def renderer() -> Renderer:
                return Renderer(client.detector.labels, style=Style(draw=choice.draw))

            self._perception = GuardedPerception(
                Rebuilt(self.name, "perception", perception), cover=None if choice.background == "none" else NOT_YET
            )
            self._render = GuardedRender(Rebuilt(self.name, "rendering", renderer))
            self._problem = ""
        except StreamerError as error:
            self._problem = str(error)
            log.warning("%s: %s", self.name, error)

    def _client_of(self, detector: str) -> DetectorClient:
        if self._client is None or self._client.camera != f"{self.name}/{detector}":
            if self._client is not None:
                self._client.close()
                self._client = None
            self._client = self._detectors.client(detector, f"{self.name}/{detector}")
        return self._client

    def _shown_of(self, choice: Choice, client: DetectorClient) -> Selection:
        """What is shown of what the detector finds. Raises ``ConfigError`` for a class that it does not know."""
        settings = self._config.model_copy(update={"classes": choice.classes})
        needs_masks = bool(choice.draw & {"masks", "outlines"}) or choice.background != "none"
        return replace(selection(settings, choice.detector, client.detector), masks=needs_masks)
