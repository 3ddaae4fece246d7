"""Drawing instances on a picture: our renderer against supervision's annotators, as pairs in one run.

    python -m benchmarks.render [--pairs 15] [--instances 20]

Both get the same boxes and the same box-relative masks, and hand back a drawn copy: ours of YUV 4:2:0 planes, theirs of a BGR
array (the two conversions that a video needs around it are not counted against them; they are printed beside). Theirs is timed
twice: with full-picture masks, and with their ``CompactMask``. OpenCV runs on one thread, for both, and what is read is that
thread's processor time, which other processes on the machine disturb less than they do the clock.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray
from supervision.detection.compact_mask import CompactMask

from benchmarks.drawn_scene import LABELS, Drawing, ours, ours_changing, scene
from streamer.frame import Frame
from streamer.instances import Instances
from streamer.render.masks import binary_crop
from streamer.render.renderer import Style


def theirs(frame: Frame, instances: Instances, *, compact: bool) -> Drawing:
    """Masks to their form, then Mask, Box and Label annotator."""
    scene_bgr: NDArray[np.uint8] = frame.picture.to_ndarray(format="bgr24").astype(np.uint8)
    height, width = scene_bgr.shape[:2]
    masks, boxes = instances.masks, instances.boxes_xyxy
    texts = [f"{LABELS[int(c)]} {s:.2f}" for c, s in zip(instances.class_ids, instances.scores, strict=True)]
    annotators = (sv.MaskAnnotator(), sv.BoxAnnotator(), sv.LabelAnnotator())

    def draw() -> object:
        full = np.zeros((len(instances), height, width), np.bool_)
        for row in range(len(instances)):
            assert masks is not None
            x, y, crop = binary_crop(masks[row], boxes[row], width, height)
            full[row, y : y + crop.shape[0], x : x + crop.shape[1]] = crop
        mask = CompactMask.from_dense(full, boxes, (height, width)) if compact else full
        detections = sv.Detections(xyxy=boxes, mask=mask, confidence=instances.scores, class_id=instances.class_ids)
        picture = scene_bgr.copy()
        for annotator in annotators[:2]:
            picture = annotator.annotate(picture, detections)
        return annotators[2].annotate(picture, detections, labels=texts)

    return draw


def milliseconds(draw: Drawing) -> float:
    """Processor time of one call."""
    start = time.thread_time_ns()
    draw()
    return (time.thread_time_ns() - start) / 1e6


def peak_megabytes(draw: Drawing) -> float:
    """What one call allocates at its peak, as tracemalloc sees numpy and OpenCV arrays (not FFmpeg's copy of the picture)."""
    tracemalloc.start()
    draw()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--instances", type=int, default=20)
    options = parser.parse_args()
    cv2.setNumThreads(1)

    frame, instances = scene(1920, 1080, options.instances)
    drawings = {
        "streamer, the same (masks, boxes, labels)": ours(frame, instances, frozenset({"masks", "boxes", "labels"})),
        "streamer, default (masks, outlines, labels)": ours(frame, instances, Style().draw),
        "streamer, default, new scores each time": ours_changing(frame, instances, Style().draw),
        "supervision, full masks": theirs(frame, instances, compact=False),
        "supervision, CompactMask": theirs(frame, instances, compact=True),
    }
    times: dict[str, list[float]] = {name: [] for name in drawings}
    for drawing in drawings.values():
        drawing()
    for _ in range(options.pairs):
        for name, drawing in drawings.items():
            times[name].append(milliseconds(drawing))
    base = next(iter(drawings))
    print(f"{options.instances} instances on 1920x1080, {options.pairs} interleaved rounds, one thread, processor time")
    print(f"  {'':44}    median   minimum  ratio: median, of minima    peak")
    for name, drawing in drawings.items():
        ratio = statistics.median(b / a for a, b in zip(times[base], times[name], strict=True))
        middle, least = statistics.median(times[name]), min(times[name])
        print(
            f"  {name:44} {middle:7.2f} ms {least:6.2f} ms {ratio:8.1f} x {least / min(times[base]):9.1f} x"
            f" {peak_megabytes(drawing):12.2f} MB"
        )
    there = statistics.median(milliseconds(lambda: frame.picture.to_ndarray(format="bgr24")) for _ in range(9))
    print(f"  (YUV to BGR, once, not counted above: {there:.1f} ms)")

    print("\nstreamer, default style: milliseconds (median of 9)")
    counts = (0, 1, 5, 20, 50, 100)
    print("  picture    " + "".join(f"{count:>8}" for count in counts))
    for width, height in ((176, 144), (640, 360), (1280, 720), (1920, 1080), (3840, 2160)):
        cells = []
        for count in counts:
            drawing = ours(*scene(width, height, count), draw=Style().draw)
            drawing()
            cells.append(statistics.median(milliseconds(drawing) for _ in range(9)))
        print(f"  {width:>4}x{height:<6}" + "".join(f"{cell:8.2f}" for cell in cells))


if __name__ == "__main__":
    main()
