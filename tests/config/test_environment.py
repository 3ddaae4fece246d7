"""Variables of the environment in settings: what they hold works wherever they stand in an address."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.config.document import Document
from streamer.config.environment import expand
from streamer.redact import forget, redact
from streamer.sources.address import parse_address


def expanded(text: str, **environ: str) -> str:
    document, _ = expand(Document("c.yaml", {"source": text}, {}), environ)
    return str(document.data["source"])


@settings(deadline=None)
@given(user=st.text(min_size=1), password=st.text(min_size=1))
def test_user_and_password_may_hold_any_character(user: str, password: str) -> None:
    forget()
    url = expanded("rtsp://${USER}:${PASSWORD}@host.example:554/live?x=1#y", USER=user, PASSWORD=password)
    parts = urlsplit(url)
    assert (parts.hostname, parts.port, parts.path) == ("host.example", 554, "/live")
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (user, password)
    assert parse_address(url).url == url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://${A}@h/x", "rtsp://kim:p%2Fw@h/x"),  # user and password in one variable
        ("rtsp://u:${B}@h/x", "rtsp://u:a%40b%3Ac@h/x"),
        ("rtsp://u:p@${H}:1/${P}?token=${B}", "rtsp://u:p@cam.example:1/way/in?token=a@b:c"),
        ("${URL}", "rtsp://u:p%40w@h/x"),
        ("$${A}", "${A}"),
        ("rtsp://u:$$${B}@h/x", "rtsp://u:$a%40b%3Ac@h/x"),
    ],
)
def test_variables_are_encoded_in_user_and_password_only(text: str, expected: str) -> None:
    values = {"A": "kim:p/w", "B": "a@b:c", "H": "cam.example", "P": "way/in", "URL": "rtsp://u:p%40w@h/x"}
    assert expanded(text, **values) == expected


def test_a_secret_of_an_address_is_hidden_wherever_it_turns_up() -> None:
    expanded("rtsp://kim:${B}@h/${P}?sig=${S}", B="pass/word 1", P="stream-key", S="4711-sig")
    for text in ("pass/word 1", "pass%2Fword%201", "pass%2fword%201", "pass%2Fword+1", "stream-key", "4711-sig"):
        assert redact(f"FFmpeg says {text} and more") == "FFmpeg says *** and more"
    assert redact("h is a host") == "h is a host"
