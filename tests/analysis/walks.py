"""Objects that walk as they are told, for the tests of zones and lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from streamer.analysis.facts import Crossing, Entry, Exit, SceneFacts
from streamer.analysis.scene import SceneAnalysis
from streamer.instances import Instances

SIZE = (640, 480)
BOX = (40.0, 100.0)
"""Width and height of an object, pixels."""

Path = Callable[[float], tuple[float, float] | None]
"""Where an object's foot is at a time, None where it is not seen."""


def along(*points: tuple[float, float, float]) -> Path:
    """Straight from one point to the next: each is a time, x and y; unseen before the first and after the last."""
    times, xs, ys = zip(*points, strict=True)

    def path(time_s: float) -> tuple[float, float] | None:
        if not times[0] - 1e-9 <= time_s <= times[-1] + 1e-9:
            return None
        return float(np.interp(time_s, times, xs)), float(np.interp(time_s, times, ys))

    return path


def scene(feet: Mapping[int, tuple[float, float] | None], class_id: int = 1) -> Instances:
    """Objects by track id, whose feet are there."""
    seen = {track: foot for track, foot in feet.items() if foot is not None}
    if not seen:
        return Instances.empty()
    width, height = BOX
    boxes = [[x - width / 2, y - height, x + width / 2, y] for x, y in seen.values()]
    return Instances(
        boxes_xyxy=np.array(boxes, np.float32),
        scores=np.full(len(seen), 0.9, np.float32),
        class_ids=np.full(len(seen), class_id),
        track_ids=np.array(list(seen)),
    )


def times(end_s: float, fps: float, dropped: Sequence[int] = ()) -> Iterator[float]:
    """The times of frames, without those that are dropped."""
    for index in range(int(end_s * fps + 1e-9) + 1):
        if index not in dropped:
            yield index / fps


class Told:
    """Everything that an analysis said."""

    def __init__(self) -> None:
        self.crossings: list[Crossing] = []
        self.entries: list[Entry] = []
        self.exits: list[Exit] = []
        self.frames: list[SceneFacts] = []

    def add(self, facts: SceneFacts) -> None:
        self.frames.append(facts)
        self.crossings += facts.crossings
        self.entries += facts.entries
        self.exits += facts.exits

    @property
    def directions(self) -> list[str]:
        return [crossing.direction for crossing in self.crossings]


def walk(
    analysis: SceneAnalysis, paths: Mapping[int, Path], at: Iterable[float], told: Told | None = None, *, ends: bool = True
) -> Told:
    """Let objects, by track id, walk their paths; what is said is added to ``told``."""
    told = told or Told()
    for time_s in at:
        told.add(analysis.update(scene({track: path(time_s) for track, path in paths.items()}), time_s, SIZE))
    if ends:
        told.add(analysis.finish())
    return told
