from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.discovery.answers import at_host, plain, read_answer
from tests.discovery.messages import BOMB, FILE, probe_match

HOST = "192.0.2.7"


def test_a_camera_says_its_name_its_model_and_its_service() -> None:
    (answer,) = read_answer(probe_match(f"http://{HOST}:8080/onvif/device_service", name="Front gate"), HOST)
    assert (answer.host, answer.name, answer.model) == (HOST, "Front gate", "M1")
    assert answer.service == f"http://{HOST}:8080/onvif/device_service"


@pytest.mark.parametrize(
    "addresses",
    [
        f"http://[fe80::1%25eth0]/onvif/device_service http://{HOST}/onvif/device_service",
        f"http://169.254.3.3/onvif/device_service http://{HOST}/onvif/device_service",
        "http://[fe80::1]/onvif/device_service",
        "http://203.0.113.9/onvif/device_service",
        "http://user:secret@203.0.113.9/onvif/device_service",
    ],
)
def test_only_the_address_that_answered_is_asked_further(addresses: str) -> None:
    (answer,) = read_answer(probe_match(addresses), HOST)
    assert answer.service == f"http://{HOST}/onvif/device_service"


@pytest.mark.parametrize("address", ["file:///etc/passwd", "gopher://x/", "http://[::1", "http://x:99999/", "http:///", ""])
def test_what_is_no_web_address_is_nothing_to_ask(address: str) -> None:
    assert read_answer(probe_match(address), HOST) == []


def test_printers_are_left_out() -> None:
    assert read_answer(probe_match(f"http://{HOST}/", types="p:Printer", scopes="ldap:///print"), HOST) == []


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\x00" * 100, b"<a>", b"<a/>", probe_match("http://x/")[:-9], BOMB, FILE, b"\xff\xfe" * 30_000, b"<a>" * 20_000],
    ids=["empty", "zeros", "open", "other", "cut", "bomb", "file", "huge", "deep"],
)
def test_what_is_no_answer_is_told_in_one_line(datagram: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        read_answer(datagram, HOST)
    assert str(raised.value).isprintable()


def test_a_name_moves_no_cursor_and_turns_no_writing_round() -> None:
    (answer,) = read_answer(probe_match(f"http://{HOST}/", name="a\x1b[2J\r\nb\u202ec\x00d" + "x" * 500), HOST)
    assert answer.name.startswith("a [2J b cd") or answer.name.startswith("a [2J b c d")
    assert answer.name.isprintable()
    assert len(answer.name) <= 64


@given(st.text())
def test_plain_text_is_one_printable_line(text: str) -> None:
    assert plain(text) == "" or plain(text).isprintable()
    assert len(plain(text)) <= 64


@given(st.binary())
def test_no_datagram_does_more_than_be_refused(datagram: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_answer(datagram, HOST)


def test_an_address_keeps_port_path_and_query_only() -> None:
    assert at_host("rtsp://a:b@203.0.113.9:554/x?y=1&z=2", HOST, ("rtsp",)) == f"rtsp://{HOST}:554/x?y=1&z=2"
    assert at_host("rtsp://203.0.113.9/a\nb", HOST, ("rtsp",)) is None
