"""Waiting for work in another thread, and not waiting for it any longer."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from streamer.errors import DetectorTimeout
from streamer.runtime.own_thread import CallLeft, OwnThread, apart

WAIT_S = 30.0


def test_work_is_done_in_order_by_one_thread_and_what_it_raises_arrives() -> None:
    thread = OwnThread("worker")
    names = [thread.begin(lambda: threading.current_thread().name) for _ in range(3)]
    assert [name.result(WAIT_S) for name in names] == ["worker"] * 3
    # It is a TimeoutError, too: not to be taken for the end of a glance.
    with pytest.raises(DetectorTimeout, match="its own"):
        thread.call(lambda: (_ for _ in ()).throw(DetectorTimeout("its own")).send(None))
    thread.close()
    with pytest.raises(CallLeft):
        thread.call(lambda: 1)


def test_whoever_waits_is_told_how_long() -> None:
    told = threading.Event()
    seconds: list[float] = []

    def tell(waited: float) -> None:
        seconds.append(waited)
        told.set()

    assert apart(lambda: told.wait(WAIT_S), "worker", tell)
    assert seconds[0] > 0.0


def test_leaving_ends_all_waiting_and_the_last_thing_is_done_when_the_call_returns() -> None:
    begun, release, last = threading.Event(), threading.Event(), threading.Event()
    thread = OwnThread("worker")

    def work() -> None:
        begun.set()
        release.wait(WAIT_S)

    under_way, queued = thread.begin(work), thread.begin(lambda: pytest.fail("it was left before its turn"))
    assert begun.wait(WAIT_S)
    thread.leave(last.set)
    thread.leave(last.clear)  # the second time changes nothing
    for future in (under_way, queued):
        with pytest.raises(CallLeft):
            future.result(WAIT_S)
    thread.close()  # does not wait
    assert not last.is_set()
    release.set()
    assert last.wait(WAIT_S)


@pytest.mark.slow
def test_the_process_ends_with_its_output_although_a_thread_is_left_at_work() -> None:
    code = """
import ctypes, threading
from streamer.runtime.own_thread import OwnThread, end_process
thread, begun = OwnThread("worker"), threading.Event()
thread.begin(lambda: (begun.set(), ctypes.CDLL(None).sleep(600)))
begun.wait()
thread.leave()
print("all of it")
end_process(7)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "all of it\n", "")
