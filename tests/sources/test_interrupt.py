"""Ending FFmpeg's calls from another thread."""

from __future__ import annotations

import socket
import threading
import time

import av
import av.container.core
import pytest

from streamer.sources import interrupt
from streamer.sources.interrupt import Interruption


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp", "tcp"])
def test_ends_a_call_that_waits_for_a_silent_peer(scheme: str) -> None:
    interruption = Interruption()
    raised: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def call() -> None:
            with interruption.here():
                try:
                    av.open(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/x", timeout=600.0)
                except (av.error.FFmpegError, OSError) as error:
                    raised.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        peer, _ = listener.accept()
        with peer:
            interruption.set()
            thread.join(10.0)
    assert not thread.is_alive()
    assert len(raised) == 1


def test_set_before_the_call_ends_it_as_well() -> None:
    interruption = Interruption()
    interruption.set()
    assert interruption.is_set
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        interruption.here(),
        pytest.raises((av.error.FFmpegError, OSError)),
    ):
        av.open(f"http://127.0.0.1:{listener.getsockname()[1]}/x", timeout=600.0)


def test_leaves_other_calls_alone() -> None:
    interruption = Interruption()
    with interruption.here():
        interruption.set()
        ahead = av.container.core.time.monotonic()  # type: ignore[attr-defined]  # PyAV's private clock
    assert ahead > time.monotonic() + 1e6
    assert av.container.core.time.monotonic() <= time.monotonic()  # type: ignore[attr-defined]  # as above


def test_pyav_still_reads_its_clock_where_it_is_replaced() -> None:
    """When this fails, PyAV has changed: ``Interruption`` then ends nothing, and calls go on until their timeout."""
    assert interrupt._install()
    assert av.container.core.time is interrupt._clock  # type: ignore[attr-defined]  # as above
