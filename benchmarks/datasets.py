"""Time and memory of export, import, compare, analyse and render for long records.

    python -m benchmarks.datasets [OBJECTS [NAME …]]

With names, of formats or of compare, analyse and render, only those. Two hours at 30 frames a second, with ten objects in each,
are 2160000 objects. Each command runs in a process of its own; its peak memory is what the system counted. Times are of this
machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Collection
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.measure import run
from streamer.sinks.coco_masks import Crop, rles

OBJECTS = 1_000_000
PER_FRAME = 10
WIDTH, HEIGHT = 1280, 720
SMALL = 160, 120
"""Of the recording that is drawn again: memory goes with its length, and a larger one would take the time of its encoder."""
ZONES = "zones: {left: {polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}\nlines: {middle: {points: [[0.5, 0], [0.5, 1]]}}\n"
FORMATS = ("coco", "cvat", "mot", "mots", "youtube-vis", "datumaro")
"""Those that write few files and need no recording."""
WITH_PICTURES = ("yolo-detect", "yolo-seg", "label-studio", "fiftyone")
"""Those that take the recording along."""
FILES = {"coco": "annotations.json", "cvat": "annotations.xml", "youtube-vis": "annotations.json"}
NAMES = (*FORMATS, *WITH_PICTURES, "compare", "analyse", "render")
"""What can be measured."""
READ = {"yolo-detect": "yolo", "yolo-seg": "yolo"} | {name: name for name in ("coco", "cvat", "mot", "mots", "youtube-vis")}
"""The name by which each is imported."""
_TRACK_FRAMES = 300


def write_records(path: Path, objects: int, width: int = WIDTH, height: int = HEIGHT) -> None:
    """Persons who walk, ten in a frame, each for ten seconds: discs of 40 x 80 pixels, each frame at places of its own, so that
    no mask is met again soon."""
    y, x = np.mgrid[0:80, 0:40] + 0.5
    disc = ((x - 20) / 20) ** 2 + ((y - 40) / 40) ** 2 <= 1
    size = {"width": width, "height": height}
    stream = {"type": "stream", "schema": 2, "source": "a.mp4", **size, "time_base": "1/90000", "rate": "30"}
    with path.open("w") as file:
        said = {**stream, "detector": "made up", "masks": "rle", "labels": {"1": "person"}}
        file.write(json.dumps(said) + "\n")
        frames = objects // PER_FRAME
        for frame in range(frames):
            found = []
            corners = [
                ((7 * frame + 121 * place) % (width - 40), (3 * frame + 67 * place) % (height - 80))
                for place in range(PER_FRAME)
            ]
            masks = rles([Crop(left, top, disc) for left, top in corners], width, height)
            for place, ((left, top), mask) in enumerate(zip(corners, masks, strict=True)):
                one = {"class": "person", "class_id": 1, "score": round(0.5 + place / 25, 4), "state": "inferred"}
                box = [left, top, left + 40, top + 80]
                track = 1 + place + PER_FRAME * (frame // _TRACK_FRAMES) % 990
                found.append({**one, "box_xyxy": box, "track_id": track, "mask": mask})
            time_s = {"pts": 3000 * frame, "time_s": round(frame / 30, 6)}
            file.write(json.dumps({"type": "frame", "frame": frame, **time_s, "instances": found}) + "\n")
        file.write(json.dumps({"type": "end", "frames": frames}) + "\n")


def _write_recording(path: Path, frames: int) -> None:
    """A grey one at the times of the records."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30, options={"preset": "ultrafast", "x264-params": "keyint=300"})
        stream.width, stream.height = SMALL
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, 90_000)
        stream.codec_context.time_base = Fraction(1, 90_000)
        picture = av.VideoFrame.from_ndarray(np.full((SMALL[1] * 3 // 2, SMALL[0]), 128, np.uint8), format="yuv420p")
        for number in range(frames):
            picture.pts, picture.time_base = 3000 * number, Fraction(1, 90_000)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))


def measure(name: str, *arguments: str | Path) -> None:
    """Run a command and print what it took: wall clock, processor time, peak memory. Raises ``RuntimeError`` where it fails."""
    done = run([sys.executable, "-m", "streamer", *map(str, arguments)])
    print(f"{name:20} {done.wall_s:7.1f} s  processor {done.cpu_s:7.1f} s {done.peak_mib:7.0f} MiB", flush=True)


def _there_and_back(folder: Path, name: str, *video: str | Path) -> None:
    """Export, and import what was exported where that format is read."""
    records = folder / "found.jsonl"
    measure(f"export {name}", "export", records, "--to", name, "-o", folder / name, *video)
    if name in READ:
        said = (folder / name / FILES.get(name, ""), "--from", READ[name], "--records", records)
        measure(f"import {name}", "import", *said, "-o", folder / "back.jsonl", "--overwrite")
    shutil.rmtree(folder / name)


def main(objects: int, names: Collection[str]) -> None:
    """Print a line for each command; only for those of ``names``, where there are any."""
    asked = set(names or NAMES)
    with tempfile.TemporaryDirectory() as working:
        folder = Path(working)
        records = folder / "found.jsonl"
        write_records(records, objects)
        print(f"{objects} objects in {objects // PER_FRAME} frames of {WIDTH}x{HEIGHT}, {records.stat().st_size / 1e6:.0f} MB")
        if "compare" in asked:
            measure("compare", "compare", records, records)
        for name in FORMATS:
            if name in asked:
                _there_and_back(folder, name)
        if "analyse" in asked:
            zones = folder / "zones.yaml"
            zones.write_text(ZONES)
            measure("analyse", "analyse", records, "--zones", zones, "--counts", folder / "counts.csv")
        if not asked.intersection((*WITH_PICTURES, "render")):
            return
        write_records(records, objects, *SMALL)
        clip = folder / "in.mp4"
        _write_recording(clip, objects // PER_FRAME)
        print("and in pictures of {}x{}".format(*SMALL))
        for name in WITH_PICTURES:
            if name in asked:
                _there_and_back(folder, name, "--video", clip)
        if "render" in asked:
            measure("render", "render", clip, "-o", folder / "drawn.mp4", "--from", records, "--preset", "ultrafast")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objects", nargs="?", type=int, default=OBJECTS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):  # argparse's own check refuses no names at all
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    main(given.objects, given.names)
