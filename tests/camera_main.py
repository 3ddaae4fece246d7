"""A camera for tests, in a process of its own: sends encoded units from a file over RTSP, and writes down a hash of each.

Runs under Debian's Python, which has GStreamer's bindings, so it imports nothing of the project. Prints ``READY <port>``.
On stdin: ``jump SECONDS`` moves the time stamps from then on, ``switch FILE`` sends the units of another file, ``hold STREAM``
sends nothing more of that stream (0 is the video).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import threading
from pathlib import Path
from typing import Any

import gi  # type: ignore[import-not-found, unused-ignore]  # Debian's bindings: not in the virtual environment, and no stubs

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found, unused-ignore]  # noqa: E402  # as above

CAPS = {
    "h264": "video/x-h264,stream-format=byte-stream,alignment=au",
    "hevc": "video/x-h265,stream-format=byte-stream,alignment=au",
    "mjpeg": "image/jpeg,width=320,height=192,framerate=25/1",
    "aac": "audio/mpeg,mpegversion=4,stream-format=raw,rate=48000,channels=1,codec_data=(buffer)1188",
    "pcm_alaw": "audio/x-alaw,rate=8000,channels=1",
    "g726": "audio/x-adpcm,layout=g726,bitrate=32000,block_align=1,rate=8000,channels=1",
}
PAYLOADERS = {
    "h264": "rtph264pay",
    "hevc": "rtph265pay",
    "mjpeg": "rtpjpegpay",
    "aac": "rtpmp4gpay",
    "pcm_alaw": "rtppcmapay min-ptime=20000000 max-ptime=20000000",
    "g726": "rtpg726pay force-aal2=false min-ptime=20000000 max-ptime=20000000",
}


def read_units(path: str) -> list[bytes]:
    """The units of a file: each behind its length in four bytes."""
    data, units, at = Path(path).read_bytes(), [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        units.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return units


class Camera:
    """One path of the server: its video and, where asked for, its sound."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.log = Path(options.log).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115  # open as long as the process
        self.tracks = [("video", options.video_codec, read_units(options.video), 1 / options.rate)]
        if options.sound:
            self.tracks.append(("audio", options.sound_codec, read_units(options.sound), options.sound_step))
        self.order: list[int] = json.loads(options.order)
        self.shift_s = 0.0
        self.sent = [0] * len(self.tracks)
        self.held: set[int] = set()

    def launch(self) -> str:
        """What GStreamer is to make."""
        parts = [
            f'appsrc name=s{number} is-live=true format=time caps="{CAPS[codec]}" ! '
            f"{PAYLOADERS[codec]} name=pay{number} pt={96 + number}"
            for number, (_, codec, _, _) in enumerate(self.tracks)
        ]
        return f"( {'  '.join(parts)} )"

    def configure(self, _: Any, media: Any) -> None:
        """Somebody connected: send from where it was left."""
        stop = threading.Event()
        media.connect("unprepared", lambda _: stop.set())
        for number in range(len(self.tracks)):
            source = media.get_element().get_child_by_name(f"s{number}")
            threading.Thread(target=self.feed, args=(number, source, stop), daemon=True).start()

    def feed(self, number: int, source: Any, stop: threading.Event) -> None:
        """Send one track's units in real time."""
        kind, _, _, step_s = self.tracks[number]
        while source.get_state(0)[1] != Gst.State.PLAYING:
            if stop.wait(0.005):
                return
        clock, base = source.get_clock(), source.get_base_time()
        begun, index = (clock.get_time() - base) / Gst.SECOND, 0
        while not stop.is_set():
            due = begun + index * step_s
            stop.wait(max(0.0, due - (clock.get_time() - base) / Gst.SECOND))
            if number in self.held:
                stop.wait()
                return
            units = self.tracks[number][2]
            unit = units[self.sent[number] % len(units)]
            late = self.order[self.sent[0] % len(self.order)] if kind == "video" and self.order else 0
            buffer = Gst.Buffer.new_wrapped(unit)
            buffer.pts = buffer.dts = max(0, int((due + self.shift_s + late * step_s) * Gst.SECOND))
            buffer.duration = int(step_s * Gst.SECOND)
            line = {"kind": kind, "unit": self.sent[number] % len(units), "sha256": hashlib.sha256(unit).hexdigest()}
            self.sent[number] += 1
            self.log.write(json.dumps(line) + "\n")
            if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return
            index += 1

    def obey(self) -> None:
        """Do what stdin says."""
        for line in sys.stdin:
            command, value = line.split()
            if command == "jump":
                self.shift_s += float(value)
            elif command == "switch":
                kind, codec, _, step_s = self.tracks[0]
                self.tracks[0] = (kind, codec, read_units(value), step_s)
                self.sent[0] = 0
            elif command == "hold":
                self.held.add(int(value))
            print("DONE", flush=True)


def main() -> None:
    """Serve ``/camera``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--video", required=True)
    parser.add_argument("--video-codec", default="h264")
    parser.add_argument("--rate", type=float, default=25)
    parser.add_argument("--order", default="[]", help="of each unit: how many pictures later it is shown than sent")
    parser.add_argument("--sound")
    parser.add_argument("--sound-codec")
    parser.add_argument("--sound-step", type=float, default=0.02)
    parser.add_argument("--log", required=True)
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    camera = Camera(options)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(camera.launch())
    factory.set_shared(True)
    factory.connect("media-configure", camera.configure)
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    print("READY", server.get_bound_port(), flush=True)
    threading.Thread(target=camera.obey, daemon=True).start()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
