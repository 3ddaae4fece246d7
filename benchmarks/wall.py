"""A wall of four cameras with everything on: what the process holds, minute by minute, and what was told.

    python -m benchmarks.wall [--minutes 10]

Each camera has two RTSP streams: people who walk (480x360), detected and followed, and the large one (768x576), recorded by
copy. Zones, lines, records, events with clips, MQTT with discovery, a webhook with snapshots, and privacy on one camera.
Memory, threads and open files must not grow: the slopes are those of the last six tenths. Ends with 1 where threads or files
did, or a message was not told.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.measure import SAMPLES
from tests.camera import RATE, Camera
from tests.events.broker import Mosquitto
from tests.events.receiver import Receiver

CAMERAS = ("gate", "yard", "street", "hall")
WALL = """\
metrics: 0
mqtt: mqtt://127.0.0.1:{broker}
ha_discovery: true
webhook: {{url: "{webhook}", secret: s3cret, snapshot: multipart}}
defaults:
  transport: tcp
  record: {folder}/recordings
  segment: 30
  keep_hours: 0.1
  events: {folder}/events
  event_classes: person
  event_pre_capture: 2
  event_post_capture: 2
  detections: "{folder}/records/{{name}}.jsonl"
  masks: none
  detect_fps: 2
  zones:
    left: {{polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], classes: [person]}}
  lines:
    middle: {{points: [[0.5, 0], [0.5, 1]]}}
cameras:
"""
SAMPLE_S = 1.0


def encode(path: Path, size: tuple[int, int]) -> None:
    """The people of the sample clip, for eight seconds, and an empty scene for six, as a file of units."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt, context.gop_size = *size, "yuv420p", RATE
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.options = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "scenecut=0:threads=1:annexb=1"}
    units = []
    with av.open(str(SAMPLES / "pedestrians.mp4")) as clip:
        frames = [frame.reformat(*size, format="yuv420p") for frame in clip.decode(video=0)][: 8 * RATE]
    still = np.full((size[1], size[0], 3), 90, np.uint8)
    for index in range(14 * RATE):
        frame = (
            frames[index]
            if index < len(frames)
            else av.VideoFrame.from_ndarray(still, format="rgb24").reformat(format="yuv420p")
        )
        frame.pts, frame.time_base = index, Fraction(1, RATE)
        units += [bytes(packet) for packet in context.encode(frame)]
    units += [bytes(packet) for packet in context.encode(None)]
    path.write_bytes(b"".join(len(unit).to_bytes(4, "big") + unit for unit in units))


def sample(pid: int) -> tuple[float, int, int, float]:
    """Resident MiB, threads, open files and processor seconds of a process."""
    resident = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    used_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return resident, int(fields[17]), len(list(Path(f"/proc/{pid}/fd").iterdir())), used_s


def watch(pid: int, seconds: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A row a second: seconds since the start, MiB, threads, files, processor seconds. Prints one each minute."""
    rows: list[tuple[float, ...]] = []
    begun = time.monotonic()
    while (now := time.monotonic() - begun) < seconds:
        rows.append((now, *sample(pid)))
        minute = [row for row in rows if row[0] > now - 60.0]
        if len(rows) % round(60 / SAMPLE_S) == 0:
            used = (minute[-1][4] - minute[0][4]) / max(minute[-1][0] - minute[0][0], 1e-9)
            resident, threads, files = minute[-1][1:4]
            print(
                f"  {now / 60:4.1f} min: {resident:6.1f} MiB, {threads:.0f} threads, {files:.0f} files, {used:4.0%} of a core",
                flush=True,
            )
        time.sleep(SAMPLE_S)
    return np.array(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large = folder / "small.units", folder / "large.units"
        encode(small, (480, 360))
        encode(large, (768, 576))
        cameras: list[Camera] = []
        text = ""
        broker, receiver = Mosquitto(folder), Receiver()
        broker.start()
        receiver.start()
        try:
            for camera in CAMERAS:
                pair = [Camera(make(folder / camera / units.stem), video=units) for units in (small, large)]
                cameras += pair
                for one in pair:
                    one.start()
                text += f"  {camera}:\n    source: {pair[0].url}\n    record_source: {pair[1].url}\n"
                text += "    privacy: person=blur\n    keep_original: true\n" if camera == "hall" else ""
            wall = folder / "wall.yaml"
            wall.write_text(WALL.format(broker=broker.port, webhook=receiver.url, folder=folder) + text, encoding="utf-8")
            return run(folder, wall, receiver, 60.0 * options.minutes)
        finally:
            for one in cameras:
                one.stop()
            receiver.stop()
            broker.kill()


def run(folder: Path, wall: Path, receiver: Receiver, seconds: float) -> int:
    """Run the wall and say how it went."""
    log = folder / "log.txt"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "streamer", "run", str(wall)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        rows = watch(process.pid, seconds)
        status = ask(log)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    rest = rows[len(rows) * 4 // 10 :]
    names = ("MiB", "threads", "files")
    slopes = [float(np.polyfit(rest[:, 0] / 60, rest[:, column], 1)[0]) for column in (1, 2, 3)]
    print("slope a minute: " + ", ".join(f"{slope:+.2f} {name}" for slope, name in zip(slopes, names, strict=True)))
    print(
        f"peak {rows[:, 1].max():.0f} MiB; the first second of the last part {rest[0, 1]:.0f}, the last {rest[-1, 1]:.0f} MiB"
    )
    for camera in status["cameras"]:
        print(
            f"  {camera['name']:7} {camera['frames_in']} frames, dropped {camera['dropped']}, "
            f"{camera['detections']} detections, reconnects {camera['reconnects']}, restarts {camera['restarts']}, "
            f"problems {camera['problems']}"
        )
    for each in status["delivery"]:
        took = each.get("latency_ms", {})
        print(
            f"  {each['target']:7} {each['sent']} told, {each['waiting']} wait, {each['failures']} failures, "
            f"median {took.get('median')} ms, p95 {took.get('p95')} ms"
        )
    clips, files = len(list(folder.glob("events/*/*.mp4"))), len(list(folder.glob("recordings/*.mp4")))
    print(f"  {len(receiver.taken)} posts came, {clips} clips, {files} recorded files; exit code {code}")
    warnings = [line for line in log.read_text(encoding="utf-8").splitlines() if " info " not in line]
    print("\n".join(warnings[:10]))
    grown = [slope * (rest[-1, 0] - rest[0, 0]) / 60 for slope in slopes[1:]]
    return int(max(grown) > 3 or any(each["waiting"] > 5 for each in status["delivery"]) or code != 130)


def ask(log: Path) -> dict[str, Any]:
    """What ``/status`` says."""
    found = re.search(r"metrics at (http://[^/]+)/", log.read_text(encoding="utf-8"))
    if found is None:
        raise RuntimeError(log.read_text(encoding="utf-8"))
    with urllib.request.urlopen(f"{found[1]}/status", timeout=10) as answer:
        said: dict[str, Any] = json.load(answer)
    return said


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
