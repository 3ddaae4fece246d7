"""A live source over a network that swallows packets, some or all."""

from __future__ import annotations

import pytest

from streamer.sources.live import LiveSource
from streamer.sources.open_options import Transport
from streamer.stages import State
from tests.network import Network, network
from tests.rtsp import StartServer, rtsp_server
from tests.sources.watching import watched

pytestmark = pytest.mark.slow

__all__ = ["network", "rtsp_server"]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_recovers_when_a_blackhole_closes(rtsp_server: StartServer, network: Network, transport: Transport) -> None:
    server = rtsp_server(prefix=network.prefix, address=network.there)
    source = LiveSource(server.url(), transport=transport, read_timeout_s=0.5, open_timeout_s=0.5)
    with watched(source) as watcher:
        watcher.wait_for_frames(3)
        network.blackhole()
        watcher.wait_for(lambda: source.stats.attempts >= 2)
        assert source.state is State.RECONNECTING
        assert source.stats.stalls == 1
        network.mend()
        watcher.wait_for(lambda: source.state is State.RUNNING)
        watcher.wait_for_frames(3)
    assert source.stuck_connections == 0


def test_a_short_blackhole_is_waited_for(rtsp_server: StartServer, network: Network) -> None:
    server = rtsp_server(prefix=network.prefix, address=network.there)
    source = LiveSource(server.url(), transport="tcp", read_timeout_s=15.0)
    with watched(source) as watcher:
        watcher.wait_for_frames(3)
        network.blackhole()
        watcher.thread.join(0.5)
        network.mend()
        watcher.wait_for_frames(30)
    assert source.stats.reconnects == 0


@pytest.mark.parametrize("damaged", ["show", "drop"])
def test_lost_packets_are_damage_that_is_counted(rtsp_server: StartServer, network: Network, damaged: str) -> None:
    server = rtsp_server("--size", "640x360", "--pattern", "snow", prefix=network.prefix, address=network.there)
    source = LiveSource(server.url(), transport="udp", damaged="drop" if damaged == "drop" else "show")
    with watched(source) as watcher:
        watcher.wait_for_frames(3)
        network.lose(5)
        watcher.wait_for(lambda: source.stats.damaged_frames >= 3)
        network.mend()
        watcher.wait_for_frames(20)
    assert source.state is State.ENDED
    assert source.stats.reconnects == 0
    assert source.stats.dropped["damaged"] == (source.stats.damaged_frames if damaged == "drop" else 0)
    assert any(frame.damaged for frame in watcher.frames) == (damaged == "show")
    assert all(earlier.pts < later.pts for earlier, later in zip(watcher.frames, watcher.frames[1:], strict=False))
