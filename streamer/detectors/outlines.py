"""The outlines of what was found: which network outlines what, and what a second look says about its class.

Two networks share the work. The person network is crisper; DeepLab knows twenty classes, finds persons where the first one
finds next to nothing, and says what it sees in a box, which corrects the detector where that is clear.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
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
"""An outline that covers less or more of its box tells nothing: then the box is shown."""
DOUBTFUL_SHARE = 0.25
"""A person whose outline covers less of the box is shown to the other network, too; people who walk cover 0.4 to 0.55."""
SMALLEST_PX = 12.0
"""Shorter sides are too few pixels for an outline."""
SMALLEST_JUDGED_PX = 24.0
"""Shorter sides are too few pixels for a second opinion."""


LEAST_SCORE = 0.3
"""Of less sure detections, which are there to extend tracks and not to be shown, an outline is not worth its cost."""
MOST_OUTLINES = 20
"""Objects that are outlined in one frame, the surest first; more of them are shown as boxes."""


class Outliner:
    """Both networks, once for each thread: objects side by side cost less than threads within one small network.

    Calls from any one thread at a time, with the frames of a stream in order: objects that stand still keep
    their outlines.
    """

    def __init__(self, labels: Mapping[int, str], threads: int, folder: Path = FOLDER) -> None:
        """``labels`` are the detector's. Raises ``DetectorUnavailable`` when a file is missing or has changed."""
        person, scene = "outlines/selfie_segmentation.tflite", "outlines/deeplab_v3_mnv2_dm05_257.tflite"
        contents = verified(person, folder), verified(scene, folder)
        self._labels = labels
        self._ids = {name: class_id for class_id, name in labels.items()}
        self._eyes = [(PersonNetwork(contents[0], person), DeepLab(contents[1], scene)) for _ in range(threads)]
        self._helpers = ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="outlines")
        self._memory = OutlineMemory()

    def __call__(self, image: NDArray[np.uint8], found: Instances) -> Instances:
        """The same objects, surest first as they come, with outlines and second opinions.

        ``image`` is RGB, uint8 (height, width, 3).
        """
        names = [self._labels[class_id] for class_id in found.class_ids.tolist()]
        opinions = [Opinion(None, name) for name in names]
        boxes = found.boxes_xyxy
        recalled = self._memory.recall(image, boxes, names)
        for row, known in enumerate(recalled):
            if known is not None:
                opinions[row] = known.opinion_in(boxes[row])
        wanted = [row for row, known in enumerate(recalled) if known is None and found.scores[row] >= LEAST_SCORE]
        asked = wanted[:MOST_OUTLINES]
        for row, opinion in self._ask(image, boxes, names, asked):
            opinions[row] = opinion
        anew = [Remembered(names[row], boxes[row], patch(image, boxes[row]), opinions[row]) for row in asked]
        self._memory.keep([*(known for known in recalled if known is not None), *anew])
        return self._with(opinions, found)

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

    def warm_up(self) -> None:
        """Run each network once."""
        for person, scene in self._eyes:
            person.warm_up()
            scene.warm_up()

    def close(self) -> None:
        """End the threads."""
        self._helpers.shutdown()

    def _with(self, opinions: list[Opinion], found: Instances) -> Instances:
        masks = np.zeros((len(found), CELLS, CELLS), np.float32)
        for row, opinion in enumerate(opinions):
            if opinion.mask is not None:
                masks[row] = opinion.mask
        kinds = [None if opinion.mask is None else kind(opinion.class_name) for opinion in opinions]
        return Instances(
            boxes_xyxy=found.boxes_xyxy,
            scores=found.scores * np.array([opinion.score_factor for opinion in opinions], np.float32),
            class_ids=np.array([self._ids[opinion.class_name] for opinion in opinions], np.int64),
            masks=separate(found.boxes_xyxy, masks, kinds),
            has_mask=np.array([opinion.mask is not None for opinion in opinions], np.bool_),
        )


def look(person: PersonNetwork, scene: DeepLab, image: NDArray[np.uint8], box_xyxy: Floats, name: str) -> Opinion:
    """What the networks see in one box that the detector calls ``name``."""
    sides = box_xyxy[2:] - box_xyxy[:2]
    if sides.min() < SMALLEST_PX:
        return Opinion(None, name)
    if name == "person":
        crisp = person(image, box_xyxy, CELLS)
        if share(crisp) < DOUBTFUL_SHARE:
            crisp = max(crisp, scene(image, box_xyxy, CELLS).outline("person"), key=share)
        return Opinion(_shown(crisp), name)
    if name not in MEMBERS and name not in ANIMALS and name not in CAR_LIKE:
        return Opinion(None, name)
    seen = scene(image, box_xyxy, CELLS)
    judged = judge(seen.classes, name) if sides.min() >= SMALLEST_JUDGED_PX else Opinion(None, name)
    mask = _shown(seen.outline(judged.class_name)) if judged.class_name in MEMBERS else None
    return Opinion(mask, judged.class_name, judged.score_factor)


def share(mask: Floats) -> float:
    """Share 0..1 of the box that the mask covers."""
    return float((mask > 0.5).mean())


def _shown(mask: Floats) -> Floats | None:
    return np.asarray(mask, np.float32) if LEAST_SHARE <= share(mask) <= MOST_SHARE else None
