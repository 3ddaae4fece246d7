"""Live sources over HTTP and UDP, and the devices that make their own pictures."""

from __future__ import annotations

import gc
import itertools
import shutil
import socket
import subprocess
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from streamer.errors import SourceTimeout
from streamer.frame import plane_views
from streamer.sources.address import parse_address
from streamer.sources.factory import is_live, make_source
from streamer.sources.live import LiveSource
from streamer.sources.playback import RealtimePlayback
from streamer.sources.video import VideoFile
from streamer.stages import State
from tests.sources.broadcast import clip, send, serving
from tests.sources.watching import States, watched
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

TS, MJPEG, HLS = "video/mp2t", "multipart/x-mixed-replace;boundary=next", "application/vnd.apple.mpegurl"


def open_files() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def test_fifty_reconnects_leave_no_thread_and_no_file_behind() -> None:
    data = clip(20)
    freeze = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        # Every third connection freezes instead of ending.
        send(request, data, TS)
        if next(counter) % 3 == 2:
            freeze.wait(0.5)

    counter = itertools.count()
    with serving(answer) as url:
        source = LiveSource(f"{url}/live.ts", reconnect_initial_delay_s=0.01, reconnect_max_delay_s=0.01, read_timeout_s=0.05)
        with watched(source) as watcher:
            watcher.wait_for(lambda: source.stats.reconnects >= 3)
            before = open_files()
            watcher.wait_for(lambda: source.stats.reconnects >= 50)
            connections = [thread for thread in threading.enumerate() if thread.name == "connection"]
            assert len(connections) <= 1
            assert source.stats.stalls >= 10
            assert source.stuck_connections == 0
            freeze.set()
        assert open_files() <= before


def test_mjpeg_takes_its_times_from_the_arrival() -> None:
    jpegs = clip(12, container="mjpeg", codec="mjpeg").split(b"\xff\xd8")[1:]
    go_on = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", MJPEG)
        request.end_headers()
        for jpeg in jpegs:
            body = b"\xff\xd8" + jpeg
            request.wfile.write(b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(body), body))
            go_on.wait(0.02)
        go_on.wait(10.0)

    with serving(answer) as url, watched(LiveSource(f"{url}/camera")) as watcher:
        frames = watcher.wait_for_frames(5)
        go_on.set()
    assert watcher.source.info.rate is None
    for earlier, later in itertools.pairwise(frames):
        passed_s = later.captured_at - earlier.captured_at
        assert float((later.pts - earlier.pts) * later.time_base) == pytest.approx(passed_s, abs=0.001)


def test_a_live_hls_list_is_played_at_its_pace() -> None:
    segments = {f"/{number}.ts": clip(25, begin=25 * number) for number in range(10, 18)}
    asked = itertools.count(10)

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path.endswith(".m3u8"):
            first = min(next(asked), 14)
            names = "".join(f"#EXTINF:1.0,\n{first + index}.ts\n" for index in range(4))
            text = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n{names}"
            send(request, text.encode(), HLS, length=True)
        else:
            send(request, segments[request.path], TS, length=True)

    with serving(answer) as url:
        address = parse_address(f"{url}/list.m3u8")
        assert is_live(address)
        with watched(LiveSource(address)) as watcher:
            frames = watcher.wait_for_frames(30)
    assert min(later.pts - earlier.pts for earlier, later in itertools.pairwise(frames)) == 3600
    assert frames[10].captured_at - frames[0].captured_at > 0.2, "not all at once"


def test_a_hls_list_that_stands_still_gives_no_old_pictures_as_new_ones() -> None:
    segments = {f"/{number}.ts": clip(25, begin=25 * number) for number in range(10, 16)}
    newest = [13]

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path.endswith(".m3u8"):
            first = newest[0] - 3
            names = "".join(f"#EXTINF:1.0,\n{first + index}.ts\n" for index in range(4))
            text = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n{names}"
            send(request, text.encode(), HLS, length=True)
        else:
            send(request, segments[request.path], TS, length=True)

    with serving(answer) as url:
        source = LiveSource(f"{url}/list.m3u8", read_timeout_s=0.5, reconnect_initial_delay_s=0.01, reconnect_max_delay_s=0.01)
        with watched(source) as watcher:
            watcher.wait_for(lambda: source.stats.attempts >= 3)
            assert source.state is State.RECONNECTING
            assert len(watcher.frames) <= 25
            newest[0] = 15
            watcher.wait_for(lambda: source.state is State.RUNNING and len(watcher.frames) > 40)
    shades = [int(plane_views(frame.picture)[0][0, 0]) for frame in watcher.frames]
    assert max(Counter(shades).values()) <= 3, "each shade once in each of three segments"


@pytest.mark.parametrize(("first", "wrong_by"), [(b"--next\r\n", 37), (b"--next\r\n", -37), (b"", 0)])
def test_mjpeg_with_wrong_lengths_or_without_its_first_boundary_is_read_without_reconnecting(
    first: bytes, wrong_by: int
) -> None:
    jpegs = clip(12, container="mjpeg", codec="mjpeg").split(b"\xff\xd8")[1:]
    done = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", MJPEG)
        request.end_headers()
        boundary = first
        for jpeg in itertools.cycle(jpegs):
            body = b"\xff\xd8" + jpeg
            head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % (len(body) + wrong_by)
            request.wfile.write(boundary + head + body + b"\r\n")
            boundary = b"--next\r\n"
            if done.wait(0.02):
                return

    states = States()
    with serving(answer) as url, watched(LiveSource(f"{url}/camera", on_state=states)) as watcher:
        frames = watcher.wait_for_frames(30)
        done.set()
    assert not any(frame.damaged for frame in frames)
    assert State.RECONNECTING not in [change.state for change in states.changes[:-1]]
    assert watcher.source.stats.reconnects == 0


def test_what_has_an_end_is_a_recording() -> None:
    data = clip(25)

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path.endswith(".m3u8"):
            text = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n0.ts\n#EXT-X-ENDLIST\n"
            send(request, text.encode(), HLS, length=True)
        else:
            send(request, data, TS, length=request.path == "/0.ts")

    with serving(answer) as url:
        assert not is_live(parse_address(f"{url}/list.m3u8"))
        assert isinstance(make_source(f"{url}/list.m3u8"), VideoFile)
        assert isinstance(make_source(f"{url}/list.m3u8", live=True), LiveSource)
        assert is_live(parse_address(f"{url}/endless.ts"))
    assert is_live(parse_address("http://127.0.0.1:1/gone.m3u8")), "what cannot be opened now"


def test_files_are_recordings_unless_asked_to_be_live(tmp_path: Path) -> None:
    path = tmp_path / "clip.ts"
    path.write_bytes(clip(5))
    assert isinstance(make_source(str(path)), VideoFile)
    source = make_source(str(path), live=True, loop=True)
    assert isinstance(source, RealtimePlayback)
    assert source.open().live
    frames = list(itertools.islice(source.frames(), 12))
    source.close()
    assert [frame.pts for frame in frames] == [3600 * index for index in range(12)]
    assert [int(plane_views(frame.picture)[0][0, 0]) // 4 for frame in frames] == [4 + index % 5 for index in range(12)]


def test_the_test_scene_is_endless_unless_asked_to_be_a_recording() -> None:
    live = make_source("test:")
    assert live.open().live
    assert len(list(itertools.islice(live.frames(), 3))) == 3
    live.close()
    assert not make_source("test:", live=False).open().live


def test_mpegts_over_udp() -> None:
    data = clip(50)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = threading.Event()

    def sender() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for at in itertools.cycle(range(0, len(data), 1316)):
                out.sendto(data[at : at + 1316], ("127.0.0.1", port))
                if stop.wait(0.005):
                    return

    thread = threading.Thread(target=sender, name="udp sender")
    thread.start()
    try:
        with watched(LiveSource(f"udp://127.0.0.1:{port}")) as watcher:
            assert len(watcher.wait_for_frames(20)) >= 20
    finally:
        stop.set()
        thread.join()


def listening(port: int) -> bool:
    """Whether somebody listens at the port; asked without connecting, since FFmpeg serves one client only."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no RTMP server; install: ffmpeg")
def test_rtmp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"rtmp://127.0.0.1:{port}/live/x"
    picture = ["-re", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-c:v", "libx264", "-tune", "zerolatency"]
    server = subprocess.Popen(["ffmpeg", "-v", "quiet", *picture, "-g", "25", "-f", "flv", "-listen", "1", url])
    wait_until(lambda: listening(port))
    states = States()
    try:
        source = LiveSource(url, on_state=states, reconnect_attempts=1)
        with watched(source) as watcher:
            frames = watcher.wait_for_frames(10)
            server.kill()
            watcher.thread.join(10.0)
    finally:
        server.kill()
        server.wait(10)
    assert {later.pts - earlier.pts for earlier, later in itertools.pairwise(frames)} == {3600}
    assert states.names[-2:] == ["reconnecting", "failed"]


def test_nobody_sending_over_udp_is_a_timeout() -> None:
    source = LiveSource("udp://127.0.0.1:9", open_timeout_s=0.2)
    with pytest.raises(SourceTimeout):
        source.open()
    source.close()


def test_packets_without_a_whole_picture_are_no_life() -> None:
    # Sound ones first, so that it opens; then packets with nothing in them.
    data = clip(40)
    served = itertools.count()

    def answer(request: BaseHTTPRequestHandler) -> None:
        if next(served):
            request.send_error(503)
            return
        send(request, clip(30), TS)
        junk = bytearray(data)
        for at in range(188 * 3, len(junk), 188):
            junk[at + 30 : at + 180] = bytes(150)
        while not done.wait(0.02):
            request.wfile.write(junk[188 * 3 :])

    done = threading.Event()
    states = States()
    with serving(answer) as url:
        source = LiveSource(f"{url}/bad.ts", read_timeout_s=5.0, picture_timeout_s=0.3, on_state=states)
        with watched(source) as watcher:
            watcher.wait_for(lambda: source.state is State.RECONNECTING)
            done.set()
    assert "no whole picture" in states.changes[1].reason


def test_what_was_decoded_before_the_interrupt_still_comes() -> None:
    source = LiveSource("lavfi:testsrc2=size=64x48:rate=100")
    source.open()
    frames = source.frames()
    first = next(frames)
    enough = threading.Event()
    while source._connection is not None and len(source._connection._pictures) < 4:
        enough.wait(0.01)
    source.interrupt()
    rest = list(frames)
    source.close()
    assert len(rest) >= 4
    assert [frame.index for frame in rest] == [first.index + number for number in range(1, 1 + len(rest))]


def test_filter_graphs_are_played_at_their_pace() -> None:
    with watched(LiveSource("lavfi:testsrc2=size=64x48:rate=50")) as watcher:
        frames = watcher.wait_for_frames(20)
    assert {later.pts - earlier.pts for earlier, later in itertools.pairwise(frames)} == {1800}
    assert frames[-1].captured_at - frames[0].captured_at > 0.3
    assert frames[0].picture.format.name == "yuv420p"
