"""The outlines of what was found: which network outlines what, and what a second look says about its class.

Two networks share the work. The person network is crisper; DeepLab knows twenty classes, finds persons where the first one
finds next to nothing, and says what it sees in a box, which corrects the detector where that is clear.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.deeplab import MEMBERS, DeepLab, kind
from streamer.detectors.neighbours import separate
from streamer.detectors.opinion import ANIMALS, CAR_LIKE, Opinion, judge
from streamer.detectors.outline_memory import OutlineMemory, Remembered, patch
from streamer.detectors.person_outlines import PersonNetwork
from streamer.detectors.weights import FOLDER, verified
from streamer.instances import Instances

Floats = NDArray[np.float32]

CELLS = 96
"""Finer than the box models' usual 28 or 33: the outlines of large objects gain by it, beyond 96 nothing is to be seen."""
LEAST_SHARE, MOST_SHARE = 0.1, 0.97
"""An outline that covers less or more of its box tells nothing: then the box is shown. Of a box with sides on the picture's
edge more may be covered: what the edge cuts off is as wide there as the box."""
ON_EDGE_SHARE = 0.08
"""A side lies on the picture's edge when it is nearer to it than this share of the box: boxes of what fills the picture end a
little before."""
DOUBTFUL_SHARE = 0.25
"""A person whose outline covers less of the box is shown to the other network, too; people who walk cover 0.4 to 0.55.
So is one whose outline covers all of it, as may happen before a blurred crowd."""
SMALLEST_PX = 12.0
"""Shorter sides are too few pixels for an outline."""
SMALLEST_JUDGED_PX = 24.0
"""Shorter sides are too few pixels for a second opinion."""
SMALLEST_DOUBTED_PX = 72.0
"""Of what has no longer side than this DeepLab may see nothing though it is there: such as a car far down the road."""


LEAST_SCORE = 0.3
"""Of less sure detections, which are there to extend tracks and not to be shown, an outline is not worth its cost."""
PERSON_MS, SCENE_MS = 5.5, 9.5
"""What a look costs one core: a person, with a look of DeepLab for one in six, and what only DeepLab outlines. Nominal, since
the same recording has to give the same outlines on a machine that is busy. *Measured* 4.0 without DeepLab, and 9.4."""
RECORDING_MS, LIVE_MS = 50.0, 35.0
"""What the looks at one frame may cost together: 25 ms a frame on two cores, which either share the objects of a frame or
work on two frames of a recording; less where pictures do not wait. *Measured* as processor time with 7 and with 29 people in
the picture: 26 and 50 ms of 50, 25 and 41 of 35 (the rest of it is for carrying outlines). With 25 a fourth of those 29 have
boxes only; what is carried has a lower overlap with an outline of its own frame, about 0.7."""
ANEW_MS = 150.0
"""The same for a picture that shows nothing of the one before, such as a photo, the first frame, or the one after a cut."""


class Outliner:
    """Both networks, once for each thread: objects side by side cost less than threads within one small network.

    Calls from any one thread at a time, with the frames of a stream in order: objects that stand still keep their
    outlines, and those that move keep them for a few frames where there are too many to look at.
    """

    def __init__(
        self, labels: Mapping[int, str], threads: int, *, most_ms: float = RECORDING_MS, folder: Path = FOLDER
    ) -> None:
        """``labels`` are the detector's, ``most_ms`` is what the looks at one frame may cost one core.

        Raises ``DetectorUnavailable`` when a file is missing or has changed.
        """
        person, scene = "outlines/selfie_segmentation.tflite", "outlines/deeplab_v3_mnv2_dm05_257.tflite"
        contents = verified(person, folder), verified(scene, folder)
        self._labels = labels
        self._ids = {name: class_id for class_id, name in labels.items()}
        self._eyes = [(PersonNetwork(contents[0], person), DeepLab(contents[1], scene)) for _ in range(threads)]
        self._helpers = ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="outlines")
        self._memory = OutlineMemory()
        self._most_ms = most_ms

    def __call__(self, image: NDArray[np.uint8], found: Instances) -> Instances:
        """The same objects, surest first as they come, with outlines and second opinions.

        ``image`` is RGB, uint8 (height, width, 3).
        """
        names = [self._labels[class_id] for class_id in found.class_ids.tolist()]
        boxes = found.boxes_xyxy
        known = self._memory.recall(image, boxes, names)
        due = [row for row, seen in enumerate(known) if (seen is None or seen.due) and found.scores[row] >= LEAST_SCORE]
        asked = affordable(due, boxes, names, known, self._most_ms if any(known) else ANEW_MS)
        for row, opinion in self._ask(image, boxes, names, asked):
            known[row] = Remembered(names[row], boxes[row], patch(image, boxes[row]), opinion)
        self._memory.keep([seen for seen in known if seen is not None])
        carried = [seen is not None and seen.due > 0 for seen in known]
        opinions = [
            Opinion(None, name) if seen is None else seen.opinion_in(box)
            for seen, box, name in zip(known, boxes, names, strict=True)
        ]
        return self._with(opinions, carried, found)

    def _ask(
        self, image: NDArray[np.uint8], boxes_xyxy: Floats, names: list[str], rows: list[int]
    ) -> list[tuple[int, Opinion]]:
        """Look at the boxes of these rows, in all threads."""
        left = deque(rows)
        seen: list[tuple[int, Opinion]] = []

        def work(eyes: tuple[PersonNetwork, DeepLab]) -> None:
            while True:
                try:
                    row = left.popleft()
                except IndexError:
                    return
                seen.append((row, look(*eyes, image, boxes_xyxy[row], names[row])))

        helping = [self._helpers.submit(work, eyes) for eyes in self._eyes[1 : len(rows)]]
        try:
            work(self._eyes[0])
        finally:
            wait(helping)
        for helper in helping:
            helper.result()
        return seen

    def forget(self) -> None:
        """Keep no outlines of earlier pictures."""
        self._memory = OutlineMemory()

    def warm_up(self) -> None:
        """Run each network once."""
        for person, scene in self._eyes:
            person.warm_up()
            scene.warm_up()

    def close(self) -> None:
        """End the threads."""
        self._helpers.shutdown()

    def _with(self, opinions: list[Opinion], carried: list[bool], found: Instances) -> Instances:
        masks = np.zeros((len(found), CELLS, CELLS), np.float32)
        for row, opinion in enumerate(opinions):
            if opinion.mask is not None:
                masks[row] = opinion.mask
        kinds = [None if opinion.mask is None else kind(opinion.class_name) for opinion in opinions]
        masks = separate(found.boxes_xyxy, found.scores, masks, kinds)
        shown = [has is not None and share(mask) >= LEAST_SHARE for has, mask in zip(kinds, masks, strict=True)]
        return Instances(
            boxes_xyxy=found.boxes_xyxy,
            scores=found.scores * np.array([opinion.score_factor for opinion in opinions], np.float32),
            class_ids=np.array([self._ids[opinion.class_name] for opinion in opinions], np.int64),
            masks=masks,
            has_mask=np.array(shown, np.bool_),
            mask_carried=np.array(carried, np.bool_),
        )


def look(person: PersonNetwork, scene: DeepLab, image: NDArray[np.uint8], box_xyxy: Floats, name: str) -> Opinion:
    """What the networks see in one box that the detector calls ``name``."""
    if not _looked_at(box_xyxy, name):
        return Opinion(None, name)
    most = most_share(box_xyxy, image.shape[1], image.shape[0])
    if name == "person":
        crisp = person(image, box_xyxy, CELLS)
        if share(crisp) < DOUBTFUL_SHARE:
            crisp = max(crisp, scene(image, box_xyxy, CELLS).outline("person"), key=share)
        elif share(crisp) > MOST_SHARE:
            other = scene(image, box_xyxy, CELLS).outline("person")
            crisp = other if LEAST_SHARE <= share(other) <= MOST_SHARE else crisp
        return Opinion(_shown(crisp, most), name)
    seen = scene(image, box_xyxy, CELLS)
    sides = box_xyxy[2:] - box_xyxy[:2]
    judged = judge(seen.classes, name) if sides.min() >= SMALLEST_JUDGED_PX else Opinion(None, name)
    factor = judged.score_factor if sides.max() >= SMALLEST_DOUBTED_PX else 1.0
    mask = _shown(seen.outline(judged.class_name), most) if judged.class_name in MEMBERS else None
    return Opinion(mask, judged.class_name, factor)


def affordable(
    due: Sequence[int], boxes_xyxy: Floats, names: Sequence[str], known: Sequence[Remembered | None], most_ms: float
) -> list[int]:
    """Those of the rows ``due`` that ``most_ms`` suffices for: first what has no outline yet, then the stalest, the largest."""

    def urgency(row: int) -> tuple[float, float]:
        seen = known[row]
        return math.inf if seen is None else seen.uses, float((boxes_xyxy[row, 2:] - boxes_xyxy[row, :2]).prod())

    asked = []
    for row in sorted(due, key=urgency, reverse=True):
        most_ms -= nominal_ms(boxes_xyxy[row], names[row])
        if most_ms < 0:
            break
        asked.append(row)
    return asked


def nominal_ms(box_xyxy: Floats, name: str) -> float:
    """What :func:`look` costs one core, in milliseconds."""
    if not _looked_at(box_xyxy, name):
        return 0.0
    return PERSON_MS if name == "person" else SCENE_MS


def _looked_at(box_xyxy: Floats, name: str) -> bool:
    known = name in MEMBERS or name in ANIMALS or name in CAR_LIKE
    return known and float((box_xyxy[2:] - box_xyxy[:2]).min()) >= SMALLEST_PX


def share(mask: Floats) -> float:
    """Share 0..1 of the box that the mask covers."""
    return float((mask > 0.5).mean())


def most_share(box_xyxy: Floats, width: int, height: int) -> float:
    """The largest share 0..1 of a box, (4,) in pixels, that an outline may cover in a picture of that size: ``MOST_SHARE`` in
    its midst, all of one with two sides or more on the picture's edge."""
    near = ON_EDGE_SHARE * (box_xyxy[2:] - box_xyxy[:2])
    cut = np.concatenate([box_xyxy[:2] <= near, box_xyxy[2:] >= np.array([width, height]) - near])
    return 1.0 - (1.0 - MOST_SHARE) * max(0.0, 1.0 - 0.5 * int(cut.sum()))


def _shown(mask: Floats, most: float) -> Floats | None:
    return np.asarray(mask, np.float32) if LEAST_SHARE <= share(mask) <= most else None
