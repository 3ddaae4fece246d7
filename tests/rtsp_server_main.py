"""A real RTSP server for tests, in a process of its own: a ball that moves, as H.264.

Runs under Debian's Python, which has GStreamer's bindings, so it imports nothing of the project. Prints ``READY <port>``;
SIGTERM ends it.
"""

from __future__ import annotations

import argparse

import gi  # type: ignore[import-not-found, unused-ignore]  # Debian's bindings: not in the virtual environment, and no stubs

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # type: ignore[import-not-found, unused-ignore]  # noqa: E402  # as above

ROLE = "viewer"
PICTURE = (
    "( videotestsrc is-live=true pattern={pattern} ! "
    "video/x-raw,format=I420,width={width},height={height},framerate={rate}/1 ! {encoder} )"
)
ENCODERS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max={key_interval} ! "
    "rtph264pay name=pay0 pt=96 config-interval=-1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={key_interval} ! "
    "rtph265pay name=pay0 pt=96 config-interval=-1",
    "jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}


def main() -> None:
    """Serve ``/test`` and, holding audio only, ``/sound``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", default="0")
    parser.add_argument("--auth", choices=["none", "basic", "digest"], default="none")
    parser.add_argument("--user", default="viewer")
    parser.add_argument("--password", default="")
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--rate", type=int, default=30)
    parser.add_argument("--key-interval", type=int, default=15)
    parser.add_argument("--pattern", default="ball")
    parser.add_argument("--codec", choices=list(ENCODERS), default="h264")
    parser.add_argument("--udp-only", action="store_true")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(options.address)
    server.set_service(options.port)
    if options.auth != "none":
        server.set_auth(_auth(options.auth, options.user, options.password))
    width, height = options.size.split("x")
    encoder = ENCODERS[options.codec].format(key_interval=options.key_interval)
    picture = PICTURE.format(pattern=options.pattern, width=width, height=height, rate=options.rate, encoder=encoder)
    sound = "( audiotestsrc is-live=true ! audioconvert ! mulawenc ! rtppcmupay name=pay0 pt=0 )"
    for path, launch in (("/test", picture), ("/sound", sound)):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        if options.udp_only:
            factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
        if options.auth != "none":
            factory.set_permissions(_permissions())
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    print("READY", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


def _auth(method: str, user: str, password: str) -> GstRtspServer.RTSPAuth:
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    auth = GstRtspServer.RTSPAuth()
    if method == "basic":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    return auth


def _permissions() -> GstRtspServer.RTSPPermissions:
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role(ROLE)
    permissions.add_permission_for_role(ROLE, "media.factory.access", True)
    permissions.add_permission_for_role(ROLE, "media.factory.construct", True)
    return permissions


if __name__ == "__main__":
    main()
