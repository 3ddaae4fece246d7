"""Time stamps of one RTP stream that goes on while what it shows changes."""

from __future__ import annotations

from streamer.sources.live_timestamps import TIME_BASE


class RtpTimes:
    """Places the pictures of videos that follow each other on one line of ticks of ``TIME_BASE``. Pure: times are passed in.

    Within a video the spacing is kept to the tick. Pictures that are sent late, to catch up, stand where they are sent: a
    browser learns from when they come how fast the sender's clock runs, and would wait for seconds after some that come late.
    """

    def __init__(self) -> None:
        self._last = -1
        self._begun_s: float | None = None
        self._offset: int | None = None

    def begin(self) -> None:
        """Another video begins, or goes on elsewhere."""
        self._offset = None

    def place(self, ticks: int, now_s: float, *, late: bool) -> int:
        """Where a picture at ``ticks`` of its video stands that is sent at ``now_s``; each stands later than the one before."""
        if self._begun_s is None:
            self._begun_s = now_s
        now = round((now_s - self._begun_s) / TIME_BASE)
        if late:
            out, self._offset = now, None
        else:
            if self._offset is None:
                self._offset = max(now, self._last + 1) - ticks
            out = ticks + self._offset
        self._last = max(out, self._last + 1)
        return self._last
