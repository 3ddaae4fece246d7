from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streamer.discovery import onvif_device
from streamer.discovery.answers import Answer
from streamer.discovery.cameras import FoundCamera
from streamer.discovery.onvif_device import describe
from tests.discovery.device import HOST, Http, Reply, camera, service

pytestmark = pytest.mark.slow


def asked(server: Http, user: str | None = None, password: str | None = None) -> FoundCamera:
    (found,) = describe([Answer(HOST, server.url, "Gate", "M1")], user, password)
    return found


def test_profiles_are_told_with_size_codec_rate_and_address() -> None:
    with camera(user="viewer", password="s3cret/pw") as device:
        found = asked(device, "viewer", "s3cret/pw")
    assert (found.problem, found.refused) == ("", False)
    assert [(p.width, p.height, p.codec, p.fps) for p in found.profiles] == [(1920, 1080, "H264", 30), (640, 360, "H264", 30)]
    assert all(p.address is not None and p.address.startswith(f"rtsp://{HOST}:8554/") for p in found.profiles)


def test_without_a_user_no_address_is_asked_for() -> None:
    with camera() as device:
        found = asked(device)
    assert len(found.profiles) == 2
    assert {p.address for p in found.profiles} == {None}
    assert "GetStreamUri" not in device.actions


def test_a_camera_that_wants_a_user_says_so() -> None:
    with camera(user="viewer", password="pw") as device:
        found = asked(device)
    assert "--user" in found.problem
    assert not found.refused


def test_a_wrong_password_is_tried_once() -> None:
    """Cameras lock out who tries often."""
    with camera(user="viewer", password="right") as device:
        found = asked(device, "viewer", "wrong")
    assert found.refused
    assert found.problem == "user or password refused"
    assert device.actions == ["GetSystemDateAndTime", "GetServices"]


def test_streams_at_another_host_are_taken_at_the_one_that_answered() -> None:
    with camera(streams="rtsp://x:y@203.0.113.9:554/live") as device:
        found = asked(device, "viewer", "pw")
    assert {p.address for p in found.profiles} == {f"rtsp://{HOST}:554/live"}


@pytest.mark.parametrize("streams", ["file:///etc/passwd", "rtsp://x/a b", "", "rtsp://x:99999/"])
def test_an_address_that_is_none_is_left_out(streams: str) -> None:
    with camera(streams=streams) as device:
        found = asked(device, "viewer", "pw")
    assert {p.address for p in found.profiles} == {None}


def soap(body: str, before: str = "") -> bytes:
    return f"""<?xml version="1.0"?>{before}<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema"><s:Body>{body}</s:Body>
</s:Envelope>""".encode()


PROFILE = (
    "<trt:GetProfilesResponse><trt:Profiles token='a'><tt:Name>{name}</tt:Name>{rest}</trt:Profiles></trt:GetProfilesResponse>"
)
ENCODER = """<tt:VideoEncoderConfiguration token='e'><tt:Name>e</tt:Name><tt:Encoding>{codec}</tt:Encoding><tt:Resolution>
<tt:Width>{width}</tt:Width><tt:Height>9</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration>"""


@contextmanager
def telling(profiles: bytes, status: int = 200) -> Iterator[Http]:
    """A camera that tells these profiles."""
    port: list[int] = []

    def reply(action: str, body: str) -> Reply:
        if action == "GetProfiles":
            return status, profiles
        return 200, (service(port[0]).handle_action(action, body) or "").encode()

    with Http(reply) as server:
        port.append(server.port)
        yield server


@pytest.mark.parametrize(
    "profiles",
    [
        b"",
        b"<a>",
        b"\x00" * 1000,
        soap(""),
        soap("<trt:GetProfilesResponse/>"),
        soap(PROFILE.format(name="x", rest="")),
        soap(PROFILE.format(name="x", rest=ENCODER.format(codec="H264", width="wide"))),
        soap(PROFILE.format(name="&f;", rest=""), '<!DOCTYPE f [<!ENTITY f SYSTEM "file:///etc/passwd">]>'),
        soap("<x>" + "y" * 5 * 2**20 + "</x>"),
    ],
    ids=["empty", "cut", "zeros", "no body", "none", "no encoder", "no number", "entity", "huge"],
)
def test_profiles_that_cannot_be_read_are_a_problem_of_one_line(profiles: bytes) -> None:
    with telling(profiles) as device:
        found = asked(device)
    assert found.profiles == ()
    assert found.problem
    assert found.problem.isprintable()
    assert "root:" not in found.problem


def test_a_profile_may_leave_out_its_rate_and_have_a_codec_that_the_standard_lacks() -> None:
    with telling(soap(PROFILE.format(name="x", rest=ENCODER.format(codec="H265", width=16)))) as device:
        (profile,) = asked(device).profiles
    assert (profile.codec, profile.fps, profile.width) == ("H265", None, 16)


def test_it_does_not_follow_to_another_place() -> None:
    with camera() as other, Http(lambda *_: (307, other.url.encode())) as device:
        found = asked(device, "viewer", "pw")
    assert found.problem
    assert other.actions == []


def test_one_that_never_answers_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onvif_device, "_DEVICE_S", 1.5)
    end = threading.Event()

    def never(*_: str) -> Reply:
        end.wait()
        return 500, b""

    with Http(never) as silent, camera() as device:
        found = describe([Answer(HOST, silent.url, "", ""), Answer(HOST, device.url, "Gate", "")], None, None)
        end.set()
    assert "does not answer" in found[0].problem
    assert found[0].name == HOST
    assert len(found[1].profiles) == 2


def test_a_port_where_nobody_listens_is_a_problem_of_one_line() -> None:
    with Http(lambda *_: (200, b"")) as gone:
        pass
    assert asked(gone).problem.isprintable()


def test_the_library_sets_up_no_logging() -> None:
    assert not any(type(handler) is logging.StreamHandler for handler in logging.getLogger().handlers)
