"""How well the built-in detector sees, and what it costs: ``python -m benchmarks.detector [accuracy] [opinions] [cost]``.

Accuracy: precision and recall at each threshold, and AP at IoU 0.5, of the boxes of persons in each frame, untracked, on the
sample clip with its truth made by hand and on variants of it. Opinions: see :mod:`benchmarks.opinions`. Cost: milliseconds on
one core of putting a picture into the network, computing, and making boxes of what was computed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.average_precision import Picture, average_precision, read_mot
from benchmarks.measure import SAMPLES, asked_for, machine
from benchmarks.opinions import opinions, sharing
from streamer.detectors.from_settings import DEFAULT_SCORE
from streamer.detectors.nanodet import COCO_IDS, SIZES, weights_file
from streamer.detectors.nanodet_boxes import BoxNetwork, best_fit
from streamer.detectors.weights import verified
from streamer.follow.boxes import overlaps
from streamer.instances import Instances
from streamer.sources.video import VideoFile

PERSON = 1
LEAST = 0.2
"""Threshold from which on boxes count for AP, as in a run that tracks."""
THRESHOLDS = tuple(round(0.01 * percent, 2) for percent in range(20, 72, 2))
PRECISE = 0.9
"""Least precision of a threshold that is recommended."""
LIMIT = 100
"""Boxes of a frame at most, as in the detector."""
COST_SIZES = ((768, 576), (1920, 1080), (3840, 2160))

Rgb = NDArray[np.uint8]


class Variant(NamedTuple):
    """The sample clip, changed."""

    change: Callable[[Rgb], Rgb]
    scale: float = 1.0
    """How large it is, times the sample."""
    mirrored: bool = False


def _dark(image: Rgb) -> Rgb:
    return np.asarray(cv2.convertScaleAbs(image, alpha=0.35), np.uint8)


def _mirror(image: Rgb) -> Rgb:
    return np.ascontiguousarray(image[:, ::-1])


def _half(image: Rgb) -> Rgb:
    return np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


VARIANTS: Mapping[str, Variant] = {
    "sample": Variant(lambda image: image),
    "mirrored": Variant(_mirror, mirrored=True),
    "half the size": Variant(_half, scale=0.5),
    "a third of the light": Variant(_dark),
}


class Point(NamedTuple):
    """What is shown from one threshold on."""

    threshold: float
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def curve(found: Sequence[Instances], truth: Sequence[Instances], thresholds: Sequence[float] = THRESHOLDS) -> list[Point]:
    """Precision and recall at IoU 0.5, one to one, of what scores at least each threshold. No boxes: precision 1."""
    points = []
    for threshold in thresholds:
        right = shown = there = 0
        for boxes, true in zip(found, truth, strict=True):
            kept = boxes[boxes.scores >= threshold]
            iou, _ = overlaps(true.boxes_xyxy.astype(np.float64), kept.boxes_xyxy.astype(np.float64))
            same = iou >= 0.5
            right += int(same[linear_sum_assignment(same, maximize=True)].sum())
            shown, there = shown + len(kept), there + len(true)
        points.append(Point(threshold, right / shown if shown else 1.0, right / there if there else 0.0))
    return points


def recommended(points: Sequence[Point]) -> Point:
    """The point of best F1 among those of enough precision, or of all where none has it."""
    return max([point for point in points if point.precision >= PRECISE] or points, key=lambda point: point.f1)


def accuracy(variant: str, rows: Sequence[float] = (0.2, 0.3, 0.36, 0.4, 0.44, 0.5, 0.6)) -> None:
    """Print the curve of each variant of the clip, and the threshold that all of them together recommend."""
    frames = list(_frames())
    truth = read_mot(SAMPLES / "pedestrians.gt.txt", len(frames), PERSON)
    height, width = frames[0].shape[:2]
    print(f"{variant}: persons of {len(frames)} frames of {width}x{height}, precision / recall from each threshold on")
    print(f"  {'':22}  AP50  " + "  ".join(f"{row:11.2f}" for row in rows))
    everything: tuple[list[Instances], list[Instances]] = ([], [])
    for name, changed in VARIANTS.items():
        found = list(_persons(variant, (changed.change(frame) for frame in frames)))
        wanted = [_moved(instances, changed, width) for instances in truth]
        size = Picture(round(width * changed.scale), round(height * changed.scale))
        shown = {point.threshold: point for point in curve(found, wanted, rows)}
        cells = "  ".join(f"{shown[row].precision:.3f} {shown[row].recall:.3f}" for row in rows)
        print(f"  {name:22} {average_precision(found, wanted, size):.3f}  {cells}", flush=True)
        everything[0].extend(found)
        everything[1].extend(wanted)
    best = recommended(curve(*everything))
    [usual] = curve(*everything, [DEFAULT_SCORE[variant]])
    for what, point in (("recommended", best), ("the default", usual)):
        print(
            f"  {what}: {point.threshold:.2f}, precision {point.precision:.3f}, recall {point.recall:.3f}, F1 {point.f1:.3f}"
            " over all of them"
        )


def cost(variant: str, calls: int = 60) -> None:
    """Print what each step takes on one core, at the default threshold and at that of a run that tracks."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    frame = next(_frames())
    print(f"{variant}: median ms of {calls} calls on one core")
    try:
        for width, height in COST_SIZES:
            image = np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
            name = weights_file(best_fit(SIZES[variant], width, height))
            network = BoxNetwork(verified(name), 1, name)
            for threshold in (DEFAULT_SCORE[variant], LEAST):
                put, compute, boxes = _steps(network, image, threshold, calls)
                print(
                    f"  {width}x{height}, network {network.width}x{network.height}, threshold {threshold:.1f}: "
                    f"picture in {put:.2f}, boxes out {boxes:.2f}, together {put + boxes:.2f}; network {compute:.1f}",
                    flush=True,
                )
    finally:
        cv2.setNumThreads(threads)


def _steps(network: BoxNetwork, image: Rgb, threshold: float, calls: int) -> tuple[float, float, float]:
    times: list[tuple[float, float, float]] = []
    for _ in range(calls):
        begun = time.perf_counter()
        scale = network.put(image)
        put = time.perf_counter()
        network.compute()
        computed = time.perf_counter()
        network.boxes(scale, (image.shape[1], image.shape[0]), threshold, LIMIT)
        times.append((put - begun, computed - put, time.perf_counter() - computed))
    put_s, compute_s, boxes_s = (statistics.median(step) for step in zip(*times, strict=True))
    return 1000 * put_s, 1000 * compute_s, 1000 * boxes_s


def _frames() -> Iterator[Rgb]:
    source = VideoFile(SAMPLES / "pedestrians.mp4")
    source.open()
    try:
        for frame in source.frames():
            yield frame.rgb()
    finally:
        source.close()


def _persons(variant: str, images: Iterator[Rgb]) -> Iterator[Instances]:
    network: BoxNetwork | None = None
    for image in images:
        if network is None:
            name = weights_file(best_fit(SIZES[variant], image.shape[1], image.shape[0]))
            network = BoxNetwork(verified(name), 2, name)
        boxes = network(image, LEAST, LIMIT)
        ids = COCO_IDS[boxes.classes]
        kept = ids == PERSON
        yield Instances(boxes_xyxy=boxes.xyxy[kept], scores=boxes.scores[kept], class_ids=ids[kept])


def _moved(truth: Instances, variant: Variant, width: int) -> Instances:
    boxes = truth.boxes_xyxy.copy()
    if variant.mirrored:
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    return Instances(boxes_xyxy=boxes * np.float32(variant.scale), scores=truth.scores, class_ids=truth.class_ids)


if __name__ == "__main__":
    wanted = asked_for(__doc__, "accuracy", "opinions", "cost")
    print(machine())
    for which in SIZES:
        if "accuracy" in wanted:
            accuracy(which)
        if "opinions" in wanted:
            opinions(which)
            sharing(which)
        if "cost" in wanted:
            cost(which)
