from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.errors import MessageRefused, TargetUnavailable
from streamer.events.delivery import Delivery
from streamer.events.store import EventStore, Message
from streamer.runtime.backoff import Backoff
from tests.events.happenings import ended, event
from tests.events.scripted_target import ScriptedTarget
from tests.waiting import wait_until

QUICK = Backoff(initial_s=0.001, max_s=0.002)
NEVER = Backoff(initial_s=600.0, max_s=600.0)


class Clock:
    def __init__(self) -> None:
        self.utc = 1_767_225_600.0

    def __call__(self) -> float:
        return self.utc


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[EventStore]:
    with EventStore(tmp_path / "events.db", targets=("webhook", "mqtt"), utc=clock) as store:
        yield store


def sent(store: EventStore, target: str = "webhook") -> None:
    wait_until(lambda: store.waiting(target) == 0, what=lambda: f"{store.waiting(target)} wait for {target}")


def test_what_waited_and_what_comes_is_sent_in_order(store: EventStore) -> None:
    store.record(event(1))
    target = ScriptedTarget()
    with Delivery(store, [target]):
        sent(store)
        store.record(event(2))
        store.record(ended(1))
        sent(store)

    assert target.keys == [f"{event(1).id}-1", f"{event(2).id}-1", f"{event(1).id}-2"]
    assert target.closed == 1


def test_more_than_a_batch_is_sent(store: EventStore) -> None:
    for number in range(120):
        store.record(event(number))
    target = ScriptedTarget()
    with Delivery(store, [target]):
        sent(store)

    assert target.keys == [f"{event(number).id}-1" for number in range(120)]


def test_a_failure_is_tried_again_before_the_next_message(store: EventStore, caplog: pytest.LogCaptureFixture) -> None:
    store.record(event(1))
    store.record(event(2))
    tried: list[str] = []
    target = ScriptedTarget(*[TargetUnavailable("no answer") for _ in range(3)], on_send=lambda said: tried.append(said.key))
    with caplog.at_level(logging.INFO), Delivery(store, [target], backoff=QUICK) as delivery:
        sent(store)
    (status,) = delivery.status()

    assert tried == [f"{event(1).id}-1"] * 4 + [f"{event(2).id}-1"]
    assert (status.sent, status.failures, status.waiting, status.problem) == (2, 3, 0, "")
    told = [record.message for record in caplog.records]
    assert told == [
        "webhook: no answer; its messages wait and are sent again",
        "webhook takes messages again, after 0 s",
    ], "one line when it begins, one when it is over"


def test_a_status_names_the_problem_without_its_secrets(store: EventStore) -> None:
    store.record(event())
    target = ScriptedTarget(TargetUnavailable("cannot reach mqtt://user:s3cret@broker"))
    with Delivery(store, [target], backoff=NEVER) as delivery:
        wait_until(lambda: delivery.status()[0].problem)
        (status,) = delivery.status()

    assert status.problem == "cannot reach mqtt://user:***@broker"
    assert store.outbox("webhook")[0].reason == status.problem


def test_a_status_says_how_far_behind_a_target_is(store: EventStore, clock: Clock) -> None:
    store.record(event(1))
    clock.utc += 5.0
    store.record(event(2))
    clock.utc += 7.0
    target = ScriptedTarget(TargetUnavailable("away"), MessageRefused("too large"))
    with Delivery(store, [target], backoff=NEVER, utc=clock) as delivery:
        wait_until(lambda: delivery.status()[0].problem)
        (away,) = delivery.status()
    assert (away.waiting, away.behind_s, away.failures, away.sent, away.dead_letters) == (2, 12.0, 1, 0, 0)
    assert "latency_ms" not in away.as_dict()

    with Delivery(store, [target], utc=clock) as delivery:
        sent(store)
        wait_until(lambda: delivery.status()[0].sent)
        (back,) = delivery.status()
    assert (back.waiting, back.behind_s, back.sent, back.given_up, back.dead_letters) == (0, 0.0, 1, 1, 1)
    assert back.latency.median_s == pytest.approx(7.0, rel=0.01)
    assert json.dumps(back.as_dict())


def test_a_file_that_cannot_be_read_still_has_a_status(store: EventStore) -> None:
    delivery = Delivery(store, [ScriptedTarget()])
    store.close()
    (status,) = delivery.status()
    assert "cannot be read" in status.problem


def test_one_target_that_is_away_does_not_delay_another(store: EventStore) -> None:
    away = ScriptedTarget(TargetUnavailable("away"), name="mqtt")
    there = ScriptedTarget()
    with Delivery(store, [away, there], backoff=NEVER):
        store.record(event())
        sent(store)

    assert there.keys == [f"{event().id}-1"]
    assert store.waiting("mqtt") == 1


def test_a_message_that_is_refused_is_a_dead_letter_and_the_next_is_sent(
    store: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.record(event(1))
    store.record(event(2))
    target = ScriptedTarget(MessageRefused("too large"))
    with Delivery(store, [target], backoff=NEVER) as delivery:
        sent(store)
    (status,) = delivery.status()

    assert target.keys == [f"{event(2).id}-1"]
    assert [dead.key for dead in store.dead_letters("webhook")] == [f"{event(1).id}-1"]
    assert (status.given_up, status.problem) == (1, "")
    assert f"webhook refused {event(1).id}-1, which is a dead letter now: too large" in caplog.text


def test_what_waited_too_long_is_given_up_after_three_attempts(
    store: EventStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store.record(event(1))
    store.record(event(2))
    clock.utc += 3601
    store.record(event(3))
    tried: list[str] = []
    failures = [TargetUnavailable("away") for _ in range(3)]
    target = ScriptedTarget(*failures, on_send=lambda said: tried.append(said.key))
    with Delivery(store, [target], backoff=QUICK, give_up_after_s=3600.0) as delivery:
        sent(store)
    (status,) = delivery.status()

    assert tried == [f"{event(1).id}-1"] * 3 + [f"{event(3).id}-1"]
    assert [dead.reason for dead in store.dead_letters("webhook")] == ["away", "away"]
    assert status.given_up == 2
    assert "webhook: given up 2 messages that are older than 1 hours, which are dead letters now" in caplog.text


def test_what_is_old_but_taken_is_not_given_up(store: EventStore, clock: Clock) -> None:
    store.record(event())
    clock.utc += 100_000
    target = ScriptedTarget(TargetUnavailable("away"), TargetUnavailable("away"))
    with Delivery(store, [target], backoff=QUICK, give_up_after_s=3600.0):
        sent(store)

    assert target.keys == [f"{event().id}-1"]


def test_failing_to_connect_counts_as_an_attempt(store: EventStore, clock: Clock) -> None:
    store.record(event())
    clock.utc += 100_000
    target = ScriptedTarget(refusals=tuple(TargetUnavailable("refused") for _ in range(3)))
    with Delivery(store, [target], backoff=QUICK, give_up_after_s=3600.0):
        wait_until(lambda: target.connected)

    assert [dead.reason for dead in store.dead_letters("webhook")] == ["refused"]


def test_a_lost_connection_is_made_again_without_a_message(store: EventStore) -> None:
    target = ScriptedTarget(refusals=(TargetUnavailable("not yet"),))
    with Delivery(store, [target], backoff=QUICK):
        wait_until(lambda: target.connections == 1)
        target.lose()
        wait_until(lambda: target.connections == 2)


def test_a_fault_in_a_target_loses_nothing(store: EventStore, caplog: pytest.LogCaptureFixture) -> None:
    target = ScriptedTarget(ZeroDivisionError("a fault"))
    with Delivery(store, [target], backoff=QUICK):
        store.record(event())
        sent(store)

    assert target.keys == [f"{event().id}-1"]
    assert "ZeroDivisionError: a fault; its messages wait" in caplog.text
    assert "Traceback" in caplog.text


def test_a_store_that_cannot_note_that_a_message_was_sent_sends_it_again(store: EventStore) -> None:
    store._connection.execute("CREATE TRIGGER full BEFORE DELETE ON outbox BEGIN SELECT RAISE(ABORT, 'disk is full'); END")

    def mend(_: Message) -> None:
        if target.taken:
            store._connection.execute("DROP TRIGGER IF EXISTS full")

    target = ScriptedTarget(on_send=mend)
    store.record(event())
    with Delivery(store, [target], backoff=QUICK):
        sent(store)

    assert target.keys == [f"{event().id}-1"] * 2


def test_a_target_may_ask_for_a_longer_pause(store: EventStore) -> None:
    store.record(event())
    target = ScriptedTarget(TargetUnavailable("busy", retry_after_s=600.0))
    with Delivery(store, [target], backoff=QUICK) as delivery:
        wait_until(lambda: delivery.status()[0].problem == "busy")
        store.record(event(2))

    assert target.taken == []


def test_closing_ends_a_pause(store: EventStore) -> None:
    store.record(event())
    target = ScriptedTarget(TargetUnavailable("away"))
    delivery = Delivery(store, [target], backoff=NEVER)
    delivery.start()
    wait_until(lambda: delivery.status()[0].problem)

    delivery.close()

    assert target.closed == 1
    assert store.waiting("webhook") == 1


def test_closing_sends_what_waits(store: EventStore) -> None:
    target = ScriptedTarget()
    delivery = Delivery(store, [target])
    delivery.start()
    for number in range(30):
        store.record(event(number))

    delivery.close()

    assert len(target.taken) == 30


def test_closing_interrupts_a_call(store: EventStore, caplog: pytest.LogCaptureFixture) -> None:
    store.record(event())
    target = ScriptedTarget()
    target._on_send = target.hold
    delivery = Delivery(store, [target])
    delivery.start()
    target.holding.wait(30)

    delivery.close()

    assert target.closed == 1
    assert store.outbox("webhook")[0].attempts == 0, "that was no failure of the target"
    assert caplog.text == ""


def test_closing_does_not_wait_for_a_call_that_does_not_come_back(store: EventStore, caplog: pytest.LogCaptureFixture) -> None:
    released, held = threading.Event(), threading.Event()

    def hang(_: Message) -> None:
        held.set()
        released.wait(60)

    store.record(event())
    delivery = Delivery(store, [ScriptedTarget(on_send=hang)])
    delivery.start()
    held.wait(30)
    begun = time.monotonic()

    delivery.close()

    assert not released.is_set()
    assert time.monotonic() - begun < 30, "it did not wait for the call"
    assert "webhook does not come back from a call, which is left to itself" in caplog.text
    released.set()
    wait_until(lambda: not any(thread.name == "deliver-webhook" for thread in threading.enumerate()))


def test_targets_learn_which_cameras_are_there(store: EventStore) -> None:
    target = ScriptedTarget()
    Delivery(store, [target]).camera_state("gate", online=True)

    assert target.cameras == {"gate": True}


def test_closing_what_was_never_started_does_nothing(store: EventStore) -> None:
    Delivery(store, [ScriptedTarget()]).close()
