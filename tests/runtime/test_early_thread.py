"""A thread that gets ready before it has work."""

from __future__ import annotations

import threading

import pytest

from streamer.runtime.early_thread import EarlyThread

WAIT_S = 10.0


def test_it_gets_ready_before_it_has_work_and_in_the_same_thread() -> None:
    ready, done = threading.Event(), threading.Event()
    seen: list[threading.Thread] = []

    def prepare() -> None:
        seen.append(threading.current_thread())
        ready.set()

    def work() -> None:
        seen.append(threading.current_thread())
        done.set()

    early = EarlyThread("early", prepare)
    assert ready.wait(WAIT_S)
    early.hand(work)
    assert done.wait(WAIT_S)
    early.join(WAIT_S)
    assert seen == [early, early]


def test_without_work_it_ends() -> None:
    early = EarlyThread("early", lambda: None)
    early.discard()
    assert not early.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # this is what is tested
def test_what_could_not_be_prepared_keeps_no_work_from_being_done() -> None:
    done = threading.Event()

    def prepare() -> None:
        raise OSError

    early = EarlyThread("early", prepare)
    early.hand(done.set)
    early.join(WAIT_S)
    assert done.is_set()
