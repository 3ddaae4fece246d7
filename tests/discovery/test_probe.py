from __future__ import annotations

import pytest

from streamer.discovery.probe import probe
from streamer.errors import ConfigError
from tests.discovery.device import HOST, answering
from tests.discovery.messages import BOMB, probe_match


def test_each_device_is_listed_once_in_the_order_of_addresses() -> None:
    first, second = probe_match(f"http://{HOST}:81/"), probe_match(f"http://{HOST}:80/")
    with answering(first, second, first, first) as target:
        found = probe(0.7, HOST, target)  # long enough for the second question, which is answered again
    assert [answer.service for answer in found.devices] == [f"http://{HOST}:80/", f"http://{HOST}:81/"]
    assert found.notes == []


def test_what_cannot_be_read_is_told_once_and_hides_nothing() -> None:
    with answering(BOMB, b"\xff" * 60_000, b"<a>", probe_match(f"http://{HOST}:80/")) as target:
        found = probe(0.7, HOST, target)
    assert len(found.devices) == 1
    assert len(found.notes) == 1
    assert found.notes[0].startswith(f"an answer of {HOST} cannot be read: ")


def test_where_nobody_answers_it_ends_in_time() -> None:
    with answering() as target:
        assert probe(0.1, HOST, target).devices == []


@pytest.mark.parametrize("interface", ["no-such-interface", "999.1.1.1", "", "\x1b[2J"])
def test_an_interface_that_is_not_there_is_refused_with_those_that_are(interface: str) -> None:
    with pytest.raises(ConfigError, match="there is no network interface") as raised:
        probe(0.1, interface)
    assert "lo" in raised.value.hint
