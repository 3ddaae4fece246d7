"""What is read in offers, and left out of answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.web.offer import MOST_HOSTS, for_viewer, has_h264, without_names


def candidate(address: str, kind: str = "host") -> str:
    return f"a=candidate:1 1 udp 2130706431 {address} 5000 typ {kind}\r\n"


HEAD = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 H264/90000\r\n"


def test_only_the_address_that_was_reached_is_offered_and_what_servers_told() -> None:
    told = candidate("203.0.113.7", "srflx")
    answer = HEAD + candidate("192.0.2.1") + candidate("172.17.0.1") + candidate("2001:db8::1") + told
    assert for_viewer(answer, "192.0.2.1") == HEAD + candidate("192.0.2.1") + told
    assert for_viewer(answer, "2001:DB8:0::1") == HEAD + candidate("2001:db8::1") + told


@pytest.mark.parametrize("reached", ["127.0.0.1", "10.0.0.9", "", "fe80::1%eth0"])
def test_where_something_stands_between_some_addresses_are_offered(reached: str) -> None:
    hosts = [candidate(f"192.0.2.{number}") for number in range(30)]
    assert for_viewer(HEAD + "".join(hosts), reached) == HEAD + "".join(hosts[:MOST_HOSTS])


def test_names_of_the_network_are_not_asked_for() -> None:
    offer = HEAD + candidate("1b2c.local") + candidate("192.0.2.9")
    assert without_names(offer) == HEAD + candidate("192.0.2.9")


def test_whether_h264_is_offered() -> None:
    assert has_h264(HEAD)
    assert not has_h264(HEAD.replace("H264", "VP8"))


@given(st.text() | st.lists(st.sampled_from(["a=candidate:", " ", "typ", "host", "x.local", "\r\n", "1"])).map("".join))
def test_any_text_is_read(text: str) -> None:
    has_h264(text)
    without_names(text)
    for_viewer(text, "127.0.0.1")
