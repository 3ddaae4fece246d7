"""What the line costs beside the work that cannot be avoided: a decode, an encode, and the detector's own calls.

python -m benchmarks.annotate line      # scripted detector, 1080p, against bare loops and ffmpeg
python -m benchmarks.annotate again     # render from records, 1080p, against the same bare loops
python -m benchmarks.annotate nanodet   # processor time with the built-in detector
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.clips import scaled
from benchmarks.measure import OUT, SAMPLES, Run, asked_for, in_turn, machine, median, ratio
from streamer.sinks.encoders import ENCODERS


def _row(name: str, runs: Sequence[Run]) -> str:
    wall, cpu = [run.wall_s for run in runs], [run.cpu_s for run in runs]
    busy = median([run.cpu_s / run.wall_s / (os.cpu_count() or 1) for run in runs])
    peak = median([run.peak_mib for run in runs])
    return f"  {name:34} {median(wall):7.2f} s  processor {median(cpu):7.2f} s  cores busy {busy:4.0%}  peak {peak:5.0f} MiB"


def _drawn(clip: Path, records: Path | None = None) -> Path:
    """The pictures that ``annotate`` hands to the encoder for ten scripted instances, as planes one after the other; and the
    run's ``records``."""
    from streamer import annotate
    from streamer.frame import plane_views
    from streamer.stages import Annotated

    path = OUT / "line.yuv"
    with path.open("wb") as file:

        def keep(item: Annotated) -> None:
            for plane in plane_views(item.drawn()):
                file.write(plane.tobytes())

        annotate(
            clip,
            OUT / "line.mp4",
            detector="benchmarks.scripted:Ten",
            preset="ultrafast",
            detections=records,
            overwrite=True,
            on_frame=keep,
        )
    return path


def _print_ratio(one: str, other: str, runs: Mapping[str, Sequence[Run]]) -> None:
    """What one command takes against another."""
    wall = ratio([run.wall_s for run in runs[one]], [run.wall_s for run in runs[other]])
    cpu = ratio([run.cpu_s for run in runs[one]], [run.cpu_s for run in runs[other]])
    print(f"  {one}, to {other}: {wall:.2f}, processor {cpu:.2f}")


def line(frames: int = 900, rounds: int = 3, crf: str = "23") -> None:
    """The whole command with ten scripted instances: time and processor time.

    Against a bare PyAV loop that decodes and encodes the recording; against one that decodes it and encodes the very pictures
    that the command draws, which take an encoder longer than what they cover, drawn beforehand, also with x264 kept from the
    code that it is kept from here; and against ffmpeg.
    """
    clip = scaled(1920, 1080, frames)
    drawn = _drawn(clip)
    try:
        for preset in ("veryfast", "ultrafast"):
            target = str(OUT / "line.mp4")
            streamer = [sys.executable, "-m", "streamer", "annotate", str(clip), "-o", target, "--overwrite", "--quiet"]
            annotate = [*streamer, "--detector", "benchmarks.scripted:Ten", "--preset", preset, "--crf", crf]
            bare = [sys.executable, "-m", "benchmarks.bare", "transcode", str(clip), target, preset, crf]
            commands = {
                "streamer annotate, 10 instances": annotate,
                "the same, with records": [*annotate, "--detections", str(OUT / "line.jsonl")],
                "bare PyAV decode and encode": bare,
                "bare PyAV, encoding the drawn": [*bare, str(drawn)],
            }
            if x264_params := ENCODERS["libx264"].options(None, preset).get("x264-params"):
                commands["the same, x264 as here"] = [*bare, str(drawn), x264_params]
            if shutil.which("ffmpeg"):
                transcode = f"ffmpeg -v error -y -i {clip} -c:v libx264 -preset {preset} -crf {crf} {target}"
                commands["ffmpeg, transcode only"] = transcode.split()
            runs = in_turn(commands, rounds)
            print(f"{frames} frames of 1080p, preset {preset}, median of {rounds} runs in turn:")
            for name, done in runs.items():
                print(_row(name, done))
            for ours in list(commands)[:2]:
                for name in list(commands)[2:]:
                    _print_ratio(ours, name, runs)
    finally:
        drawn.unlink()


def again(frames: int = 600, rounds: int = 3, crf: str = "23") -> None:
    """``render`` of ten instances from records: time and processor time.

    Against the bare loops of :func:`line`: one that encodes the recording, and one that encodes the very pictures that
    ``render`` draws, drawn beforehand. The latter is what it would cost if records and drawing were free.
    """
    clip, target, found = scaled(1920, 1080, frames), str(OUT / "again.mp4"), OUT / "again.jsonl"
    drawn = _drawn(clip, found)
    try:
        for preset in ("veryfast", "ultrafast"):
            streamer = [sys.executable, "-m", "streamer", "render", str(clip), "-o", target, "--from", str(found)]
            render = [*streamer, "--overwrite", "--quiet", "--preset", preset, "--crf", crf]
            bare = [sys.executable, "-m", "benchmarks.bare", "transcode", str(clip), target, preset, crf]
            ours = ("streamer render, 10 instances", "streamer render --draw none")
            theirs = ("bare PyAV decode and encode", "bare PyAV, encoding the drawn")
            commands = dict(
                zip((*ours, *theirs), (render, [*render, "--draw", "none"], bare, [*bare, str(drawn)]), strict=True)
            )
            runs = in_turn(commands, rounds)
            print(f"{frames} frames of 1080p, preset {preset}, median of {rounds} runs in turn:")
            for name, done in runs.items():
                print(_row(name, done))
            for one, other in ((ours[0], theirs[0]), (ours[0], theirs[1]), (ours[1], theirs[0])):
                _print_ratio(one, other, runs)
    finally:
        drawn.unlink()


def nanodet(rounds: int = 3) -> None:
    """Processor time of the whole command against the sum of the interpreters' calls alone and a bare transcode."""
    from streamer.sinks.records import read_records

    OUT.mkdir(exist_ok=True)
    clip, target, records = SAMPLES / "pedestrians.mp4", str(OUT / "nanodet.mp4"), OUT / "nanodet.jsonl"
    streamer = [sys.executable, "-m", "streamer", "annotate", str(clip), "-o", target, "--overwrite", "--quiet"]
    in_turn({"count": [*streamer, "--detections", str(records), "--masks", "none"]}, 1)
    persons = [
        sum(found["class"] == "person" for found in entry["instances"])
        for entry in read_records(records)
        if entry["type"] == "frame"
    ]
    counts = OUT / "persons.json"
    counts.write_text(json.dumps(persons))
    runs = in_turn(
        {
            "streamer annotate, nanodet": [*streamer, "--preset", "medium", "--crf", "20"],
            "interpreters alone, 1 thread": [sys.executable, "-m", "benchmarks.bare", "nanodet", str(counts), "1"],
            "interpreters alone, 2 threads": [sys.executable, "-m", "benchmarks.bare", "nanodet", str(counts), "2"],
            "bare transcode": [sys.executable, "-m", "benchmarks.bare", "transcode", str(clip), target, "medium", "20"],
        },
        rounds,
    )
    print(f"{len(persons)} frames of 768x576, {sum(persons)} persons, median of {rounds} runs in turn:")
    for name, done in runs.items():
        print(_row(name, done))
    ours = [run.cpu_s for run in runs["streamer annotate, nanodet"]]
    for threads in ("1 thread", "2 threads"):
        alone = zip(runs[f"interpreters alone, {threads}"], runs["bare transcode"], strict=True)
        print(f"  processor time against the sum with {threads}: {ratio(ours, [a.cpu_s + b.cpu_s for a, b in alone]):.2f}")


if __name__ == "__main__":
    wanted = asked_for(__doc__, "line", "again", "nanodet")
    print(machine())
    if "line" in wanted:
        line()
    if "again" in wanted:
        again()
    if "nanodet" in wanted:
        nanodet()
