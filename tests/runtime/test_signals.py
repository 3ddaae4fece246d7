"""Signals call stop, then abandon, and the handlers go away again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from streamer.runtime.signals import SIGNALS, Interrupts, exit_code, raise_interrupt

WAIT_S = 10.0
ROOT = Path(__file__).parents[2]


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


def ended(code: str) -> tuple[int, str, str]:
    """How a Python of its own ends that runs ``code``, and what it says."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=6 * WAIT_S)
    return done.returncode, done.stdout, done.stderr


def test_a_signal_that_python_loses_in_a_callback_comes_again() -> None:
    code = f"""
import os, signal, threading
from streamer.runtime.signals import lose_no_interrupt, raise_interrupt

class Callback:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        print("lost")

signal.signal(signal.SIGTERM, raise_interrupt)
lose_no_interrupt()
try:
    Callback()
    threading.Event().wait({WAIT_S})
except KeyboardInterrupt:
    print("here")
"""
    assert ended(code) == (0, "here\n", "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    "place",
    [
        "app.application = come",  # while options are made
        "typer.core.TyperGroup.make_context = come",  # where typer catches it
        # Python marks what went through an executed text.
        "app.application = lambda names: exec('come()', {'come': come})",
    ],
)
def test_a_signal_before_the_command_begins_ends_it_without_a_traceback(
    number: signal.Signals, code: int, place: str, tmp_path: Path
) -> None:
    # As a module that is run, since Python looks at its mark only there.
    (tmp_path / "early.py").write_text(
        f"""
import os, sys
import typer.core
from streamer.cli import app
def come(*_, **__):
    os.kill(os.getpid(), {int(number)})
    print("lost")
{place}
sys.argv = ["streamer", "doctor"]
app.main()
""",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "early"],
        capture_output=True,
        text=True,
        check=False,
        timeout=6 * WAIT_S,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
