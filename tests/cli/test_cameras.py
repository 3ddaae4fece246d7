"""``streamer cameras find``, run as a person runs it."""

from __future__ import annotations

import functools
import json
import struct
import sys
from pathlib import Path
from socket import IP_MULTICAST_IF, IPPROTO_IP, inet_aton

import pytest
from ipycam.discovery import WSDiscoveryServer
from typer.testing import CliRunner, Result

from streamer.cli.app import app
from streamer.discovery import search
from streamer.discovery.probe import probe
from tests.discovery.device import HOST, announced, answering, camera, service

pytestmark = pytest.mark.slow
PASSWORD = "s3cret/pw"


def find(monkeypatch: pytest.MonkeyPatch, target: tuple[str, int], *options: str, password: str | None = PASSWORD) -> Result:
    monkeypatch.setattr(search, "probe", functools.partial(probe, target=target))
    arguments = ["cameras", "find", "--timeout", "0.2", "--interface", HOST, *options]
    return CliRunner().invoke(app, arguments, env={"CAMERA_PASSWORD": password})


def test_it_lists_name_address_profiles_and_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    with camera(user="viewer", password=PASSWORD) as device, answering(*announced(device)) as target:
        result = find(monkeypatch, target, "--user", "viewer")
    assert result.exit_code == 0
    for word in ("Gate (M1)", HOST, "1920x1080 H264, 30 frames/s", "640x360", f"rtsp://{HOST}:8554/"):
        assert word in result.stdout
    assert PASSWORD not in result.output


def test_json_has_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with camera() as device, answering(*announced(device)) as target:
        result = find(monkeypatch, target, "--json")
    (found,) = json.loads(result.stdout)
    assert found.keys() == {"name", "model", "host", "service", "profiles", "problem", "refused"}
    assert found["profiles"][0].keys() == {"name", "codec", "width", "height", "fps", "source", "address"}


def test_the_written_configuration_passes_the_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with camera(user="viewer", password=PASSWORD) as device, answering(*announced(device)) as target:
        printed = find(monkeypatch, target, "--user", "viewer", "--yaml")
        written = find(monkeypatch, target, "--user", "viewer", "--yaml", "wall.yaml")
        again = find(monkeypatch, target, "--user", "viewer", "--yaml", "wall.yaml")
    assert (printed.exit_code, written.exit_code, again.exit_code) == (0, 0, 2)
    assert Path("wall.yaml").read_text() == printed.stdout
    assert PASSWORD not in printed.output
    checked = CliRunner().invoke(app, ["run", "--check", "wall.yaml"], env={"CAMERA_PASSWORD": PASSWORD})
    assert checked.exit_code == 0, checked.output
    assert [path.name for path in tmp_path.iterdir()] == ["wall.yaml"]


def test_a_wrong_password_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with camera(user="viewer", password="right") as device, answering(*announced(device)) as target:
        result = find(monkeypatch, target, "--user", "viewer", "--yaml")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("error: 1 of 1 cameras refused user viewer or the password; ")


def test_one_that_refuses_leaves_the_others_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        camera(user="viewer", password="other") as strange,
        camera(user="viewer", password=PASSWORD) as device,
        answering(*announced(strange, name="Yard"), *announced(device)) as target,
    ):
        result = find(monkeypatch, target, "--user", "viewer", "--yaml")
    assert result.exit_code == 1
    assert '"Gate":' in result.stdout
    assert "# Yard at" in result.stdout
    assert "1 of 2 cameras refused" in result.stderr


def test_where_none_answers_it_says_what_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering() as target:
        result = find(monkeypatch, target, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, [])
    assert "no camera answered within 0.2 s; " in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--yaml",), "add --user NAME"),
        (("wall.yaml",), "add --yaml"),
        (("--yaml", "--json", "--user", "a"), "leave one of them out"),
        (("--user", "a\nb"), "check --user"),
        (("--user", "viewer"), "CAMERA_PASSWORD"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    result = find(monkeypatch, (HOST, 9), *options, password=None)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "defusedxml", None)
    result = find(monkeypatch, (HOST, 9))
    assert result.exit_code == 1
    assert result.stderr.endswith('pip install "streamer[onvif]"\n')
    assert len(result.stderr.splitlines()) == 1


def test_a_device_that_listens_by_multicast_is_found() -> None:
    with camera() as device:
        listener = WSDiscoveryServer(service(device.port))
        listener.sock.setsockopt(IPPROTO_IP, IP_MULTICAST_IF, struct.pack("4s", inet_aton(HOST)))
        listener.start()
        try:
            result = CliRunner().invoke(app, ["cameras", "find", "--timeout", "1", "--interface", HOST, "--json"])
        finally:
            listener.stop()
            listener.join()
    assert device.url in [found["service"] for found in json.loads(result.stdout)]
