"""Streams that are recorded less often: over UDP, with reordered pictures, of another codec after a while, with an end."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import av
import pytest

from streamer.sources.packet_source import PacketSource
from streamer.sources.packets import CameraPacket, CameraStreams
from streamer.stages import State
from tests.camera import RATE, Camera, MakeCamera, make_camera, recorded
from tests.media import ffmpeg
from tests.recording.test_recorder import assert_without_gap, recording
from tests.sources.broadcast import clip, send, serving
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

__all__ = ["make_camera"]


def test_every_packet_that_comes_over_udp_is_kept(tmp_path: Path, make_camera: MakeCamera) -> None:
    camera = make_camera(sound="aac")
    with recording(camera.url, tmp_path, segment_s=1.0, transport="udp") as (recorder, _):
        wait_until(lambda: recorder.status().frames >= 3 * RATE)
    assert len(list(tmp_path.iterdir())) >= 2
    assert_without_gap(recorded(tmp_path, camera))


def test_reordered_pictures_are_kept_as_they_came_and_shown_at_their_times(tmp_path: Path, make_camera: MakeCamera) -> None:
    camera = make_camera("h264, reordered")
    with recording(camera.url, tmp_path, segment_s=1.0) as (recorder, _):
        wait_until(lambda: recorder.status().frames >= 3 * RATE)
    numbers = recorded(tmp_path, camera)
    assert_without_gap(numbers)
    files = sorted(tmp_path.iterdir())
    assert len(files) >= 2
    for path in files:
        with av.open(str(path)) as container:
            packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
            shown = sorted(float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None)
            decoded = [packet.dts for packet in packets if packet.dts is not None]
        assert len(shown) == len(packets)
        assert [packet.pts for packet in packets] != sorted(packet.pts or 0 for packet in packets), "they are reordered"
        assert decoded == sorted(set(decoded))
        whole = shown[:-3] if path == files[-1] else shown  # it may end before pictures that are shown earlier
        assert whole == pytest.approx([shown[0] + index / RATE for index in range(len(whole))], abs=0.002)
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) == len(packets)


def test_a_camera_that_comes_back_with_another_codec_begins_a_new_file(tmp_path: Path, make_camera: MakeCamera) -> None:
    camera = make_camera()
    made = tmp_path / "other"
    made.mkdir()
    other = Camera(made, "hevc")
    folder = tmp_path / "files"
    with recording(camera.url, folder, segment_s=1.0) as (recorder, source):
        wait_until(lambda: recorder.status().frames >= RATE)
        camera.stop()
        wait_until(lambda: source.state is State.RECONNECTING)
        before = recorder.status().frames
        other.port = camera.port
        other.start()
        try:
            wait_until(lambda: recorder.status().frames >= before + RATE)
        finally:
            other.stop()
    codecs = []
    for path in sorted(folder.iterdir()):
        with av.open(str(path)) as container:
            codecs.append(container.streams.video[0].codec_context.name)
            assert sum(1 for _ in container.decode(video=0)) > 0
    assert codecs == sorted(codecs)
    assert set(codecs) == {"h264", "hevc"}


class Times:
    """A tap that notes when pictures came, and when they are to be shown."""

    def __init__(self) -> None:
        self.pictures: list[tuple[float, float]] = []

    def begin(self, streams: CameraStreams) -> None:
        assert streams.audio is None

    def take(self, packet: CameraPacket) -> None:
        assert packet.pts is not None
        self.pictures.append((packet.arrived_s, float(packet.pts * packet.time_base)))


def test_a_file_on_a_web_server_that_counts_as_live_comes_at_its_pace() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        send(request, clip(25, container="mp4"), "video/mp4", length=True)

    times = Times()
    with serving(answer) as url:
        source = PacketSource(f"{url}/clip.mp4", times, reconnect_initial_delay_s=0.1)
        thread = threading.Thread(target=source.run, name="source")
        thread.start()
        wait_until(lambda: len(times.pictures) >= 25)
        source.interrupt()
        thread.join()
    (first_s, first_shown_s), (last_s, last_shown_s) = times.pictures[0], times.pictures[24]
    assert last_shown_s - first_shown_s == pytest.approx(24 / RATE)
    assert last_s - first_s >= 0.9 * 23 / RATE


def test_the_pace_is_that_of_decoding_where_pictures_are_reordered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    held: list[float] = []

    class Held:
        def wait_s(self, time_s: float, _: float) -> float:
            held.append(time_s)
            return 0.0

    monkeypatch.setattr("streamer.sources.connection.PlaybackClock", Held)
    path = tmp_path / "clip.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-c:v", "libx264", "-bf", "2", path)

    def answer(request: BaseHTTPRequestHandler) -> None:
        send(request, path.read_bytes(), "video/mp4", length=True)

    with serving(answer) as url:
        source = PacketSource(f"{url}/clip.mp4", Times(), reconnect_initial_delay_s=30.0)
        thread = threading.Thread(target=source.run, name="source")
        thread.start()
        wait_until(lambda: len(held) >= 25)
        source.interrupt()
        thread.join()
    assert held[:25] == sorted(set(held[:25]))
