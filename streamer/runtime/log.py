"""Logging: one line for each thing that happened, for people or for collectors, without credentials, repeats folded."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Literal

from streamer.redact import redact
from streamer.runtime.utc import iso_utc

LogFormat = Literal["human", "json"]

FIELDS = ("source", "state", "output", "stage", "event")
"""What a record may carry by ``extra=``; each becomes a key of the JSON line."""

_DIGITS = re.compile(r"\d+")
_MOST_FOLDS = 256
_STATES_TOLD = 5
"""A camera that comes and goes is news each time; one that flaps is not."""
_FOREIGN = ("libav",)


class HumanFormatter(logging.Formatter):
    """``12:00:03 warning streamer.live.run: gate: reconnecting``; times are local."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone()
        text = f"{at:%H:%M:%S} {record.levelname.lower()} {record.name}: {' '.join(record.getMessage().split())}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return redact(text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (UTC), ``level``, ``logger``, ``message``, the ``FIELDS``, ``traceback``."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": iso_utc(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(" ".join(record.getMessage().split())),
        }
        for name in FIELDS:
            if (value := getattr(record, name, None)) is not None:
                entry[name] = redact(str(value))
        if record.exc_info:
            entry["traceback"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


@dataclass(slots=True)
class _Fold:
    """A message that was written first at ``since``, ``told`` times in all, and has come ``times`` more since then."""

    last: logging.LogRecord
    since: float
    told: int = 1
    times: int = 0


class FoldingHandler(logging.StreamHandler[IO[str]]):
    """Writes a message when it comes first; the same again within ``window_s`` is counted and told as one line after it.

    Messages are the same when logger, level and text are; for FFmpeg's, which carry counters, digits do not count. Changes of
    state (records with a ``state``) are told a few times before they fold. A fold is told with the next record after its
    window, by :meth:`tell`, or at the close. Any thread may log.
    """

    def __init__(self, stream: IO[str], *, window_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._window_s = window_s
        self._clock = clock
        self._folds: OrderedDict[tuple[str, int, str], _Fold] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        """Called by ``logging`` with the handler's lock held."""
        now = self._clock()
        self._tell(now)
        text = record.getMessage()
        if record.name.startswith(_FOREIGN):
            text = _DIGITS.sub("#", text)
        key = (record.name, record.levelno, text)
        if fold := self._folds.get(key):
            fold.last = record
            if hasattr(record, "state") and fold.told < _STATES_TOLD:
                fold.told += 1
                super().emit(record)
            else:
                fold.times += 1
            return
        self._folds[key] = _Fold(record, now)
        super().emit(record)
        while len(self._folds) > _MOST_FOLDS:
            self._write(self._folds.popitem(last=False)[1], now)

    def tell(self, now: float | None = None) -> None:
        """Write what was folded in windows that are over; to be called now and then where nothing else is logged."""
        self.acquire()
        try:
            self._tell(self._clock() if now is None else now)
        finally:
            self.release()

    def close(self) -> None:
        self.acquire()
        try:
            now = self._clock()
            while self._folds:
                self._write(self._folds.popitem(last=False)[1], now)
        finally:
            self.release()
        super().close()

    def _tell(self, now: float) -> None:
        # In the order of their first coming, so the oldest are in front.
        while self._folds:
            key, fold = next(iter(self._folds.items()))
            if now - fold.since < self._window_s:
                return
            del self._folds[key]
            self._write(fold, now)

    def _write(self, fold: _Fold, now: float) -> None:
        if not fold.times:
            return
        seconds = min(self._window_s, now - fold.since)
        said = logging.LogRecord(
            fold.last.name,
            fold.last.levelno,
            fold.last.pathname,
            fold.last.lineno,
            "%s (%d more in %.0f s)",
            (fold.last.getMessage(), fold.times, seconds),
            None,
        )
        for name in FIELDS:
            if (value := getattr(fold.last, name, None)) is not None:
                setattr(said, name, value)
        super().emit(said)


def set_up(
    log_format: LogFormat = "human",
    *,
    level: int = logging.INFO,
    stream: IO[str] | None = None,
    window_s: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> FoldingHandler:
    """Send what this process logs to ``stream`` (stderr) through one redacting handler, in place of the one before.

    Failures of threads and of the interpreter's last resort go the same way, so that no traceback shows a password.
    Returns the handler, for its :meth:`FoldingHandler.tell`.
    """
    handler = FoldingHandler(stream or sys.stderr, window_s=window_s, clock=clock)
    handler.setFormatter(JsonFormatter() if log_format == "json" else HumanFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old, FoldingHandler):
            root.removeHandler(old)
            old.close()
    root.addHandler(handler)
    root.setLevel(level)
    threading.excepthook = _thread_failed
    return handler


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    thread = failure.thread.name if failure.thread else "a thread"
    if failure.exc_value is None or isinstance(failure.exc_value, SystemExit):
        return
    trace = (type(failure.exc_value), failure.exc_value, failure.exc_traceback)
    logging.getLogger("streamer").error("%s failed", thread, exc_info=trace)
