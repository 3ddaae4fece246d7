"""Signals call stop, then abandon, and the handlers go away again."""

from __future__ import annotations

import signal
import threading

import pytest

from streamer.runtime.signals import SIGNALS, Interrupts, exit_code, raise_interrupt

WAIT_S = 10.0


def test_first_signal_stops_the_next_abandon() -> None:
    calls: list[str] = []
    for number in SIGNALS:
        before = signal.getsignal(number)
        calls.clear()
        times = iter([100.0, 100.5])
        with Interrupts(lambda: calls.append("stop"), lambda: calls.append("abandon"), clock=times.__next__) as interrupts:
            signal.raise_signal(number)
            signal.raise_signal(number)
        assert sorted(calls) == ["abandon", "stop"]
        assert interrupts.count == 2
        assert signal.getsignal(number) is before


def test_one_signal_that_arrives_twice_is_one() -> None:
    calls: list[str] = []
    with Interrupts(lambda: calls.append("stop"), lambda: calls.append("abandon"), clock=lambda: 100.0) as interrupts:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert calls == ["stop"]
    assert interrupts.count == 1


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ([], 130),
        ([signal.SIGINT], 130),
        ([signal.SIGTERM], 0),
        ([signal.SIGTERM, signal.SIGTERM], 143),
        ([signal.SIGINT, signal.SIGTERM], 143),
        ([signal.SIGTERM, signal.SIGINT], 130),
    ],
)
def test_the_exit_code_tells_whether_outputs_are_complete(signals: list[signal.Signals], code: int) -> None:
    times = iter([100.0, 100.5])
    with Interrupts(lambda: None, lambda: None, clock=times.__next__):
        for number in signals:
            signal.raise_signal(number)
    assert exit_code() == code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_run_leaves_it_incomplete(number: signal.Signals, code: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        raise_interrupt(number, None)
    assert exit_code(complete=False) == code


def test_outside_the_main_thread_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def enter() -> None:
        with Interrupts(lambda: None, lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join(WAIT_S)
    assert seen == [before]
