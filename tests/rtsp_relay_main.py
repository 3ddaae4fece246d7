"""A real RTSP relay, on GStreamer: publish H.264 to ``/in``, play it from ``/out``. Says ``READY <port>``.

Runs under Debian's own Python, whose packages hold the bindings; see ``tests/rtsp.py`` for their names.
"""

from __future__ import annotations

import argparse
from typing import Any

import gi  # type: ignore[import-not-found]  # Debian's, not in the virtual environment

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402  # as above; versions first

CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"
# Several clients and both directions at once: with fewer threads they wait for each other for 20 s.
THREADS = 8


class Relay:
    """Hands what comes in to who plays, from a key frame on."""

    def __init__(self, server: Any) -> None:
        self.source: Any = None
        self.started = False
        mounts = server.get_mount_points()
        publish = GstRtspServer.RTSPMediaFactory()
        publish.set_launch(
            f"( rtph264depay name=depay0 ! h264parse config-interval=-1 ! {CAPS} ! appsink name=sink sync=false async=false )"
        )
        publish.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
        publish.set_latency(50)
        publish.connect("media-configure", self.publisher_came)
        play = GstRtspServer.RTSPMediaFactory()
        play.set_launch(
            f"( appsrc name=src is-live=true do-timestamp=true format=time caps={CAPS} ! h264parse config-interval=-1 "
            "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
        )
        play.set_shared(True)
        play.connect("media-configure", self.player_came)
        mounts.add_factory("/in", publish)
        mounts.add_factory("/out", play)
        self.factories = (publish, play)

    def publisher_came(self, _factory: Any, media: Any) -> None:
        sink = media.get_element().get_child_by_name("sink")
        sink.set_property("emit-signals", True)
        sink.connect("new-sample", self.pass_on)
        print("PUBLISHER", flush=True)
        media.connect("unprepared", lambda _: print("PUBLISHER GONE", flush=True))

    def player_came(self, _factory: Any, media: Any) -> None:
        self.started = False
        self.source = media.get_element().get_child_by_name("src")
        media.connect("unprepared", self.player_went)

    def player_went(self, _media: Any) -> None:
        self.source = None

    def pass_on(self, sink: Any) -> Any:
        buffer = sink.emit("pull-sample").get_buffer()
        self.started |= not buffer.get_flags() & Gst.BufferFlags.DELTA_UNIT
        if self.source is not None and self.started:
            _, mapped = buffer.map(Gst.MapFlags.READ)
            data = bytes(mapped.data)
            buffer.unmap(mapped)
            self.source.emit("push-buffer", Gst.Buffer.new_wrapped(data))
        return Gst.FlowReturn.OK


def demand(server: Any, relay: Relay, user: str, password: str) -> None:
    """Let nobody in without this user and password."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    for factory in relay.factories:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_role("user")
        permissions.add_permission_for_role("user", "media.factory.access", True)
        permissions.add_permission_for_role("user", "media.factory.construct", True)
        factory.set_permissions(permissions)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    arguments = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_service(arguments.port)
    server.set_address("127.0.0.1")
    relay = Relay(server)
    if arguments.user:
        demand(server, relay, arguments.user, arguments.password)
    server.get_thread_pool().set_max_threads(THREADS)
    server.attach(None)
    print(f"READY {server.get_bound_port()}", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
