"""What SOURCE arguments mean."""

from __future__ import annotations

import pytest

from streamer.errors import ConfigError
from streamer.sources.address import Kind, parse_address


@pytest.mark.parametrize(
    ("text", "kind", "url", "format_", "live"),
    [
        ("0", Kind.CAMERA, "/dev/video0", "v4l2", True),
        ("/dev/video3", Kind.CAMERA, "/dev/video3", "v4l2", True),
        ("v4l2:/dev/v4l/by-id/cam", Kind.CAMERA, "/dev/v4l/by-id/cam", "v4l2", True),
        ("x11grab::0.0", Kind.DEVICE, ":0.0", "x11grab", True),
        ("x11grab:", Kind.DEVICE, ":9", "x11grab", True),
        ("lavfi:testsrc2=size=64x64,loop=?", Kind.GENERATOR, "testsrc2=size=64x64,loop=?", "lavfi", True),
        ("rtsp://host/path", Kind.NETWORK, "rtsp://host/path", None, True),
        ("RTSPS://host:322/path", Kind.NETWORK, "RTSPS://host:322/path", None, True),
        ("rtmp://host/app/key", Kind.NETWORK, "rtmp://host/app/key", None, True),
        ("udp://@239.0.0.1:1234", Kind.NETWORK, "udp://@239.0.0.1:1234", None, True),
        ("udp://:1234", Kind.NETWORK, "udp://:1234", None, True),
        ("https://host/list.m3u8", Kind.NETWORK, "https://host/list.m3u8", None, None),
        ("clip.mp4", Kind.FILE, "clip.mp4", None, False),
        ("file:///data/clip.mp4", Kind.FILE, "/data/clip.mp4", None, False),
        ("C:clip.mp4", Kind.FILE, "C:clip.mp4", None, False),
        ("test:", Kind.TEST, "test:", None, True),
    ],
)
def test_understands(text: str, kind: Kind, url: str, format_: str | None, live: bool | None) -> None:
    address = parse_address(text, platform="linux", environment={"DISPLAY": ":9"})
    assert (address.kind, address.url, address.format, address.live) == (kind, url, format_, live)


def test_cameras_and_screens_take_options() -> None:
    camera = parse_address("0?video_size=1280x720&framerate=30", platform="linux")
    assert (camera.url, camera.options) == ("/dev/video0", {"video_size": "1280x720", "framerate": "30"})
    assert camera.name == "camera 0"
    screen = parse_address("x11grab::1?framerate=10", environment={})
    assert (screen.url, screen.options) == (":1", {"framerate": "10"})


def test_numbers_cameras_as_the_platform_does() -> None:
    mac = parse_address("1", platform="darwin")
    assert (mac.format, mac.url) == ("avfoundation", "1:none")
    with pytest.raises(ConfigError, match="dshow:video=NAME"):
        parse_address("1", platform="win32")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  ", "empty"),
        ("rstp://host/x", "did you mean .*'rtsp'"),
        ("srt://host:1/x", "unknown scheme srt"),
        ("rtsp:///path", "no host"),
        ("rtsp://u:s3cret@host:port/x", "cannot understand"),
        ("lavfi:", "no filter graph"),
        ("x11grab:", "DISPLAY"),
        ("v4l2:", "names no device"),
        ("0?video_size", "options"),
    ],
)
def test_refuses_with_a_hint(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_address(text, platform="linux", environment={})
    assert caught.value.hint
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("password", ["qzx/wvk", "qzx?wvk", "qzx#wvk", "qz@xw/vk", "12/34wvk"])
def test_a_password_that_ends_the_address_is_to_be_percent_encoded(password: str) -> None:
    with pytest.raises(ConfigError, match="percent-encode it") as caught:
        parse_address(f"rtsp://admin:{password}@127.0.0.1:1/cam")
    assert "rtsp://admin:***@127.0.0.1:1/cam" in str(caught.value)
    assert not any(part in str(caught.value) for part in ("qz", "wvk", "xw/"))


def test_what_does_not_parse_is_not_repeated() -> None:
    with pytest.raises(ConfigError, match="cannot understand host and port") as caught:
        parse_address("rtsp://admin:hunter2-is-long")
    assert "hunter2" not in str(caught.value)


def test_an_at_in_the_path_is_no_password() -> None:
    assert parse_address("rtsp://10.0.0.7:554/live@hd").name == "rtsp://10.0.0.7:554/live@hd"
    assert parse_address("https://video.example/@kim/live").name == "https://video.example/@kim/live"


def test_shows_no_credentials() -> None:
    address = parse_address("rtsp://admin:s3cret@host/live?token=abc123")
    assert "s3cret" not in address.name + repr(address)
    assert "abc123" not in address.name + repr(address)
    assert address.scheme == "rtsp"
