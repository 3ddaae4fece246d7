"""Counts the failures of one thing that is tried again, and says when."""

from __future__ import annotations

import math
import random as random_module
from collections.abc import Callable

from streamer.errors import in_one_line
from streamer.redact import redact
from streamer.runtime.backoff import Backoff

_RECOVERED_AFTER = 10
_RECOVERED_AFTER_S = 2.0


class CircuitBreaker:
    """Counts failures and successes of one thing. One thread tells it of them; any thread may read.

    It has recovered when it worked ten times in a row, or works two seconds after its last failure: something that fails now
    and then stays reported, and is not reported anew each time. It reads no clock: ``now`` is in monotonic seconds.
    """

    def __init__(self, backoff: Backoff, *, random: Callable[[], float] = random_module.random) -> None:
        """``backoff`` says how long to wait after a failure, by the time since it worked last."""
        self.failures = 0
        """Failures so far."""
        self.reason = ""
        """Why it failed last, in one line without credentials; empty once it has recovered."""
        self.retry_at = -math.inf
        """When it may be tried again, in monotonic seconds."""
        self._backoff = backoff
        self._random = random
        self._failing_since: float | None = None
        self._failed_at = -math.inf
        self._successes = 0

    def failed(self, error: BaseException, now: float) -> bool:
        """Note a failure. Returns whether it is news: there was no reason before."""
        news = not self.reason
        self.failures += 1
        self.reason = redact(in_one_line(error))
        self._successes = 0
        self._failed_at = now
        if self._failing_since is None:
            self._failing_since = now
        self.retry_at = now + self._backoff.delay_s(now - self._failing_since, self._random)
        return news

    def worked(self, now: float) -> bool:
        """Note a success. Returns whether it is news: it has recovered."""
        self._failing_since = None
        if not self.reason:
            return False
        self._successes += 1
        if self._successes < _RECOVERED_AFTER and now - self._failed_at < _RECOVERED_AFTER_S:
            return False
        self.reason = ""
        return True

    def retry_now(self) -> None:
        """What is behind it has changed: do not wait any longer."""
        self.retry_at = -math.inf
