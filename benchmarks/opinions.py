"""What the second look is worth: precision and recall of class with and without it, and pixels that neighbours share.

On frames of the sample clips: persons of the pedestrians by the truth made by hand, everything else by a short list, made by
eye, of the objects near enough to be named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.average_precision import read_mot
from benchmarks.measure import SAMPLES
from streamer.detectors.deeplab import DeepLab, kind
from streamer.detectors.from_settings import DEFAULT_SCORE
from streamer.detectors.labels import COCO
from streamer.detectors.nanodet import COCO_IDS, DEFAULT_CLASSES, SIZES, NanoDetDetector, weights_file
from streamer.detectors.nanodet_boxes import BoxNetwork, best_fit
from streamer.detectors.neighbours import separate
from streamer.detectors.outlines import CELLS, look
from streamer.detectors.person_outlines import PersonNetwork
from streamer.detectors.weights import verified
from streamer.follow.boxes import overlaps
from streamer.instances import Instances
from streamer.sources.video import VideoFile

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]

EVERY = 10
"""Of the pedestrians each tenth frame is looked at."""
PERSON = 1
IDS = {name: class_id for class_id, name in COCO.items()}
_ROWS = [(1, 100, 65, 131), (211, 97, 285, 155), (300, 110, 394, 188), (365, 105, 448, 151), (520, 104, 622, 162)]
_BOTTLES = [(55, 108, 122, 314), (285, 109, 347, 315), (508, 107, 574, 318)]

SEEN: Mapping[str, Mapping[int, Mapping[str, Sequence[tuple[int, int, int, int]]]]] = {
    "bikes": {
        30: {
            "person": [(162, 0, 380, 270)],
            "car": [(379, 17, 640, 272), (0, 111, 123, 270), (3, 88, 175, 241)],
        },
        110: {
            "person": [(342, 12, 482, 270)],
            "bicycle": [(368, 150, 508, 270)],
            "car": [(0, 18, 300, 272)],
            "motorcycle": [(521, 143, 640, 272)],
        },
        130: {
            "person": [(347, 0, 487, 268)],
            "bicycle": [(376, 132, 516, 271)],
            "car": [(0, 12, 301, 272)],
            "motorcycle": [(530, 125, 640, 272)],
        },
        150: {"car": _ROWS, "bicycle": [(160, 10, 340, 272)]},
        170: {"car": [(1, 100, 68, 129), (125, 105, 211, 161), (350, 99, 451, 166), (523, 100, 620, 163)]},
        190: {"person": [(116, 0, 287, 235)], "bicycle": [(290, 12, 550, 210)]},
        210: {"person": [(420, 0, 640, 250)], "bicycle": [(272, 9, 545, 206)]},
        230: {"bicycle": [(270, 9, 545, 206)]},
    },
    "bottles": {
        0: {"bottle": _BOTTLES},
        240: {"bottle": _BOTTLES[1:]},
        400: {"bottle": [(68, 112, 131, 313), *_BOTTLES[1:]]},
    },
}
"""By clip and frame: each class with its boxes, in pixels."""


def opinions(variant: str) -> None:
    """Print precision and recall of class from the default score on, without and with the second look."""
    least = DEFAULT_SCORE[variant]
    print(f"{variant}: precision / recall of class from {least} on, at IoU 0.5, without and with the second look")
    for clip, wanted in _clips().items():
        pictures = {at: image for at, image in frames(clip) if at in wanted}
        truth = [wanted[at] for at in pictures]
        plain = [_plain(variant, image, least) for image in pictures.values()]
        judged = [_judged(variant, image, least) for image in pictures.values()]
        if clip == "pedestrians":  # its truth holds persons only
            plain, judged = ([found[found.class_ids == PERSON] for found in each] for each in (plain, judged))
        cells = "; ".join("{:.3f} / {:.3f}".format(*precision_and_recall(each, truth)) for each in (plain, judged))
        print(f"  {clip:12} {len(truth):3} frames, {sum(map(len, truth)):3} objects: {cells}", flush=True)


def sharing(variant: str) -> None:
    """Print the share of outlined pixels that two of one kind claim, before and after they are separated."""
    names = "outlines/selfie_segmentation.tflite", "outlines/deeplab_v3_mnv2_dm05_257.tflite"
    person, scene = PersonNetwork(verified(names[0]), names[0]), DeepLab(verified(names[1]), names[1])
    outlined = shared_before = shared_after = 0
    for at, image in frames("pedestrians"):
        if at % EVERY:
            continue
        found = _plain(variant, image, DEFAULT_SCORE[variant])
        seen = [
            look(person, scene, image, box, COCO[int(class_id)])
            for box, class_id in zip(found.boxes_xyxy, found.class_ids, strict=True)
        ]
        kinds = [None if opinion.mask is None else kind(opinion.class_name) for opinion in seen]
        masks = np.zeros((len(seen), CELLS, CELLS), np.float32)
        for row, opinion in enumerate(seen):
            if opinion.mask is not None:
                masks[row] = opinion.mask
        by_some, by_two = claimed(image, found.boxes_xyxy, masks, kinds)
        outlined, shared_before = outlined + by_some, shared_before + by_two
        parted = separate(found.boxes_xyxy, found.scores, masks, kinds)
        shared_after += claimed(image, found.boxes_xyxy, parted, kinds)[1]
    print(
        f"{variant}: of the outlined pixels of the pedestrians, each tenth frame, two of one kind claim "
        f"{shared_before / outlined:.2%} before and {shared_after / outlined:.2%} after they are separated"
    )


def precision_and_recall(found: Sequence[Instances], truth: Sequence[Instances]) -> tuple[float, float]:
    """Of boxes of the right class at IoU 0.5, one to one; 1 where nothing is shown, or there."""
    right = 0
    for boxes, true in zip(found, truth, strict=True):
        iou, _ = overlaps(true.boxes_xyxy.astype(np.float64), boxes.boxes_xyxy.astype(np.float64))
        same = (iou >= 0.5) & (true.class_ids[:, None] == boxes.class_ids[None, :])
        right += int(same[linear_sum_assignment(same, maximize=True)].sum())
    shown, there = sum(map(len, found)), sum(map(len, truth))
    return right / shown if shown else 1.0, right / there if there else 1.0


def claimed(image: Rgb, boxes_xyxy: Floats, masks: Floats, kinds: Sequence[object]) -> tuple[int, int]:
    """How many pixels some outline claims, and how many two of one kind do."""
    height, width = image.shape[:2]
    counts: dict[object, NDArray[np.uint8]] = {}
    for box, mask, of in zip(boxes_xyxy.round().astype(int).tolist(), masks, kinds, strict=True):
        if of is None:
            continue
        left, top, right, bottom = box
        whole = cv2.resize(mask, (max(1, right - left), max(1, bottom - top))) > 0.5
        count = counts.setdefault(of, np.zeros((height, width), np.uint8))
        part = count[top:bottom, left:right]
        part += whole[: part.shape[0], : part.shape[1]].astype(np.uint8)
    if not counts:
        return 0, 0
    most = np.max(list(counts.values()), axis=0)
    return int((most > 0).sum()), int((most > 1).sum())


def frames(clip: str) -> Iterator[tuple[int, Rgb]]:
    """The frames of a sample clip with their numbers, from 0."""
    source = VideoFile(SAMPLES / f"{clip}.mp4")
    source.open()
    try:
        for at, frame in enumerate(source.frames()):
            yield at, frame.rgb()
    finally:
        source.close()


def _clips() -> dict[str, dict[int, Instances]]:
    clips = {clip: {at: _listed(objects) for at, objects in seen.items()} for clip, seen in SEEN.items()}
    count = sum(1 for _ in frames("pedestrians"))
    truth = read_mot(SAMPLES / "pedestrians.gt.txt", count, PERSON)
    clips["pedestrians"] = {at: truth[at] for at in range(0, count, EVERY)}
    return clips


def _listed(objects: Mapping[str, Sequence[tuple[int, int, int, int]]]) -> Instances:
    rows = [(IDS[name], box) for name, boxes in objects.items() for box in boxes]
    return Instances(
        boxes_xyxy=np.array([box for _, box in rows], np.float32).reshape(-1, 4),
        scores=np.ones(len(rows), np.float32),
        class_ids=np.array([class_id for class_id, _ in rows], np.int64),
    )


def _plain(variant: str, image: Rgb, least: float) -> Instances:
    name = weights_file(best_fit(SIZES[variant], image.shape[1], image.shape[0]))
    boxes = BoxNetwork(verified(name), 2, name)(image, least, 100)
    return _wanted(
        Instances(boxes_xyxy=boxes.xyxy, scores=boxes.scores, class_ids=COCO_IDS[boxes.classes]),
        least,
    )


def _judged(variant: str, image: Rgb, least: float) -> Instances:
    detector = NanoDetDetector(variant, score_threshold=least, threads=2)
    try:
        return _wanted(detector.detect(image), least)
    finally:
        detector.close()


def _wanted(found: Instances, least: float) -> Instances:
    named = np.array([COCO[int(class_id)] in DEFAULT_CLASSES for class_id in found.class_ids], np.bool_)
    return found[named & (found.scores >= least)]
