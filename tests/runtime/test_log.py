"""What is logged: redacted whatever the way, folded when it repeats, one object a line for collectors."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from streamer.runtime.log import FoldingHandler, set_up

SECRET = "hunter2-is-long"  # a made-up password, to be searched for
URL = f"rtsp://viewer:{SECRET}@192.0.2.7/stream1"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    level, hook = root.level, threading.excepthook
    yield
    for handler in [handler for handler in root.handlers if isinstance(handler, FoldingHandler)]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    threading.excepthook = hook


def fail() -> None:
    raise OSError(f"cannot reach {URL}") from ValueError(URL)


def lines(out: io.StringIO) -> list[str]:
    return out.getvalue().splitlines()


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_no_way_of_logging_shows_a_password(log_format: str, out: io.StringIO) -> None:
    handler = set_up("json" if log_format == "json" else "human", stream=out, level=logging.DEBUG)
    log = logging.getLogger("streamer.test")
    log.info("opening %s", URL)
    log.info(URL, extra={"source": URL, "output": URL})
    logging.getLogger("libav.rtsp").warning("method DESCRIBE failed: %s", URL)
    try:
        fail()
    except OSError:
        log.exception("it failed: %s", URL)
    worker = threading.Thread(target=lambda: int(URL), name="capture")
    worker.start()
    worker.join()
    for _ in range(3):
        log.warning("again %s", URL)
    handler.close()
    text = out.getvalue()
    assert SECRET not in text
    assert text.count("192.0.2.7") >= 8
    assert "capture failed" in text
    assert "Traceback" in text
    assert "again" in text


def test_json_lines_hold_time_level_logger_message_and_fields(out: io.StringIO) -> None:
    set_up("json", stream=out)
    logging.getLogger("streamer.live.run").warning(
        "gate: %s", "reconnecting\nnow", extra={"source": "gate", "state": "reconnecting"}
    )
    (entry,) = [json.loads(line) for line in lines(out)]
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "warning",
        "logger": "streamer.live.run",
        "message": "gate: reconnecting now",
        "source": "gate",
        "state": "reconnecting",
    }


def test_a_repeating_message_is_told_once_and_then_counted(out: io.StringIO, clock: Clock) -> None:
    set_up(stream=out, clock=clock)
    log = logging.getLogger("streamer.test")
    for _ in range(13):
        log.warning("gate: frame damaged")
        clock.now += 1
    assert len(lines(out)) == 1
    clock.now = 160.0
    log.info("something else")
    assert len(lines(out)) == 3
    assert lines(out)[1].endswith("gate: frame damaged (12 more in 60 s)")
    log.warning("gate: frame damaged")
    assert lines(out)[-1].endswith("gate: frame damaged"), "after the window the next one is told at once"


def test_the_fold_is_told_without_another_message_and_at_the_close(out: io.StringIO, clock: Clock) -> None:
    handler = set_up(stream=out, clock=clock)
    log = logging.getLogger("streamer.test")
    log.warning("first")
    log.warning("first")
    handler.tell()
    assert len(lines(out)) == 1, "its window is not over"
    clock.now += 60
    handler.tell()
    assert lines(out)[-1].endswith("first (1 more in 60 s)")
    log.warning("second")
    log.warning("second")
    clock.now += 5
    handler.close()
    assert lines(out)[-1].endswith("second (1 more in 5 s)")


def test_changes_of_state_are_told_until_they_are_too_many(out: io.StringIO, clock: Clock) -> None:
    set_up(stream=out, clock=clock)
    log = logging.getLogger("streamer.test")
    for _ in range(20):
        log.warning("gate: reconnecting", extra={"source": "gate", "state": "reconnecting"})
        log.info("gate: running", extra={"source": "gate", "state": "running"})
        clock.now += 1
    assert len(lines(out)) == 10
    clock.now += 60
    log.info("something else")
    assert [line.partition("gate: ")[2] for line in lines(out)[10:12]] == [
        "reconnecting (15 more in 60 s)",
        "running (15 more in 60 s)",
    ]


def test_counters_in_ffmpegs_messages_do_not_keep_them_apart(out: io.StringIO, clock: Clock) -> None:
    set_up(stream=out, clock=clock)
    for n in range(20):
        logging.getLogger("libav.rtsp").warning("RTP: missed %d packets", n)
        logging.getLogger("streamer.test").info("camera %d", n)
    assert sum("missed" in line for line in lines(out)) == 1
    assert sum("camera" in line for line in lines(out)) == 20


def test_the_folds_kept_are_bounded(out: io.StringIO, clock: Clock) -> None:
    handler = set_up(stream=out, clock=clock)
    log = logging.getLogger("streamer.test")
    for n in range(10_000):
        log.info("message %d", n)
    assert len(handler._folds) <= 256
    assert len(lines(out)) == 10_000


def test_setting_up_again_replaces_the_handler(out: io.StringIO) -> None:
    other = io.StringIO()
    set_up(stream=other)
    set_up(stream=out)
    logging.getLogger("streamer.test").info("once")
    assert len(lines(out)) == 1
    assert not other.getvalue()
