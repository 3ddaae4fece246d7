"""A live source against a real RTSP server that is killed, frozen, restarted and locked."""

from __future__ import annotations

import itertools
import signal
import socket
import threading
from fractions import Fraction

import av
import pytest

from streamer.errors import SourceAuthFailed, SourceError, SourceLost, SourceTimeout, SourceUnavailable, SourceUnsupported
from streamer.frame import plane_views
from streamer.sources.conversion import Converter
from streamer.sources.live import LiveSource
from streamer.sources.open_options import Transport
from streamer.stages import State
from tests.proxy import delaying
from tests.rtsp import PASSWORD, USER, StartServer, rtsp_server
from tests.sources.watching import States, watched

pytestmark = pytest.mark.slow

__all__ = ["rtsp_server"]

TICKS_PER_FRAME = 3000


@pytest.mark.parametrize(("transport", "auth"), [("auto", "none"), ("tcp", "basic"), ("udp", "digest")])
def test_plays_over_tcp_and_udp_with_and_without_password(rtsp_server: StartServer, transport: Transport, auth: str) -> None:
    server = rtsp_server(auth=auth)
    source = LiveSource(server.url(user=USER, password=PASSWORD), transport=transport)
    with watched(source) as watcher:
        frames = watcher.wait_for_frames(40)
    assert (source.info.width, source.info.height, source.info.live) == (320, 180, True)
    assert [frame.index for frame in frames] == list(range(frames[0].index, frames[0].index + 40))
    assert {frame.time_base for frame in frames} == {Fraction(1, 90_000)}
    steps = {later.pts - earlier.pts for earlier, later in itertools.pairwise(frames)}
    assert steps == {TICKS_PER_FRAME}
    assert all(frame.utc_s is not None and frame.source == source.name for frame in frames)
    assert PASSWORD not in source.name
    assert USER in source.name


def test_auto_goes_on_to_udp_where_tcp_is_refused(rtsp_server: StartServer) -> None:
    server = rtsp_server("--udp-only")
    with watched(LiveSource(server.url())) as watcher:
        assert len(watcher.wait_for_frames(5)) >= 5


def test_key_frames_of_several_slices_are_whole(rtsp_server: StartServer) -> None:
    # GStreamer's payloader puts parameter sets between the slices of a key frame; half a picture would be green.
    server = rtsp_server("--pattern", "white", "--key-interval", "5")
    with watched(LiveSource(server.url())) as watcher:
        frames = watcher.wait_for_frames(15)
    assert [int(plane_views(frame.picture)[0].min()) for frame in frames] == [235] * len(frames)
    assert not any(frame.damaged for frame in frames)


@pytest.mark.parametrize("codec", ["h265", "jpeg"])
def test_plays_other_codecs(rtsp_server: StartServer, codec: str) -> None:
    server = rtsp_server("--codec", codec, "--pattern", "white")
    with watched(LiveSource(server.url())) as watcher:
        frames = watcher.wait_for_frames(20)
    assert {later.pts - earlier.pts for earlier, later in itertools.pairwise(frames)} == {TICKS_PER_FRAME}
    assert min(int(plane_views(frame.picture)[0].min()) for frame in frames) >= 230
    assert {frame.picture.format.name for frame in frames} <= {"yuv420p", "yuvj420p"}


@pytest.mark.parametrize(
    ("user", "password", "path", "expected", "words"),
    [
        (USER, "wrong", "/test", SourceAuthFailed, "refuses user or password"),
        ("", "", "/test", SourceAuthFailed, "refuses user or password"),
        (USER, PASSWORD, "/nothing", SourceUnavailable, "404"),
    ],
)
def test_says_at_once_what_is_wrong_at_the_start(
    rtsp_server: StartServer, user: str, password: str, path: str, expected: type[SourceError], words: str
) -> None:
    server = rtsp_server(auth="digest")
    states = States()
    source = LiveSource(server.url(path, user=user, password=password), on_state=states)
    with pytest.raises(expected, match=words) as caught:
        source.open()
    source.close()
    assert PASSWORD not in str(caught.value)
    assert caught.value.hint
    assert states.names == ["failed"]


def test_a_stream_without_a_picture_is_refused(rtsp_server: StartServer) -> None:
    source = LiveSource(rtsp_server().url("/sound"))
    with pytest.raises(SourceError):
        source.open()
    source.close()


def test_recovers_from_a_kill_and_goes_on_in_the_same_time_line(rtsp_server: StartServer) -> None:
    server = rtsp_server()
    states = States()
    with watched(LiveSource(server.url(), on_state=states)) as watcher:
        watcher.wait_for_frames(10)
        server.kill()
        watcher.wait_for(lambda: watcher.source.state is State.RECONNECTING)
        assert "ended the stream" in watcher.source.reason
        last = watcher.frames[-1]
        server.start()
        after = watcher.wait_for_frames(10)
    assert states.names == ["running", "reconnecting", "running", "ended"]
    assert watcher.source.stats.reconnects == 1
    assert last.index + 1 == after[0].index
    # The gap is the time that passed.
    gap_s = float((after[0].pts - last.pts) * after[0].time_base)
    assert gap_s == pytest.approx(after[0].captured_at - last.captured_at, abs=0.001)
    assert [later.pts - earlier.pts for earlier, later in itertools.pairwise(after)] == [TICKS_PER_FRAME] * 9


def test_another_size_after_a_restart_is_scaled_to_the_first(rtsp_server: StartServer) -> None:
    server = rtsp_server()
    with watched(LiveSource(server.url())) as watcher:
        watcher.wait_for_frames(3)
        server.kill()
        watcher.wait_for(lambda: watcher.source.state is State.RECONNECTING)
        server.start("--size", "640x480")
        frames = watcher.wait_for_frames(5)
    assert {(frame.width, frame.height) for frame in frames} == {(320, 180)}


def test_a_frozen_server_is_a_stall(rtsp_server: StartServer) -> None:
    server = rtsp_server()
    source = LiveSource(server.url(), read_timeout_s=0.5, open_timeout_s=0.5)
    with watched(source) as watcher:
        watcher.wait_for_frames(3)
        server.send(signal.SIGSTOP)
        watcher.wait_for(lambda: source.stats.attempts >= 2)
        assert source.state is State.RECONNECTING
        assert source.stats.stalls == 1
        assert "does not answer" in source.reason
        server.send(signal.SIGCONT)
        watcher.wait_for(lambda: source.state is State.RUNNING)
        watcher.wait_for_frames(3)
    assert source.stuck_connections == 0


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_interrupt_ends_a_wait_for_a_frozen_server(rtsp_server: StartServer, transport: Transport) -> None:
    server = rtsp_server()
    source = LiveSource(server.url(), transport=transport, read_timeout_s=600.0, open_timeout_s=600.0)
    with watched(source) as watcher:
        watcher.wait_for_frames(3)
        server.send(signal.SIGSTOP)
        # What was under way still comes.
        watcher.thread.join(0.3)
        source.interrupt()
        watcher.thread.join(10.0)
        assert not watcher.thread.is_alive()
        assert watcher.error is None
    assert source.state is State.ENDED
    assert source.stuck_connections == 0


def test_a_password_that_changes_later_is_tried_again(rtsp_server: StartServer) -> None:
    server = rtsp_server(auth="basic")
    states = States()
    source = LiveSource(server.url(user=USER, password=PASSWORD), on_state=states, reconnect_initial_delay_s=0.1)
    with watched(source) as watcher:
        watcher.wait_for_frames(3)
        server.kill()
        server.start("--password", "another")
        watcher.wait_for(lambda: "refuses user or password" in source.reason)
        server.kill()
        server.start()
        watcher.wait_for_frames(3)
    assert states.names == ["running", "reconnecting", "running", "ended"]
    assert not any(PASSWORD in change.reason or PASSWORD in change.source for change in states.changes)


def test_gives_up_after_the_attempts_that_it_was_given(rtsp_server: StartServer) -> None:
    server = rtsp_server()
    states = States()
    source = LiveSource(server.url(), reconnect_attempts=2, reconnect_initial_delay_s=0.05, on_state=states)
    with watched(source) as watcher:
        watcher.wait_for_frames(3)
        server.kill()
        watcher.thread.join(10.0)
    assert isinstance(watcher.error, SourceLost)
    assert "2 attempts" in str(watcher.error)
    assert states.names == ["running", "reconnecting", "failed"]


def test_unreachable_sources_say_so() -> None:
    for address, expected in (
        ("rtsp://user:pw@127.0.0.1:1/x", SourceUnavailable),
        ("http://127.0.0.1:1/x.m3u8", SourceUnavailable),
        ("rtsp://nowhere.invalid/x", SourceUnavailable),
        ("/dev/video77", SourceUnavailable),
        ("lavfi:nofilter", SourceUnsupported),
    ):
        source = LiveSource(address, open_timeout_s=2.0)
        with pytest.raises(expected) as caught:
            source.open()
        source.close()
        assert "pw@" not in str(caught.value)
        assert caught.value.hint


def test_a_host_that_accepts_and_says_nothing_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        source = LiveSource(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/x", open_timeout_s=0.2)
        with pytest.raises(SourceTimeout, match="does not answer"):
            source.open()
        source.close()
    assert source.stuck_connections == 0


def test_interrupt_ends_opening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        source = LiveSource(f"http://127.0.0.1:{listener.getsockname()[1]}/x", open_timeout_s=600.0)
        errors: list[BaseException] = []

        def opening() -> None:
            with pytest.raises(SourceUnavailable, match="interrupted") as caught:
                source.open()
            errors.append(caught.value)

        thread = threading.Thread(target=opening)
        thread.start()
        peer, _ = listener.accept()
        with peer:
            source.interrupt()
            thread.join(10.0)
    assert len(errors) == 1
    source.close()
    source.close()
    assert source.stuck_connections == 0


def test_has_to_be_opened() -> None:
    source = LiveSource("rtsp://host/x")
    with pytest.raises(SourceUnavailable, match="not open"):
        next(source.frames())
    with pytest.raises(SourceUnavailable, match="not open"):
        _ = source.info
    source.close()


def test_a_slow_line_is_no_fault(rtsp_server: StartServer) -> None:
    server = rtsp_server()
    with delaying(server.port, 0.3) as port, watched(LiveSource(f"rtsp://127.0.0.1:{port}/test")) as watcher:
        frames = watcher.wait_for_frames(30)
        assert watcher.source.stats.stalls == 0
    assert {later.pts - earlier.pts for earlier, later in itertools.pairwise(frames)} == {TICKS_PER_FRAME}


def test_a_picture_that_cannot_be_used_costs_a_connection_and_not_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    convert, calls = Converter.convert, itertools.count()

    def broken_once(self: Converter, picture: av.VideoFrame) -> av.VideoFrame:
        if next(calls) == 5:
            raise MemoryError("no room")
        return convert(self, picture)

    monkeypatch.setattr(Converter, "convert", broken_once)
    source = LiveSource("lavfi:testsrc2=size=64x64:rate=25", reconnect_initial_delay_s=0.1)
    with watched(source) as watcher:
        frames = watcher.wait_for_frames(12)
    first = frames[0].index
    assert [frame.index for frame in frames] == list(range(first, first + 12))
    assert (source.stats.reconnects, source.stats.dropped["failed"]) == (1, 1)
