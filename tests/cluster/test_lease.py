"""The lease of a camera: never two holders at once, whatever is lost, late or asked again."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streamer.cluster.lease import LEASE_S, Leases


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_nobody_begins_until_what_may_have_been_given_before_is_over() -> None:
    clock = Clock()
    leases = Leases(clock)
    assert leases.enter("gate", "a") > LEASE_S
    clock.now += LEASE_S + 1
    assert leases.enter("gate", "a") == 0


def test_another_waits_for_the_end_of_the_lease_and_what_was_left_is_free() -> None:
    clock = Clock()
    leases = Leases(clock)
    clock.now += 10
    assert leases.enter("gate", "a") == 0
    assert leases.enter("yard", "b") == 0
    assert leases.enter("gate", "b") > LEASE_S
    assert not leases.renew("gate", "b")
    clock.now += 1
    assert leases.renew("gate", "a")
    clock.now += LEASE_S
    assert leases.enter("gate", "b") > 0
    clock.now += 0.6
    assert leases.enter("gate", "b") == 0
    assert not leases.renew("gate", "a")
    leases.leave("gate", "a")
    assert leases.renew("gate", "b")
    leases.leave("gate", "b")
    assert leases.enter("gate", "c") == 0
    assert leases.started("gate") == 3


def test_a_camera_whose_process_dies_again_and_again_waits_ever_longer() -> None:
    clock = Clock()
    leases = Leases(clock)
    clock.now += 10
    begun = []
    for number in range(8):
        while wait_s := leases.enter("gate", str(number)):
            clock.now += wait_s
        begun.append(clock.now)
    between = [round(later - earlier, 1) for earlier, later in itertools.pairwise(begun)]
    assert between == [2.5, 2.5, 2.5, 2.5, 4.0, 8.0, 16.0]
    clock.now += 1000
    assert leases.enter("gate", "later") == 0


@dataclass
class Holder:
    """Played: runs from its lease on, until the end of the time that it counts from before its question."""

    name: str
    until: float = 0.0
    """It runs until then."""


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # who
        st.sampled_from(["ask", "ask", "ask", "lose the answer", "die", "leave", "restart the head"]),
        st.floats(0.0, 1.2),  # seconds until the question arrives
        st.floats(0.0, 1.2),  # and the answer
    ),
    max_size=60,
)


@given(STEPS)
def test_two_never_run_at_once(steps: list[tuple[int, str, float, float]]) -> None:
    clock = Clock()
    leases = Leases(clock)
    holders = [Holder(f"{number}") for number in range(3)]
    generation = 3
    for who, what, there_s, back_s in steps:
        holder = holders[who]
        running = holder.until > clock.now
        if what == "restart the head":
            leases = Leases(clock)
        elif what == "die":
            holders[who] = Holder(f"{generation}")
            generation += 1
        elif what == "leave" and running:
            holder.until = 0.0
            leases.leave("gate", holder.name)
        else:
            asked_at = clock.now
            clock.now += there_s
            alive = holder.until > clock.now
            # One whose time is over has ended: its process asks no more, another one begins.
            if running and not alive:
                holders[who] = Holder(f"{generation}")
                generation += 1
            granted = leases.renew("gate", holder.name) if running else leases.enter("gate", holder.name) == 0
            clock.now += back_s
            if granted and what == "ask" and (not running or holder.until > clock.now) and holders[who] is holder:
                holder.until = asked_at + LEASE_S
        assert sum(each.until > clock.now for each in holders) <= 1


def test_the_kernel_ends_a_process_whose_lease_is_over() -> None:
    program = (
        "import ctypes, time; from streamer.cluster.lease import *; now = time.monotonic();"
        "end_process_at(now - LEASE_S, now); ctypes.PyDLL(None).sleep(60)"  # PyDLL: with Python's lock held
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=50).returncode == -signal.SIGALRM
    program = (
        "import time; from streamer.cluster.lease import *; now = time.monotonic();"
        "end_process_at(now, now); let_process_live(); time.sleep(LEASE_S + 0.5)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=50).returncode == 0
