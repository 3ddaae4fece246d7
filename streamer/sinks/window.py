"""A window that shows the newest picture."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from streamer.frame import UPRIGHT, Orientation, Plane, StreamInfo
from streamer.redact import redact
from streamer.sinks.display import Screen, check_display
from streamer.sinks.live_encoder import upright_even
from streamer.sinks.overlay import draw_block, status_picture
from streamer.sinks.retention import file_stem
from streamer.stages import Annotated, OutputStatus, State

log = logging.getLogger(__name__)

KEYS = (
    "q, Esc  end",
    "f  full screen",
    "space  freeze",
    "s  save a snapshot",
    "d  figures",
    "h  these keys",
)
"""What the keys do, for ``h`` and for the documentation."""

_ESCAPE = 27
_SCREEN_SHARE = 0.9


def _utc_now() -> datetime:
    return datetime.now(UTC)


class _View(NamedTuple):
    """One picture to show."""

    picture: av.VideoFrame
    orientation: Orientation


class Window:
    """Implements ``stages.Sink``; any thread writes, without ever waiting, and the main thread shows.

    q, Esc and the close button end it; f full screen, space freezes, s saves a snapshot (a PNG in ``snapshots``, as large
    as the picture, named by its UTC time), h shows the keys, d the lines that ``figures`` gives. Pictures are shown upright,
    their pixels square, and smaller where the screen or the window is. ``title`` defaults to the source's name and has to
    differ between windows. Raises ``OutputRefused`` at construction when nothing can be shown here.
    """

    def __init__(
        self,
        info: StreamInfo,
        *,
        title: str | None = None,
        figures: Callable[[], Sequence[str]] | None = None,
        snapshots: Path = Path(),
        utc: Callable[[], datetime] = _utc_now,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._display = check_display(environ)
        # Qt complains on the terminal about fonts that its wheel does not have; the window has no words of Qt's.
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
        self.name = "window"
        self.title = redact(title or info.source)
        self._info, self._figures, self._snapshots, self._utc = info, figures, snapshots, utc
        self._aspect = float(1 / info.sample_aspect_ratio if info.orientation.sideways else info.sample_aspect_ratio)
        self._newest: _View | None = None
        self._arrived = threading.Event()
        self._text = "starting"
        self._ended = False
        # From here on the main thread alone.
        self._open = False
        self._shown: _View | None = None
        self._upright: Plane | None = None
        self._frozen = self._keys = self._full_screen = False
        self._with_figures = figures is not None
        self._words: tuple[str, ...] = ()
        self._frames = 0

    @property
    def closed(self) -> bool:
        """Whether the person, or the end of the stream, has closed it."""
        return self._ended

    # The sink, for any thread.

    def write(self, item: Annotated) -> None:
        """This is the newest picture."""
        self._text = ""
        self._newest = _View(item.drawn(), item.frame.orientation)
        self._arrived.set()

    def idle(self, text: str) -> None:
        """No frame comes: show the last picture dimmed, with ``text``."""
        self._text = text
        self._arrived.set()

    def status(self) -> OutputStatus:
        """How it is doing; ``frames`` are pictures shown."""
        state = State.ENDED if self._ended else State.RUNNING if self._open else State.STARTING
        return OutputStatus(name=self.name, state=state, frames=self._frames)

    def finish(self) -> None:
        """Nothing more will come: the main thread closes the window."""
        self._ended = True
        self._display.release()
        self._arrived.set()

    def abandon(self) -> None:
        """The same."""
        self.finish()

    # The window, for the main thread.

    def show_once(self, wait_s: float = 0.02) -> bool:
        """Wait for a new picture, at most ``wait_s``; show it and obey the keys. False once it is closed."""
        self._arrived.wait(wait_s)
        self.refresh()
        self.obey(cv2.waitKey(1))
        return not self._ended

    def refresh(self) -> None:
        """Show what is new, or notice that the window was closed; does not wait."""
        if self._ended:
            return
        if self._open and self._gone():
            self._ended = True
            return
        self._arrived.clear()
        if not self._open:
            self._create()
        view, text = self._newest, self._text
        lines = self._lines()
        words = (text, str(self._keys), *lines)
        if self._frozen and self._upright is not None:
            view, text = self._shown, ""
        if view is self._shown and words == self._words and self._upright is not None and not self._resized():
            return
        if text or view is None:
            shown = self._status(view, text)
        else:
            self._frames += view is not self._shown
            shown = view
        self._shown, self._words = view, words
        self._paint(shown, lines)

    def obey(self, key: int) -> None:
        """Do what the key (as ``cv2.waitKey`` gives it) says; -1 for none."""
        match key & 0xFF if key >= 0 and self._open else None:
            case None:
                return
            case code if code in (ord("q"), _ESCAPE):
                self._ended = True
            case code if code == ord("f"):
                self._full_screen = not self._full_screen
                mode = cv2.WINDOW_FULLSCREEN if self._full_screen else cv2.WINDOW_NORMAL
                cv2.setWindowProperty(self.title, cv2.WND_PROP_FULLSCREEN, mode)
            case code if code == ord(" "):
                self._frozen = not self._frozen
            case code if code == ord("s"):
                self._snapshot()
            case code if code == ord("h"):
                self._keys = not self._keys
            case code if code == ord("d"):
                self._with_figures = not self._with_figures
        self._arrived.set()

    def close(self) -> None:
        """Take the window away. May be called twice."""
        self.finish()
        if self._open:
            self._open = False
            if not self._gone():
                cv2.destroyWindow(self.title)
                cv2.waitKey(1)  # the window goes only when its events are worked off

    def _create(self) -> None:
        cv2.namedWindow(self.title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(self.title, *_fitting(self._natural(), self._display.screen, _SCREEN_SHARE))
        self._open = True
        self._display.release()

    def _gone(self) -> bool:
        try:
            return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:  # OpenCV 5 with Qt: it knows no such window any more
            return True

    def _natural(self) -> tuple[int, int]:
        """Width and height in square pixels."""
        return max(1, round(self._info.width * self._aspect)), max(1, self._info.height)

    def _status(self, last: _View | None, text: str) -> _View:
        width, height = self._info.width + self._info.width % 2, self._info.height + self._info.height % 2
        upright = None if last is None else upright_even(*last, width, height)
        return _View(status_picture(upright, width, height, text), UPRIGHT)

    def _area(self) -> tuple[int, int]:
        _, _, width, height = cv2.getWindowImageRect(self.title)
        return width, height

    def _resized(self) -> bool:
        width, height = _fitting(self._natural(), Screen(*self._area()), 1.0)
        return self._upright is not None and self._upright.shape[:2] != (height, width)

    def _paint(self, view: _View, lines: tuple[str, ...]) -> None:
        width, height = _fitting(self._natural(), Screen(*self._area()), 1.0)
        bgr = _bgr(view, (width, height))
        if lines:
            draw_block(bgr, lines)
        if self._keys:
            draw_block(bgr, KEYS, corner="bottom-left")
        self._upright = bgr
        cv2.imshow(self.title, bgr)

    def _lines(self) -> tuple[str, ...]:
        lines = [*self._figures()] if self._with_figures and self._figures is not None else []
        return (*lines, *(["frozen"] if self._frozen else []))

    def _snapshot(self) -> None:
        view = self._shown
        if view is None:
            log.warning("no snapshot: there is no picture yet", extra={"output": self.name})
            return
        now = self._utc()
        stamp = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z"
        path = self._snapshots / f"{file_stem(self.title)}-{stamp}.png"
        _, png = cv2.imencode(".png", _bgr(view, self._natural()), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        try:
            path.write_bytes(png.tobytes())
        except OSError as error:
            log.error("no snapshot: cannot write %s: %s", path, error.strerror, extra={"output": self.name})  # noqa: TRY400  # a person is told, without traceback
        else:
            log.info("snapshot saved as %s", path, extra={"output": self.name})


def show_new(windows: Sequence[Window], wait_s: float) -> None:
    """Main thread: show what is new in the windows, and obey their keys for ``wait_s`` seconds.

    OpenCV does not say which window a key was meant for: all obey it.
    """
    if len(windows) == 1:
        windows[0].show_once(wait_s)
        return
    for window in windows:
        window.refresh()
    key = cv2.waitKey(max(1, round(1e3 * wait_s)))
    for window in windows:
        window.obey(key)


def _fitting(size: tuple[int, int], screen: Screen, share: float) -> tuple[int, int]:
    """``size`` (width, height), made smaller where ``share`` of the screen is, with the same proportions."""
    if not screen.width or not screen.height:
        return size
    scale = min(1.0, share * screen.width / size[0], share * screen.height / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _bgr(view: _View, size: tuple[int, int]) -> Plane:
    """The upright picture in OpenCV's channel order, scaled to ``size`` (width, height)."""
    width, height = (size[1], size[0]) if view.orientation.sideways else size
    stored = view.picture.reformat(width=width, height=height, format="bgr24", interpolation="AREA", threads=1)
    return np.ascontiguousarray(view.orientation.upright(np.asarray(stored.to_ndarray(), np.uint8)))
