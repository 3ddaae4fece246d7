"""How right is what is on the screen, when the detector takes L frames? ``python -m benchmarks.streaming_accuracy --help``.

The streaming accuracy of "Towards Streaming Perception" (Li, Wang, Ramanan 2020), for masks as well as boxes, on a simulated
clock: the detector begins on the newest frame whenever it is free, takes exactly L frame times, and what is shown with each
frame is judged by what is there in that frame. A detection begun with frame t can be shown with frame t + L; with L = 0 every
frame is inferred. Three ways: *hold* shows the last result as it is, *uncompensated* follows it from when it arrives as if it
were of that moment, *ours* carries it from the frame that it is of.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.average_precision import Kind, Picture, average_precision, read_mot
from benchmarks.perfect_following import perfect
from benchmarks.track_metrics import flicker, identities, mask_overlap
from streamer.detectors.from_settings import DEFAULT_SCORE
from streamer.detectors.registry import load_detector
from streamer.errors import StreamerError
from streamer.follow.follower import Follower
from streamer.follow.settings import FollowSettings
from streamer.frame import Frame, StreamInfo
from streamer.instances import Instances
from streamer.perception.selection import detect_in
from streamer.sinks.records import Records
from streamer.sources.synthetic import LABELS, Synthetic, SyntheticScene
from streamer.sources.video import VideoFile
from streamer.stages import Annotated, Source

WAYS = ("hold", "uncompensated", "ours")
LATENCIES = (0, 1, 2, 3, 5, 7)
PLOT = Path(__file__).parent.parent / "docs" / "streaming_accuracy.png"


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """A clip and all that its detector says of it."""

    info: StreamInfo
    frames: Callable[[], Iterator[Frame]]
    """Decodes the clip anew."""
    found: Sequence[Instances]
    """Per frame, with scores from half the threshold on."""
    score_threshold: float
    labels: dict[int, str]
    detector_name: str

    @property
    def every_frame(self) -> list[Instances]:
        """What is shown when every frame is inferred."""
        return [self.sure(i) for i in range(len(self.found))]

    def sure(self, index: int) -> Instances:
        """The detections of a frame that are good enough to be shown."""
        return self.found[index][self.found[index].scores >= self.score_threshold]


def simulate(footage: Footage, latency: int, way: str) -> Iterator[tuple[Frame, Instances]]:
    """Each frame with what would have been on the screen at its time. Raises ``ValueError`` for an unknown way."""
    if way not in WAYS:
        raise ValueError(f"way: expected one of {', '.join(WAYS)}, got {way}")
    follower = Follower(FollowSettings.shown_from(footage.score_threshold))
    held = Instances.empty()
    busy: int | None = None
    for index, frame in enumerate(footage.frames()):
        if way != "hold":
            follower.advance(frame)
        if latency == 0:
            busy = index
        if busy is not None and index - busy >= latency:
            if way == "hold":
                held = footage.sure(busy)
            else:
                follower.detected(frame.index if way == "uncompensated" else busy, footage.found[busy])
            busy = None
        if busy is None:
            busy = index
        if way != "hold":
            follower.expect(busy, index)
        yield frame, held if way == "hold" else follower.instances()


def load_clip(path: str, detector: str, score_threshold: float | None) -> Footage:
    """Run a detector on every frame of a recording, or take the exact truth of the synthetic scene (``test:``, ``oracle``)."""

    def reopened(make: Callable[[], Source]) -> Callable[[], Iterator[Frame]]:
        def frames() -> Iterator[Frame]:
            source = make()
            source.open()
            try:
                yield from source.frames()
            finally:
                source.close()

        return frames

    threshold = DEFAULT_SCORE.get(detector, 0.5) if score_threshold is None else score_threshold
    if path == "test:":
        scene = SyntheticScene()
        truth = [scene.truth(i) for i in range(scene.frames)]
        info = Synthetic(scene).open()
        return Footage(info, reopened(lambda: Synthetic(scene)), truth, threshold, dict(LABELS), "oracle")
    frames = reopened(lambda: VideoFile(path))
    source = VideoFile(path)
    info = source.open()
    source.close()
    model = load_detector(detector, score_threshold=0.5 * threshold)
    try:
        model.warm_up()
        found = [detect_in(model, frame) for frame in frames()]
    finally:
        model.close()
    return Footage(info, frames, found, threshold, dict(model.labels), model.name)


def write(footage: Footage, latency: int, way: str, path: Path) -> None:
    """What would have been on the screen, as records."""
    records = Records(path, footage.info, footage.labels, footage.detector_name, overwrite=True)
    try:
        for frame, instances in simulate(footage, latency, way):
            records.write(Annotated(frame, instances))
    except BaseException:
        records.abandon()
        raise
    records.finish()


Shown = dict[tuple[str, int], list[Instances]]


def simulate_all(footage: Footage, latencies: Sequence[int]) -> Shown:
    """What is shown with each frame, by way and latency."""
    return {(way, n): [instances for _, instances in simulate(footage, n, way)] for n in latencies for way in WAYS}


def table(
    footage: Footage,
    shown: Shown,
    truth: Sequence[Instances] | None = None,
    class_id: int | None = None,
    truth_class: int | None = None,
) -> dict[tuple[str, str, int], float]:
    """AP by (what it is judged by, way, latency)."""
    picture = Picture(footage.info.width, footage.info.height)
    judges: dict[str, tuple[Sequence[Instances], Kind, int | None]] = {
        "boxes, every-frame result": (footage.every_frame, "bbox", class_id),
        "masks, every-frame result": (footage.every_frame, "segm", class_id),
    }
    if truth is not None:
        judges["boxes, ground truth"] = (truth, "bbox", truth_class)
    results = {}
    for (way, latency), found in shown.items():
        for name, (wanted, kind, only) in judges.items():
            results[name, way, latency] = average_precision(found, wanted, picture, kind, only)
    return results


def markdown(results: dict[tuple[str, str, int], float]) -> str:
    """The figures as tables for a page."""
    lines = []
    latencies = sorted({latency for _, _, latency in results})
    for judge in dict.fromkeys(judge for judge, _, _ in results):
        lines += [f"AP at IoU 0.5 ({judge})", "", "| detector takes | " + " | ".join(WAYS) + " |", "|---|" + "---|" * len(WAYS)]
        for latency in latencies:
            name = "0 frames (every frame inferred)" if latency == 0 else f"{latency} frame{'s' * (latency > 1)}"
            lines.append(f"| {name} | " + " | ".join(f"{results[judge, way, latency]:.3f}" for way in WAYS) + " |")
        lines.append("")
    return "\n".join(lines)


def more(footage: Footage, shown: Shown, truth: Sequence[Instances] | None, class_id: int | None) -> str:
    """Mask overlap with the every-frame result, of our way, as a table; flicker where that result has track ids, and identities
    where there is ground truth."""
    picture = Picture(footage.info.width, footage.info.height)
    named = truth is not None and class_id is not None
    exact = all((found.track_ids > 0).all() for found in footage.every_frame)
    lines = ["| detector takes | mask IoU |" + " flicker |" * exact + " IDF1 | switches | precision | recall |" * named]
    lines.append("|---|---|" + "---|" * exact + "---|" * 4 * named)
    for (way, latency), found in shown.items():
        if way != "ours":
            continue
        cells = [str(latency), f"{mask_overlap(found, footage.every_frame, picture):.3f}"]
        if exact:
            cells.append(f"{flicker(found, footage.every_frame):.4f}")
        if truth is not None and class_id is not None:
            judged = identities(found, truth, class_id)
            cells += [f"{judged.idf1:.2f}", str(judged.switches), f"{judged.precision:.2f}", f"{judged.recall:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    if exact:
        lines.append(f"\nflicker of the every-frame result itself: {flicker(footage.every_frame, footage.every_frame):.4f}")
    return "\n".join(lines)


def bound(footage: Footage, latencies: Sequence[int], truth: Sequence[Instances], class_id: int) -> str:
    """AP that no follower of these detections can surpass by better motion, as a table."""
    picture = Picture(footage.info.width, footage.info.height)
    lines = ["| detector takes | AP at IoU 0.5 (boxes, ground truth) of perfect following |", "|---|---|"]
    for n in latencies:
        shown = perfect(footage.every_frame, truth, n, class_id)
        lines.append(f"| {n} | {average_precision(shown, truth, picture, 'bbox', class_id):.3f} |")
    return "\n".join(lines)


def plot(results: dict[tuple[str, str, int], float], path: Path) -> None:
    """Accuracy over latency, one curve a way, one panel a judge."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    judges = list(dict.fromkeys(judge for judge, _, _ in results))
    figure, panels = plt.subplots(1, len(judges), figsize=(5.2 * len(judges), 3.8), sharey=True, squeeze=False)
    for panel, judge in zip(panels[0], judges, strict=True):
        for way, colour in zip(WAYS, ("#9aa0a6", "#e8710a", "#1a73e8"), strict=True):
            points = sorted((latency, ap) for (j, w, latency), ap in results.items() if (j, w) == (judge, way))
            panel.plot(*np.array(points).T, marker="o", color=colour, label=way)
        panel.set(title=judge, xlabel="frames that the detector takes", ylim=(0, 1))
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("AP at IoU 0.5")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, simulate, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming_accuracy", description=__doc__)
    parser.add_argument("input", help="a recording, or test: for the synthetic scene with exact masks")
    parser.add_argument("--detector", default="nanodet")
    parser.add_argument("--latency-frames", type=int, help="frames that the detector takes; without it: a table over several")
    parser.add_argument("--way", choices=WAYS, default="ours", help="which way is written to --detections")
    parser.add_argument("--detections", type=Path, help="write what would have been on the screen as JSON Lines")
    parser.add_argument("--truth", type=Path, help="ground truth boxes, MOT text format")
    parser.add_argument("--class", dest="class_name", help="judge this class only; without it the mean over classes")
    parser.add_argument("--score-threshold", type=float, help="least score to be shown; the detector's usual one without it")
    parser.add_argument("--oracle", action="store_true", help="print what a perfect follower would reach, too; needs --truth")
    parser.add_argument("--plot", type=Path, nargs="?", const=PLOT, help="draw accuracy over latency")
    options = parser.parse_args(arguments)
    if options.latency_frames is not None and options.latency_frames < 0:
        parser.error("--latency-frames: expected 0 or more")
    if options.detections is not None and options.latency_frames is None:
        parser.error("--detections needs --latency-frames")
    if options.oracle and options.truth is None:
        parser.error("--oracle needs --truth")
    try:
        footage = load_clip(options.input, options.detector, options.score_threshold)
    except StreamerError as error:
        parser.error(str(error))
    if options.detections is not None:
        write(footage, options.latency_frames, options.way, options.detections)
    names = {name.lower(): number for number, name in footage.labels.items()}
    class_id = None if options.class_name is None else names.get(options.class_name.lower())
    if options.class_name is not None and class_id is None:
        parser.error(f"--class: the detector knows no {options.class_name}")
    truth, truth_class = None, class_id
    if options.truth is not None:
        truth_class = names.get("person") if class_id is None else class_id
        if truth_class is None:
            parser.error("--truth needs --class: which class it is of")
        try:
            truth = read_mot(options.truth, len(footage.found), truth_class)
        except (OSError, ValueError) as error:
            parser.error(f"--truth: {error}")
    latencies = LATENCIES if options.latency_frames is None else (options.latency_frames,)
    shown = simulate_all(footage, latencies)
    results = table(footage, shown, truth, class_id, truth_class)
    print(markdown(results))
    print(more(footage, shown, truth, truth_class))
    if options.oracle and truth is not None and truth_class is not None:
        print(f"\n{bound(footage, latencies, truth, truth_class)}")
    if options.plot is not None:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
