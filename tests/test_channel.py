"""The channel: nothing lost, nothing twice, nobody waits for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.channel import Channel, Closed, Overflow, Room

WAIT_S = 10.0


def test_capacity_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Channel[int](0)


def test_finish_delivers_what_is_queued() -> None:
    channel: Channel[int] = Channel(3)
    for item in (1, 2, 3):
        channel.send(item)
    channel.finish()
    assert list(channel) == [1, 2, 3]
    assert channel.peak == 3
    with pytest.raises(Closed):
        channel.send(4)


def test_abandon_discards_and_returns_what_is_queued() -> None:
    channel: Channel[int] = Channel(3)
    channel.send(1)
    channel.send(2)
    assert channel.abandon() == [1, 2]
    assert channel.closed
    with pytest.raises(Closed):
        channel.receive()
    with pytest.raises(Closed):
        channel.send(3)


def test_drop_oldest_keeps_the_newest_and_reports_each_drop() -> None:
    dropped: list[int] = []
    channel: Channel[int] = Channel(2, Overflow.DROP_OLDEST, dropped.append)
    for item in range(5):
        channel.send(item)
    channel.finish()
    assert list(channel) == [3, 4]
    assert dropped == [0, 1, 2]
    assert channel.dropped == 3


def room(seconds: float, size_bytes: int) -> Room[int]:
    """Items stand for the seconds at which they are shown; an item weighs its last digit."""
    return Room(seconds=seconds, size_bytes=size_bytes, time_s=float, bytes_of=lambda item: item % 10)


def test_a_channel_can_be_measured_in_seconds_of_video() -> None:
    dropped: list[float] = []
    measured: Room[float] = Room(seconds=0.5, size_bytes=1, time_s=float, bytes_of=lambda _: 0)
    channel: Channel[float] = Channel(1000, Overflow.DROP_OLDEST, dropped.append, room=measured)
    for index in range(20):
        channel.send(index / 16)
    assert len(channel) == 8
    assert dropped == [index / 16 for index in range(12)]
    assert channel.fill == 1.0
    assert channel.receive() == 12 / 16
    assert channel.fill == pytest.approx(7 / 8)


def test_a_channel_can_be_measured_in_bytes_and_one_item_always_fits() -> None:
    channel: Channel[int] = Channel(1000, Overflow.DROP_OLDEST, room=room(1e6, 8))
    for item in (3, 4, 1, 9):
        channel.send(item)
    channel.finish()
    assert list(channel) == [9]
    assert channel.dropped == 3


def test_the_time_that_a_camera_was_away_is_no_video() -> None:
    channel: Channel[float] = Channel(
        1000, Overflow.DROP_OLDEST, room=Room(seconds=5.0, size_bytes=1, time_s=float, bytes_of=lambda _: 0)
    )
    for time_s in (0.0, 0.04, 54_000.0, 54_000.04):
        channel.send(time_s)
    assert (len(channel), channel.dropped) == (4, 0)


def test_clear_forgets_what_is_queued() -> None:
    channel: Channel[int] = Channel(3)
    channel.send(1)
    channel.clear()
    channel.send(2)
    assert channel.receive() == 2


def test_receive_times_out() -> None:
    with pytest.raises(TimeoutError):
        Channel[int](1).receive(timeout_s=0.0)


@pytest.mark.parametrize("end", ["finish", "abandon"])
def test_a_waiting_sender_wakes_up(end: str) -> None:
    channel: Channel[int] = Channel(1)
    channel.send(0)
    entered = threading.Event()

    def send() -> str:
        entered.set()
        try:
            channel.send(1)
        except Closed:
            return "closed"
        return "sent"

    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(send)
        assert entered.wait(WAIT_S)
        getattr(channel, end)()
        assert outcome.result(WAIT_S) == "closed"


@pytest.mark.parametrize("end", ["finish", "abandon"])
def test_a_waiting_receiver_wakes_up(end: str) -> None:
    channel: Channel[int] = Channel(1)
    entered = threading.Event()

    def receive() -> list[int]:
        entered.set()
        return list(channel)

    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(receive)
        assert entered.wait(WAIT_S)
        getattr(channel, end)()
        assert outcome.result(WAIT_S) == []


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 200),
    capacity=st.integers(1, 8),
    overflow=st.sampled_from(Overflow),
    stop_after=st.none() | st.integers(0, 50),
    room=st.none() | st.builds(room, st.floats(0.1, 20.0), st.integers(1, 30)),
)
def test_every_item_is_delivered_dropped_or_abandoned_exactly_once(
    count: int, capacity: int, overflow: Overflow, stop_after: int | None, room: Room[int] | None
) -> None:
    dropped: list[int] = []
    channel: Channel[int] = Channel(capacity, overflow, dropped.append, room=room)
    refused: list[int] = []

    def send() -> None:
        for item in range(count):
            try:
                channel.send(item)
            except Closed:
                refused.append(item)
        channel.finish()

    received: list[int] = []
    left: list[int] = []
    sender = threading.Thread(target=send)
    sender.start()
    for item in channel:
        received.append(item)
        if len(received) == stop_after:
            left = channel.abandon()
    sender.join(WAIT_S)
    assert not sender.is_alive()
    assert sorted(received + dropped + left + refused) == list(range(count))
    assert received == sorted(received)
    assert channel.peak <= capacity
    assert channel.fill == 0.0
    if overflow is Overflow.WAIT:
        assert not dropped
