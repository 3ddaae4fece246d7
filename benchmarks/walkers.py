"""Synthetic scenes that are hard for identities, with exact truth, and a detector that errs as real ones do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamer.instances import Instances
from streamer.sources.synthetic import SyntheticScene, Thing, texture

PERSON, POLE = 2, 1
"""Class ids in the scenes; the pole is never detected."""
SECONDS = 10.0
WIDTH, HEIGHT = 640, 360
TALL = 0.3
"""Height of a person, in picture heights."""

Path = Callable[[float], tuple[float, float]]
"""Time in seconds to the place of the centre, in picture heights."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Walker(Thing):
    """An object that goes along any path."""

    path: Path

    def place(self, t: float) -> NDArray[np.float64]:
        """(2,): the centre at ``t`` in the world, in picture heights."""
        return np.array(self.path(t))


class WalkersScene(SyntheticScene):
    """People on given paths, the last one in front, before a textured background; ``poles`` stand before all of them."""

    def __init__(
        self,
        name: str,
        paths: Sequence[Path],
        rate: int,
        *,
        alike: bool = False,
        poles: Sequence[tuple[float, float]] = (),
        pan: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """``poles`` are the place across and the width of each, ``pan`` the camera's motion a second, in picture heights."""
        super().__init__(WIDTH, HEIGHT, frames=round(SECONDS * rate), rate=rate, objects=0, pan=pan)
        self.name = name
        self.cut_at = self.frames  # one scene
        random = np.random.default_rng(1)
        clothes = [texture(random, 256, 256, 9.0, 110) for _ in range(1 if alike else len(paths))]
        for i, path in enumerate(paths):
            self.things.append(_walker(path, clothes[i % len(clothes)], (0.4 * TALL, TALL), PERSON, wobble=0.08))
        for across, width in poles:
            self.things.append(
                _walker(lambda _, x=across: (x, 0.5), texture(random, 256, 256, 9.0, 40), (width, 1.6), POLE, wobble=0.0)  # type: ignore[misc]  # the default binds the loop's value
            )

    def people(self, index: int) -> Instances:
        """The people of a frame, without poles; track ids from 1."""
        truth = self.truth(index)
        return truth[truth.class_ids == PERSON]


def _walker(path: Path, skin: NDArray[np.uint8], size: tuple[float, float], class_id: int, wobble: float) -> Walker:
    return Walker(
        class_id=class_id,
        texture=skin,
        start=(0.0, 0.0),
        velocity=(0.0, 0.0),
        size=size,
        growth=0.0,
        wobble=wobble,
        pace=0.9,
        scene=0,
        path=path,
    )


def _straight(x: float, y: float, speed: float, begins_s: float = 0.0) -> Path:
    return lambda t: (x + speed * (t - begins_s), y)


def _halting(x: float, y: float, speed: float, halts: Sequence[tuple[float, float]]) -> Path:
    """Walks at ``speed`` but for the times of its ``halts``, from and to, seconds."""

    def path(t: float) -> tuple[float, float]:
        still = sum(min(max(t - begin, 0.0), end - begin) for begin, end in halts)
        return x + speed * (t - still), y

    return path


def scenes(rate: int) -> list[WalkersScene]:
    """All scenes at ``rate`` frames a second."""
    wide = WIDTH / HEIGHT
    pairs = [
        _straight(0.1, 0.35, 0.17),
        _straight(wide - 0.1, 0.4, -0.16),
        _straight(0.2, 0.6, 0.14),
        _straight(wide, 0.65, -0.17),
    ]
    coming = [
        _straight(-0.15 if i % 2 else wide + 0.15, 0.25 + 0.1 * i, 0.3 if i % 2 else -0.3, begins_s=1.1 * i) for i in range(6)
    ]
    halting = [
        _halting(0.1, 0.35, 0.25, [(2.0, 4.0), (6.0, 7.0)]),
        _halting(wide - 0.1, 0.45, -0.25, [(2.5, 5.0)]),
        _halting(0.3, 0.65, 0.2, [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)]),
        _halting(0.9, 0.7, 0.0, []),
    ]
    # Wide enough to hide somebody altogether for a second.
    behind = [_straight(0.15, 0.3, 0.17), _straight(wide - 0.2, 0.5, -0.16), _straight(0.3, 0.7, 0.15)]
    return [
        WalkersScene("crossings", pairs, rate),
        WalkersScene("similar clothes", pairs, rate, alike=True),
        WalkersScene("behind a pole for 1 s", behind, rate, poles=[(0.5 * wide, 0.16 + 0.4 * TALL)]),
        WalkersScene("entering and leaving", coming, rate),
        WalkersScene("stop and go", halting, rate),
        WalkersScene("moving camera", pairs, rate, pan=(0.12, 0.03)),
    ]


def detected(truth: Sequence[Instances], width: int, height: int, seed: int = 5) -> list[Instances]:
    """What a detector might say: it misses 4 % of all objects, jitters by 3 % of their size, and sees what is not there.

    Misses come in runs, scores differ, and one place in the picture looks like a person now and then.
    """
    random = np.random.default_rng(seed)
    haunted = random.uniform(0.2, 0.8, 2) * (width, height)
    missed: dict[int, int] = {}
    out = []
    for instances in truth:
        rows = []
        for row, track in enumerate(instances.track_ids.tolist()):
            if missed.get(track, 0) == 0 and random.random() < 0.02:
                missed[track] = int(random.integers(1, 4))
            if missed.get(track, 0):
                missed[track] -= 1
            else:
                rows.append(row)
        found = instances[np.array(rows, np.intp)]
        size = np.tile(found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2], 2)
        boxes = found.boxes_xyxy + random.normal(0.0, 0.03, (len(found), 4)) * size
        found = replace(
            found,
            boxes_xyxy=boxes.astype(np.float32),
            scores=np.clip(random.normal(0.65, 0.12, len(found)), 0.2, 0.95).astype(np.float32),
            track_ids=np.full(len(found), -1, np.int64),
        )
        if random.random() < 0.3:
            found = _with_false(found, haunted + random.normal(0.0, 2.0, 2), float(random.uniform(0.2, 0.5)))
        out.append(found.usable(width, height))
    return out


def _with_false(found: Instances, centre: NDArray[np.float64], score: float) -> Instances:
    half = 0.5 * TALL * HEIGHT * np.array([0.4, 1.0])
    cells = 64 if found.masks is None else found.masks.shape[1]
    masks = np.zeros((0, cells, cells), np.float32) if found.masks is None else found.masks
    return Instances(
        boxes_xyxy=np.vstack([found.boxes_xyxy, np.concatenate([centre - half, centre + half])]).astype(np.float32),
        scores=np.append(found.scores, score),
        class_ids=np.append(found.class_ids, PERSON),
        masks=np.concatenate([masks, np.ones((1, cells, cells), np.float32)]),
        has_mask=np.append(found.has_mask, True),
    )
