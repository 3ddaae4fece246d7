"""Counts of zones and lines on the samples, beside what was counted by hand in their frames (``counted.yaml``).

Each clip is annotated at its own rate, with drops, and at five frames a second, each with several inference intervals.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import yaml

from benchmarks.measure import OUT, SAMPLES
from streamer.annotation import annotate
from streamer.sinks.records import read_records

COUNTED = Path(__file__).parent / "counted.yaml"
NEAR_S = 0.75
"""What was told so near the true time is that crossing, entry or exit."""
INTERVALS = (1, 3, 5)

Truth = list[tuple[str, float]]
"""What happened (place and kind), and when."""


def thinned(sample: str, name: str, keep: Callable[[int, float], bool]) -> Path:
    """The frames of a sample that ``keep`` wants, by index and seconds, each at its own time; made once."""
    path = OUT / f"{Path(sample).stem}-{name}.mp4"
    if path.exists():
        return path
    OUT.mkdir(exist_ok=True)
    part = path.with_suffix(".part.mp4")
    with av.open(str(SAMPLES / sample)) as source, av.open(str(part), "w") as output:
        stream = output.add_stream("libx264", options={"preset": "veryfast", "crf": "16"})
        given = source.streams.video[0]
        assert given.time_base is not None
        stream.width, stream.height, stream.pix_fmt = given.width, given.height, "yuv420p"
        stream.codec_context.time_base = given.time_base  # the default of 1/24 s would move frames
        for index, frame in enumerate(source.decode(video=0)):
            if keep(index, float(frame.time or 0.0)):
                frame.pict_type = av.video.frame.PictureType.NONE
                output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    part.rename(path)
    return path


def variants(sample: str) -> dict[str, Path]:
    """A sample at its own rate, with drops, and at five frames a second."""
    with av.open(str(SAMPLES / sample)) as source:
        rate = float(source.streams.video[0].average_rate or 25)
    every = max(1, round(rate / 5))
    return {
        "as it is": SAMPLES / sample,
        "drops": thinned(
            sample, "drops", lambda index, _: index % 11 != 3 and index % 7 != 5 and index % 60 not in range(40, 43)
        ),
        "5 fps": thinned(sample, "5fps", lambda index, _: index % every == 0),
    }


def truth_of(counted: Mapping[str, Any]) -> Truth:
    """What happens, as the file says."""
    found = [
        (f"line {line}, {way}", time_s)
        for line, ways in counted["crossings"].items()
        for way, times in ways.items()
        for time_s in times
    ]
    for zone, stays in counted["stays"].items():
        found += [
            (f"zone {zone}, {what}", time_s) for stay in stays for what, time_s in zip(("entry", "exit"), stay, strict=True)
        ]
    return found


def told_by(lines: Iterable[Mapping[str, Any]]) -> Truth:
    """What the lines of records tell, in the words of ``truth_of``."""
    found: Truth = []
    for line in lines:
        found += [(f"line {one['line']}, {one['direction']}", one["time_s"]) for one in line.get("crossings", ())]
        for kind, what in (("entries", "entry"), ("exits", "exit")):
            found += [(f"zone {one['zone']}, {what}", one["time_s"]) for one in line.get(kind, ())]
    return found


def compared(truth: Truth, told: Truth) -> tuple[Sequence[float], Truth, Truth]:
    """Differences in time of what was told and is true, what was missed, and what was told wrongly."""
    errors, missed, wrong = [], [], list(told)
    for what, time_s in sorted(truth, key=lambda one: one[1]):
        near = [one for one in wrong if one[0] == what and abs(one[1] - time_s) <= NEAR_S]
        if near:
            best = min(near, key=lambda one: abs(one[1] - time_s))
            wrong.remove(best)
            errors.append(abs(best[1] - time_s))
        else:
            missed.append((what, time_s))
    return errors, missed, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", nargs="*", help="those of the samples; default: all")
    parser.add_argument("--detector", default="nanodet")
    arguments = parser.parse_args()
    with COUNTED.open() as file:
        all_counted = yaml.safe_load(file)
    for sample in arguments.samples or all_counted:
        counted = all_counted[sample]
        truth = truth_of(counted)
        for name, clip in variants(sample).items():
            for interval in INTERVALS:
                with tempfile.TemporaryDirectory() as folder:
                    places, records = Path(folder) / "places.yaml", Path(folder) / "found.jsonl"
                    places.write_text(yaml.safe_dump({kind: counted[kind] for kind in ("zones", "lines") if kind in counted}))
                    annotate(
                        clip,
                        Path(folder) / "out.mp4",
                        detector=arguments.detector,
                        inference_interval=interval,
                        zones_file=places,
                        detections=records,
                        preset="ultrafast",
                    )
                    lines = list(read_records(records))
                last_s = max(line["time_s"] for line in lines if line["type"] == "frame")
                told = told_by(lines)
                # What is inside at the end leaves with the last frame, which no line tells of.
                within = [one for one in truth if not (one[0].endswith("exit") and one[1] > last_s - 1.0)]
                errors, missed, wrong = compared(within, told)
                mean = sum(errors) / len(errors) if errors else 0.0
                print(
                    f"{sample}, {name}, interval {interval}: {len(errors)} of {len(within)} right, {mean:.2f} s off on average",
                    *(f"  missed {what} at {time_s:.1f}" for what, time_s in missed),
                    *(f"  wrong {what} at {time_s:.1f}" for what, time_s in wrong),
                    sep="\n",
                    flush=True,
                )


if __name__ == "__main__":
    main()
