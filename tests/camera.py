"""A real RTSP camera whose every unit is known, and what of it arrived in files."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from streamer.sources.access_units import nal_units
from tests.rtsp import PYTHON, why_not

_MAIN = Path(__file__).with_name("camera_main.py")
RATE = 25
_ENCODERS = {
    "h264, reordered": (
        "libx264",
        {"preset": "ultrafast", "x264-params": "scenecut=0:threads=1:annexb=1:bframes=2:b-adapt=0:b-pyramid=none"},
    ),
    "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0:threads=1:annexb=1"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "bframes=0:scenecut=0:log-level=none:repeat-headers=1"}),
    "mjpeg": ("mjpeg", {"huffman": "default"}),
}
_SOUND = {"aac": ("aac", 48_000), "pcm_alaw": ("pcm_alaw", 8_000), "g726": ("g726le", 8_000)}


def encode_video(
    path: Path, codec: str = "h264", *, seconds: float = 20, gop: int = 25, size: tuple[int, int] = (320, 192), shade: int = 0
) -> list[int]:
    """Pictures that are all different, encoded, into a file of units; of each how many pictures later it is shown than sent.

    Each has its number, mod 256, in its lowest 16 rows: 8 squares, dark or light, the lowest bit on the left.
    """
    width, height = size
    encoder, options = _ENCODERS[codec]
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.gop_size = width, height, gop
    context.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.options = options
    packets = []
    rng = np.random.default_rng(shade)
    for index in range(round(seconds * RATE)):
        picture = np.full((height, width, 3), (shade + index) % 256, np.uint8)
        for bit in range(8):
            picture[-16:, 16 * bit : 16 * bit + 16] = 255 * (index >> bit & 1)
        picture[: height // 4] = rng.integers(0, 256, (height // 4, width, 3), np.uint8)
        frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=context.pix_fmt)
        frame.pts = index
        packets += context.encode(frame)
    packets += context.encode(None)
    _write(path, map(bytes, packets))
    return [(packet.pts or 0) - index for index, packet in enumerate(packets)]


def encode_sound(path: Path, codec: str, *, seconds: float = 20) -> float:
    """A rising tone, encoded, into a file of units; how many seconds each holds."""
    name, rate = _SOUND[codec]
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.time_base = rate, "mono", Fraction(1, rate)
    context.format = "fltp" if codec == "aac" else "s16"
    context.bit_rate = 32_000
    context.open()
    step = context.frame_size or rate // 50
    units = []
    for index in range(round(seconds * rate / step)):
        times = (np.arange(step) + index * step) / rate
        wave = 0.3 * np.sin(2 * np.pi * (200 + 20 * times) * times)
        samples = wave.astype(np.float32)[None] if codec == "aac" else (wave * 32_767).astype(np.int16)[None]
        frame = AudioFrame.from_ndarray(samples, format="fltp" if codec == "aac" else "s16", layout="mono")
        frame.sample_rate, frame.pts = rate, index * step
        units += [bytes(packet) for packet in context.encode(frame)]
    _write(path, units)
    return step / rate


def _write(path: Path, units: Iterable[bytes]) -> None:
    path.write_bytes(b"".join(len(unit).to_bytes(4, "big") + unit for unit in units))


class Camera:
    """A server process that sends the units of files; it keeps its port, and goes on where it was, over restarts."""

    def __init__(self, folder: Path, codec: str = "h264", *, sound: str = "", gop: int = 25, video: Path | None = None) -> None:
        """``video`` is a file of units to send instead of one that is made in ``folder``; with ``codec`` "h264, reordered" some
        pictures are shown before ones that are sent earlier.
        """
        self.port = 0
        self.codec = codec.partition(",")[0]
        self.video = video or folder / "video.units"
        self._log = folder / "sent.jsonl"
        order: list[int] = []
        if video is None:
            order = encode_video(self.video, codec, gop=gop)
        self._options = ["--video", str(self.video), "--video-codec", self.codec, "--log", str(self._log)]
        if any(order):
            self._options += ["--order", json.dumps(order)]
        if sound:
            path = folder / "sound.units"
            step = encode_sound(path, sound)
            self._options += ["--sound", str(path), "--sound-codec", sound, "--sound-step", str(step)]
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/camera"

    def start(self) -> None:
        command = [PYTHON, str(_MAIN), "--port", str(self.port), *self._options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        line = self._line()
        assert line.startswith("READY"), f"the camera did not start: {line!r}"
        self.port = int(line.split()[1])

    def tell(self, command: str) -> None:
        """``jump SECONDS``, ``switch FILE`` or ``hold STREAM``; returns when it is done."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        assert self._line().strip() == "DONE"

    def sent(self, kind: str = "video") -> list[int]:
        """The numbers of the units sent so far, in order."""
        lines = [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        return [line["unit"] for line in lines if line["kind"] == kind]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.wait(10)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()

    def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline()


MakeCamera = Callable[..., Camera]


@pytest.fixture
def make_camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeCamera]:
    """Starts cameras: ``make_camera("h264", sound="aac")``; they end with the test."""
    if reason := why_not():
        pytest.skip(reason)
    cameras: list[Camera] = []

    def make(codec: str = "h264", *, sound: str = "", gop: int = 25) -> Camera:
        camera = Camera(tmp_path_factory.mktemp("camera"), codec, sound=sound, gop=gop)
        cameras.append(camera)
        camera.start()
        return camera

    yield make
    for camera in cameras:
        camera.stop()


def units_in(path: Path) -> list[bytes]:
    """The units of a file that a camera sends."""
    data, units, at = path.read_bytes(), [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        units.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return units


def essence(codec: str, data: bytes, *, prefixed: bool = False) -> bytes:
    """What must be the same in a file: units without start codes, lengths and delimiters; of a JPEG the scan."""
    if codec == "mjpeg":
        start = data.index(b"\xff\xda")
        start += 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        return data[start : data.index(b"\xff\xd9", start)]
    if codec not in ("h264", "hevc"):
        return data
    units, at = [], 0
    while prefixed and at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        units.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    units = units or list(nal_units(data))
    kinds = [unit[0] & 31 if codec == "h264" else unit[0] >> 1 for unit in units]
    delimiter = 9 if codec == "h264" else 35
    return b"|".join(unit for unit, kind in zip(units, kinds, strict=True) if kind != delimiter)


def recorded(folder: Path, camera: Camera) -> list[int]:
    """Which of the camera's pictures are in the files of a folder, by number, in order; -1 for what it never sent."""
    numbers = {essence(camera.codec, unit): index for index, unit in enumerate(units_in(camera.video))}
    found = []
    for path in sorted(folder.glob("[!.]*")):  # a kill may leave a hidden file that has just been begun
        with av.open(str(path)) as container:
            packets = [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]
        found += [numbers.get(essence(camera.codec, data, prefixed=True), -1) for data in packets]
    return found
