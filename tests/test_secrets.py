"""Whatever a password is made of, and wherever an address turns up: nothing of it leaves the process."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import string
import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import av.error
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

from streamer.config.document import Document
from streamer.config.environment import expand
from streamer.errors import ConfigError, StageFailed
from streamer.instances import Instances
from streamer.live.metrics import registry
from streamer.live.service import health
from streamer.live.status import CameraStatus
from streamer.redact import forget, redact
from streamer.runtime.log import HumanFormatter, JsonFormatter
from streamer.runtime.standard_streams import RedactedText
from streamer.sinks.publish import safe_name
from streamer.sinks.records import Records
from streamer.sinks.retention import file_stem
from streamer.sources.address import Address, parse_address
from streamer.sources.failures import connect_failure, read_failure
from streamer.stages import OutputStatus, State
from tests.fakes import INFO, annotated

START, END = "Zq12", "789kW"
"""Around what Hypothesis makes up: no text of ours holds them, so that a part of the password that is left is found."""
LINES = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
MIDDLE = st.one_of(st.text(string.printable, max_size=10), st.text(max_size=10))
HOST = st.sampled_from(["127.0.0.1:1/cam", "cam.example/1", "h/x", "[::1]:554/x", "host:8554/live", "cam.local"])
SCHEME = st.sampled_from(["rtsp", "rtsps", "http", "https", "rtmp"])


def assert_hidden(text: str) -> None:
    assert START not in text, text
    assert END not in text, text


def logged(url: str, error: BaseException) -> str:
    record = logging.LogRecord("libav.rtsp", logging.ERROR, __file__, 1, "%s: it failed", (url,), None)
    record.exc_info = (type(error), error, error.__traceback__)
    record.source = record.output = url
    return HumanFormatter().format(record) + JsonFormatter().format(record)


def failures(address: Address) -> list[BaseException]:
    """What FFmpeg's and the system's errors become, with the address as PyAV repeats it."""
    errors = [
        OSError(errno.ECONNREFUSED, "refused", address.url),
        av.error.InvalidDataError(1, f"Invalid data in {address.url}", address.url),
        ValueError(f"cannot read {address.url}"),
    ]
    answers = [*(connect_failure(address, error) for error in errors), *(read_failure(address, error) for error in errors)]
    return [*answers, *(StageFailed("capture", error) for error in errors)]


def figures(address: Address, reason: str) -> str:
    status = CameraStatus(
        name=address.name,
        source=address.name,
        state=State.RECONNECTING,
        state_s=1.0,
        since_utc_s=1.0,
        reason=reason,
        outputs=(OutputStatus(name=safe_name(address.url), state=State.RECONNECTING, error=reason),),
    )
    said = json.dumps([status.as_dict(), health([status], {})[1]], ensure_ascii=False)
    return said + generate_latest(registry(lambda: [status])).decode()


def check_everywhere(address: Address) -> None:
    assert_hidden(f"{address!r} {address.name}")
    for error in failures(address):
        assert_hidden(redact(str(error)))
        assert_hidden(redact("".join(traceback.format_exception(error))))
        assert_hidden(logged(address.url, error))
        assert_hidden(figures(address, redact(str(error))))
    assert_hidden(file_stem(address.name))
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", newline="")
    RedactedText(out).writelines([f"warning: {address.url!r} ", f"{address.url}\n"])
    out.flush()
    assert_hidden(out.buffer.getvalue().decode())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(middle=MIDDLE, host=HOST, scheme=SCHEME)
def test_a_password_in_an_address(middle: str, host: str, scheme: str) -> None:
    forget()
    url = f"{scheme}://admin:{START}{middle}{END}@{host}"
    try:
        address = parse_address(url)
    except ConfigError as error:
        assert_hidden(str(error))
    else:
        check_everywhere(address)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(middle=MIDDLE, host=HOST, scheme=SCHEME)
def test_a_password_of_the_environment(middle: str, host: str, scheme: str) -> None:
    forget()
    password = f"{START}{middle}{END}"
    expanded, _ = expand(Document("c.yaml", {"source": f"{scheme}://admin:${{P}}@{host}"}, {}), {"P": password})
    check_everywhere(parse_address(str(expanded.data["source"])))
    for written in (password, repr(password), json.dumps(password, ensure_ascii=False)):
        assert_hidden(redact(f"a library says {written} all by itself"))


@settings(deadline=None)
@given(
    middle=MIDDLE,
    host=HOST,
    frame=st.sampled_from(
        ["{}", "cannot open {}: refused", "'{}'", "[rtsp @ 0x1] DESCRIBE failed for {} : 401", "{} rtsp://u:p@h/"]
    ),
)
def test_an_address_that_was_never_understood(middle: str, host: str, frame: str) -> None:
    forget()
    middle = middle.translate(dict.fromkeys(map(ord, LINES)))
    shown = redact(frame.format(f"rtsp://admin:{START}{middle}{END}@{host}"))
    assert_hidden(shown)
    assert redact(shown) == shown


@settings(deadline=None)
@given(
    key=st.sampled_from(
        ["password", "PassWd", "pwd", "token", "access_token", "AUTH", "key", "api%5Fkey", "p%61ssword", "sig", "sigV2"]
    ),
    value=st.text(string.ascii_letters + string.digits + "!$'()*+,-./:@_~%", max_size=10),
)
def test_a_secret_in_a_query(key: str, value: str) -> None:
    forget()
    url = f"http://cam.example/v?size=2&{key}={START}{value}{END}&rate=3"
    assert_hidden(redact(f"cannot open {url}: refused"))
    assert "rate=3" in redact(url)
    check_everywhere(parse_address(url))


@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Basic Zq12789kW==",
        'authorization: Digest username="admin", response="Zq12789kW"',
        "Proxy-Authorization: Bearer Zq12789kW",
        "X-Api-Key: Zq12789kW",
        "{'Cookie': 'session=Zq12789kW'}",
    ],
)
def test_a_secret_in_a_header(header: str) -> None:
    assert_hidden(redact(f"the server was sent {header}"))


def test_what_servers_are_sent_for_a_password_is_hidden_too() -> None:
    parse_address("rtsp://admin:pass%2Fword@h/")
    assert redact("sent YWRtaW46cGFzcy93b3Jk in vain") == "sent *** in vain"


def test_a_short_password_leaves_the_words_around_it() -> None:
    parse_address("rtsp://u:a@h/")
    parse_address("rtsp://u:live@h/")
    assert redact("a camera is alive, rtsp://u:a@h/ said 'a', and live ended") == (
        "a camera is alive, rtsp://u:***@h/ said '***', and *** ended"
    )


def test_the_records_name_the_source_without_it(tmp_path: Path) -> None:
    address = parse_address("rtsp://admin:hunter2-is-long@h/x")
    records = Records(tmp_path / "r.jsonl", replace(INFO, source=address.name), {1: "person"}, "fake")
    records.write(annotated(0, Instances.empty()))
    records.finish()
    text = (tmp_path / "r.jsonl").read_text(encoding="utf-8")
    assert "rtsp://admin:***@h/x" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("live", "rtsp://admin:Zq12/789kW@127.0.0.1:1/cam"),
        ("live", "rtsp://admin:Zq12 789kW@127.0.0.1:1/cam", "--debug"),
        ("live", "${URL}", "--debug", "--log-format", "json"),
        ("live", "test:", "rtsp://admin:Zq12789kW@h/"),
        ("live", "test:", "--config", "rtsp://admin:Zq12789kW@h/"),
        ("probe", "https://admin:Zq12@789kW@127.0.0.1:1/cam"),
        ("annotate", "http://127.0.0.1:1/cam?Token=Zq12789kW", "-o", "out.mp4", "--debug"),
        ("rtsp://admin:Zq12789kW@h/",),
    ],
)
def test_no_command_shows_it(arguments: tuple[str, ...], tmp_path: Path) -> None:
    environ = {**os.environ, "URL": "rtsp://admin:Zq12%2F789kW@127.0.0.1:1/cam", "COLUMNS": "200"}
    command = [sys.executable, "-X", "dev", "-m", "streamer", *arguments]
    if arguments[0] in ("live", "annotate"):
        command += ["--detector", "tests.fakes:FakeDetector"]
    if arguments[0] == "live":
        command += ["--metrics", "0"]
    root = Path(__file__).parents[1]
    path = os.pathsep.join([str(root), environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [*command], cwd=tmp_path, env={**environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode in (1, 2), ran.stderr
    assert_hidden(ran.stdout + ran.stderr)
    assert "***" in ran.stderr
    assert not list(tmp_path.iterdir())
