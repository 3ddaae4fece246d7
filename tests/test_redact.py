"""No secret of an address comes through, whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.redact import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://admin:s3cret@10.0.0.7:554/live", "rtsp://admin:***@10.0.0.7:554/live"),
        ("cannot open 'http://u:p@h/x.m3u8': refused", "cannot open 'http://u:***@h/x.m3u8': refused"),
        ("rtmp://only-a-token@host/app", "rtmp://***@host/app"),
        ("a rtsp://u:p@h b srt://v:q@i c", "a rtsp://u:***@h b srt://v:***@i c"),
        ("rtsp://u:p@ss@host/x", "rtsp://u:***@host/x"),
        ("http://h/v?user=me&password=geheim&size=2", "http://h/v?user=me&password=***&size=2"),
        ("https://h/v?sig=abc#t=3", "https://h/v?sig=***#t=3"),
        ("/home/me/a@b:c.mp4", "/home/me/a@b:c.mp4"),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("mail to me@example.org", "mail to me@example.org"),
    ],
)
def test_passwords_go_and_the_rest_stays(text: str, expected: str) -> None:
    assert redact(text) == expected


WORD = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!$%*+.,;=@-_~", min_size=4, max_size=20)


@given(
    scheme=st.sampled_from(["rtsp", "http", "rtmps", "x+y"]), password=WORD, before=st.sampled_from(["", "error: ", "(", "'"])
)
def test_no_password_survives(scheme: str, password: str, before: str) -> None:
    shown = redact(f"{before}{scheme}://kim:<{password}>@host.example/path: failed")
    assert f"<{password}>" not in shown
    assert shown == f"{before}{scheme}://kim:***@host.example/path: failed"


@given(WORD)
def test_redacting_twice_changes_nothing(password: str) -> None:
    once = redact(f"rtsp://kim:{password}@host/x")
    assert redact(once) == once
