"""Whether everybody keeps their number, beside other trackers on the same detections: ``python -m benchmarks identities``.

The others are those of the package ``trackers``, judged with us by its port of TrackEval. Every frame is inferred: late
detections are none of their business. Thresholds of the others are those that do best on the sample.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import supervision as sv
from numpy.typing import NDArray
from trackers import BoTSORTTracker, ByteTrackTracker, CBIoUTracker, OCSORTTracker
from trackers.eval import evaluate_mot_sequence

from benchmarks.average_precision import read_mot
from benchmarks.measure import SAMPLES
from benchmarks.streaming_accuracy import Footage, load_clip, simulate
from benchmarks.walkers import PERSON, WalkersScene, detected, scenes
from streamer.instances import Instances
from streamer.sources.synthetic import LABELS, Synthetic

THRESHOLD = 0.4
RATES = (25, 5)
COLUMNS = ("IDF1", "HOTA", "MOTA", "switches", "fragments", "precision", "recall")
OTHERS: dict[str, Callable[[float], Any]] = {
    "ByteTrack": lambda rate: ByteTrackTracker(frame_rate=rate),
    "OC-SORT": lambda rate: OCSORTTracker(frame_rate=rate, high_conf_det_threshold=THRESHOLD),
    "CB-IoU": lambda rate: CBIoUTracker(frame_rate=rate, track_activation_threshold=0.5, high_conf_det_threshold=THRESHOLD),
    "BoT-SORT": lambda rate: BoTSORTTracker(frame_rate=rate, track_activation_threshold=0.5, high_conf_det_threshold=THRESHOLD),
}


class Box(NamedTuple):
    """One box that is shown or true: the number of its track, and pixels."""

    track_id: int
    xyxy: NDArray[np.float64]


Shown = list[list[Box]]
"""Boxes by frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Footage with the truth of one class."""

    name: str
    footage: Footage
    truth: Sequence[Instances]
    class_id: int


def sample() -> Clip:
    """The sample clip with the built-in detector."""
    footage = load_clip(str(SAMPLES / "pedestrians.mp4"), "nanodet", THRESHOLD)
    class_id = next(number for number, name in footage.labels.items() if name == "person")
    return Clip("sample", footage, read_mot(SAMPLES / "pedestrians.gt.txt", len(footage.found), class_id), class_id)


def synthetic(scene: WalkersScene) -> Clip:
    """A synthetic scene with a detector that errs."""
    truth = [scene.people(i) for i in range(scene.frames)]
    found = detected(truth, scene.width, scene.height)
    footage = Footage(
        Synthetic(scene).open(), lambda: Synthetic(scene).frames(), found, THRESHOLD, dict(LABELS), "noisy oracle"
    )
    return Clip(f"{scene.name}, {scene.rate} fps", footage, truth, PERSON)


def boxes_of(shown: Sequence[Instances], class_id: int) -> Shown:
    """The boxes of one class."""
    return [
        [
            Box(int(track), box.astype(np.float64))
            for track, box, kind in zip(found.track_ids, found.boxes_xyxy, found.class_ids, strict=True)
            if kind == class_id
        ]
        for found in shown
    ]


def ours(clip: Clip) -> Shown:
    """What we show where every frame is inferred."""
    return boxes_of([instances for _, instances in simulate(clip.footage, 0, "ours")], clip.class_id)


def theirs(clip: Clip, make: Callable[[float], Any]) -> Shown:
    """What another tracker shows for the same detections."""
    tracker = make(float(clip.footage.info.rate or 25))
    shown: Shown = []
    for frame, found in zip(clip.footage.frames(), clip.footage.found, strict=True):
        found = found[(found.class_ids == clip.class_id) & (found.scores >= 0.5 * THRESHOLD)]
        given = sv.Detections(
            xyxy=found.boxes_xyxy.astype(np.float64), confidence=found.scores, class_id=found.class_ids.astype(np.int64)
        )
        answer = tracker.update(given, _rgb(frame.picture))
        ids = np.array([], np.int64) if answer.tracker_id is None else answer.tracker_id
        shown.append([Box(int(track), box) for track, box in zip(ids, answer.xyxy, strict=True) if track >= 0])
    return shown


def _rgb(picture: av.VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)


def judged(shown: Shown, truth: Shown) -> list[float]:
    """The figures of :data:`COLUMNS`, at IoU 0.5 (HOTA: 0.05 to 0.95)."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "truth.txt"), Path(folder, "shown.txt")
        for path, frames in ((ours, truth), (theirs, shown)):
            path.write_text(
                "".join(
                    f"{i},{box.track_id},{box.xyxy[0]:.2f},{box.xyxy[1]:.2f},{box.xyxy[2] - box.xyxy[0]:.2f},"
                    f"{box.xyxy[3] - box.xyxy[1]:.2f},1,1,1\n"
                    for i, boxes in enumerate(frames, start=1)
                    for box in boxes
                )
            )
        result = evaluate_mot_sequence(ours, theirs, ["CLEAR", "HOTA", "Identity"])
    clear, hota, identity = result.CLEAR, result.HOTA, result.Identity
    assert clear is not None
    assert hota is not None
    assert identity is not None
    return [identity.IDF1, hota.HOTA, clear.MOTA, clear.IDSW, clear.Frag, clear.CLR_Pr, clear.CLR_Re]


def compare(clip: Clip) -> dict[str, list[float]]:
    """The figures of every tracker on one clip."""
    truth = boxes_of(clip.truth, clip.class_id)
    return {"ours": judged(ours(clip), truth)} | {name: judged(theirs(clip, make), truth) for name, make in OTHERS.items()}


def table(rows: dict[str, list[float]]) -> str:
    """All figures of all trackers."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---|" + "---|" * len(COLUMNS)]
    for name, values in rows.items():
        cells = [f"{v:.0f}" if c in ("switches", "fragments") else f"{v:.2f}" for c, v in zip(COLUMNS, values, strict=True)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare on the sample and the synthetic scenes, print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.identities", description=__doc__)
    parser.add_argument("--only", choices=("sample", "synthetic"), help="leave the other one out")
    options = parser.parse_args(arguments)
    if options.only != "synthetic":
        print(f"samples/pedestrians.mp4, nanodet, threshold {THRESHOLD}\n\n{table(compare(sample()))}\n", flush=True)
    if options.only == "sample":
        return
    results = {clip.name: compare(clip) for clip in (synthetic(scene) for rate in RATES for scene in scenes(rate))}
    names = ["ours", *OTHERS]
    means = {name: np.mean([rows[name] for rows in results.values()], axis=0).tolist() for name in names}
    print(f"mean of {len(results)} synthetic scenes\n\n{table(means)}\n")
    print("IDF1 by scene\n\n| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for clip, rows in results.items():
        print(f"| {clip} | " + " | ".join(f"{rows[name][0]:.2f}" for name in names) + " |")


if __name__ == "__main__":
    main()
