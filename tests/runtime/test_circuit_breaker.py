"""Failures of one thing: counted, said once, tried again after a backoff, forgotten after a recovery."""

from __future__ import annotations

import pytest

from streamer.errors import DetectorError
from streamer.runtime.backoff import Backoff
from streamer.runtime.circuit_breaker import CircuitBreaker


def breaker() -> CircuitBreaker:
    return CircuitBreaker(Backoff(initial_s=1.0, max_s=10.0), random=lambda: 0.0)


def test_the_first_failure_is_news_and_is_tried_again_ever_later() -> None:
    of = breaker()
    assert of.retry_at < 0.0
    assert of.failed(RuntimeError("out of\nmemory"), 0.0)
    assert (of.failures, of.reason, of.retry_at) == (1, "RuntimeError: out of memory", 1.0)
    assert not of.failed(RuntimeError("still"), 20.0)
    assert (of.failures, of.reason, of.retry_at) == (2, "RuntimeError: still", 24.0)
    assert not of.failed(RuntimeError("still"), 1000.0)
    assert of.retry_at == 1010.0
    of.retry_now()
    assert of.retry_at < 0.0


def test_it_has_recovered_when_it_works_long_after_the_last_failure() -> None:
    of = breaker()
    assert not of.worked(0.0)
    of.failed(RuntimeError("once"), 0.0)
    assert not of.worked(1.9)
    assert of.reason
    assert of.worked(2.0)
    assert of.reason == ""
    assert not of.worked(2.1)
    assert of.failed(RuntimeError("anew"), 3.0)


def test_it_has_recovered_when_it_works_ten_times_in_a_row() -> None:
    of = breaker()
    of.failed(RuntimeError("once"), 0.0)
    assert [of.worked(0.1) for _ in range(11)] == [False] * 9 + [True, False]


def test_what_fails_now_and_then_is_said_once_and_is_not_tried_ever_later() -> None:
    of, news = breaker(), 0
    for turn in range(100):
        now = 0.1 * turn
        if turn % 5:
            news += of.worked(now)
        else:
            news += of.failed(RuntimeError("now and then"), now)
            assert of.retry_at == now + 1.0
    assert news == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DetectorError("no model", hint="mend it"), "no model; mend it"),
        (RuntimeError("rtsp://u:hunter2@h/ is gone"), "RuntimeError: rtsp://u:***@h/ is gone"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_reasons_are_one_line_without_credentials(error: BaseException, reason: str) -> None:
    of = breaker()
    of.failed(error, 0.0)
    assert of.reason == reason
