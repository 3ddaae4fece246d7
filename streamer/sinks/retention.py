"""Which recordings of a folder are ours, which of those have to go, and the thread that removes them."""

from __future__ import annotations

import logging
import re
import shutil
import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

log = logging.getLogger(__name__)

_EVERY_S = 10.0
_ROOM_BYTES = 64 * 2**20
"""What has to be free again after a disk was full."""
_STAMP = "%Y%m%dT%H%M%SZ"
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Recording:
    """One finished file."""

    path: Path
    start: datetime
    """In UTC, from its name."""
    size_bytes: int


def file_stem(name: str) -> str:
    """``name`` as a file name can hold it."""
    return _UNFIT.sub("-", name).strip("-.")[:80] or "camera"


def segment_name(stem: str, start: datetime, again: int = 0, suffix: str = ".mp4") -> str:
    """File name of the segment that starts at ``start``; ``again`` counts those of the same second.

    Names sort by time: an underscore comes after the suffix's dot.
    """
    return f"{stem}-{start.astimezone(UTC).strftime(_STAMP)}{f'_{again}' if again else ''}{suffix}"


def recordings(folder: Path, stem: str, since: datetime | None = None, until: datetime | None = None) -> list[Recording]:
    """The segments named after ``stem`` in ``folder``, oldest first; whatever else is there is none of our business.

    ``since`` and ``until``, in UTC: when the first and the last may have started. Of the others only the names are read.
    """
    pattern = _pattern(stem)
    first = "" if since is None else since.strftime(_STAMP)
    last = "~" if until is None else until.strftime(_STAMP)
    found = []
    for path in folder.iterdir():
        named = pattern.fullmatch(path.name)
        if named is None or not first <= named[1] <= last or path.is_symlink():
            continue
        try:
            start = datetime.strptime(named[1], _STAMP).replace(tzinfo=UTC)
            size_bytes = path.stat().st_size
        except (ValueError, FileNotFoundError):  # no date after all; or it was removed meanwhile
            continue
        found.append((start, int(named[2] or 0), Recording(path, start, size_bytes)))
    return [recording for _, _, recording in sorted(found, key=lambda entry: entry[:2])]


def recording(folder: Path, stem: str, name: str) -> Path | None:
    """The segment of that name among those named after ``stem``; None where there is none."""
    path = folder / name
    known = _pattern(stem).fullmatch(name) is not None
    return path if known and not path.is_symlink() and path.is_file() else None


def _pattern(stem: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(stem)}-(\d{{8}}T\d{{6}}Z)(?:_(\d+))?\.(?:mp4|mov)", re.ASCII)


def to_remove(
    finished: Iterable[Recording],
    *,
    now: datetime,
    segment_s: float,
    keep_hours: float | None,
    keep_bytes: float | None,
    current_bytes: int = 0,
) -> list[Recording]:
    """Of ``finished`` recordings, oldest first, those that end before ``keep_hours`` ago, or that do not fit.

    ``current_bytes`` is the size of the file being written, which counts and stays.
    """
    kept = list(finished)
    gone: list[Recording] = []
    if keep_hours is not None:
        limit = now - timedelta(hours=keep_hours, seconds=segment_s)
        gone = [recording for recording in kept if recording.start < limit]
        kept = [recording for recording in kept if recording.start >= limit]
    if keep_bytes is not None:
        total = current_bytes + sum(recording.size_bytes for recording in kept)
        for recording in kept:
            if total <= keep_bytes:
                break
            gone.append(recording)
            total -= recording.size_bytes
    return gone


_all: weakref.WeakSet[Retention] = weakref.WeakSet()
"""Those of this process that are not closed: on a full disk the oldest footage makes room, whosever it is."""
_all_lock = threading.Lock()


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder is so full that footage has to make room. Raises ``OSError``."""
    return shutil.disk_usage(folder).free < _ROOM_BYTES


class Retention:
    """Removes the recordings of ``stem`` in ``folder`` that are over the limits, whether frames come or not.

    In a thread of its own, so that a slow folder never holds up the recording: every ten seconds, and when :meth:`wake` says
    that a file was finished. ``current`` names the file that is being written, which stays.
    """

    def __init__(
        self,
        folder: Path,
        stem: str,
        *,
        segment_s: float,
        keep_hours: float | None,
        keep_bytes: float | None,
        current: Callable[[], Path | None],
        utc: Callable[[], datetime],
        every_s: float = _EVERY_S,
        of_events: bool = False,
    ) -> None:
        """``of_events``: the footage is what events need; on a full disk other footage goes first."""
        self.of_events = of_events
        self._folder, self._stem, self._segment_s = folder, stem, segment_s
        self._keep_hours, self._keep_bytes = keep_hours, keep_bytes
        self._current, self._utc, self._every_s = current, utc, every_s
        self._awake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="retention", daemon=True)
        self._error = ""
        with _all_lock:
            _all.add(self)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """From any thread: look now."""
        self._awake.set()

    def close(self, timeout_s: float = 0.5) -> None:
        """Look once more, and end; a folder that does not answer is left alone after ``timeout_s``."""
        with _all_lock:
            _all.discard(self)
        self._closing = True
        self._awake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def make_room(self) -> Path | None:
        """Remove the oldest finished recordings of this disk, of any camera of the process, until there is room again.

        The first that went, or None if there is none. What events need goes last.
        """
        with _all_lock:
            sharing = list(_all)
        first = None
        try:
            disk = self._folder.stat().st_dev
            footage = [(each.of_events, found) for each in sharing for found in each.finished_on(disk)]
            for _, recording in sorted(footage, key=lambda entry: (entry[0], entry[1].start)):
                recording.path.unlink(missing_ok=True)
                first = first or recording.path
                if not is_full(self._folder):
                    break
        except OSError as error:
            log.warning("cannot remove old recordings to make room in %s: %s", self._folder, error.strerror or error)
        return first

    def finished_on(self, disk: int) -> list[Recording]:
        """From any thread: the finished recordings, oldest first, if they are on that disk (``st_dev``)."""
        try:
            if self._folder.stat().st_dev != disk:
                return []
            found = recordings(self._folder, self._stem)
        except OSError:  # a folder that is away is on no full disk
            return []
        current = self._current()  # after the list: a file that was begun since is not in it
        return [recording for recording in found if recording.path != current]

    def tidy(self) -> None:
        """Remove what is over the limits now. What cannot be removed is told once."""
        error = ""
        try:
            found = recordings(self._folder, self._stem)
            # After the list: a file that was begun since is not in it.
            current = self._current()
            finished = [recording for recording in found if recording.path != current]
            for recording in to_remove(
                finished,
                now=self._utc(),
                segment_s=self._segment_s,
                keep_hours=self._keep_hours,
                keep_bytes=self._keep_bytes,
                current_bytes=sum(recording.size_bytes for recording in found if recording.path == current),
            ):
                error = _removed(recording.path) or error
        except OSError as failure:
            error = str(failure.strerror or failure)
        if error and error != self._error:
            log.warning("cannot remove old recordings of %s in %s: %s", self._stem, self._folder, error)
        self._error = error

    def _work(self) -> None:
        while True:
            closing = self._closing
            self.tidy()
            if closing:
                return
            self._awake.wait(self._every_s)
            self._awake.clear()


def _removed(path: Path) -> str:
    """Remove a file; why that cannot be, or nothing."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return str(error.strerror or error)
    return ""
