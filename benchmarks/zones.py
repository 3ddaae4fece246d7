"""What zones and lines cost a frame: 20 moving objects with masks, 10 zones and a line, in a 1080p picture."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.measure import asked_for
from streamer.analysis.places import Line, Zone
from streamer.analysis.scene import SceneAnalysis
from streamer.instances import Instances

SIZE = (1920, 1080)
OBJECTS = 20
ZONES = 10
FRAMES = 600


def zones(*, by_coverage: int) -> list[Zone]:
    """Zones of five corners that overlap, the first ones by coverage."""
    made = []
    for number in range(ZONES):
        x = 0.03 + 0.075 * number
        corners = ((x, 0.1), (x + 0.2, 0.05), (x + 0.24, 0.5), (x + 0.2, 0.9), (x - 0.02, 0.95))
        made.append(Zone(name=f"{number}", polygon=corners, count="coverage" if number < by_coverage else "foot"))
    return made


def objects(frame: int) -> Instances:
    """Objects on small circles, over the edges of the zones."""
    rng = np.random.default_rng(1)
    corners = rng.uniform(0.1, 0.8, (OBJECTS, 2)) * SIZE
    phase = np.arange(OBJECTS)
    corners += np.stack([40 * np.sin(frame / 20 + phase), 60 * np.cos(frame / 15 + phase)], axis=1)
    return Instances(
        boxes_xyxy=np.concatenate([corners, np.add(corners, (80, 200))], axis=1).astype(np.float32),
        scores=np.full(OBJECTS, 0.9, np.float32),
        class_ids=np.ones(OBJECTS, np.int64),
        masks=rng.uniform(0, 1, (OBJECTS, 28, 28)).astype(np.float32),
        track_ids=np.arange(1, OBJECTS + 1),
    )


def main() -> None:
    scenes = [objects(frame) for frame in range(FRAMES)]
    for by_coverage in (0, ZONES // 2):
        analysis = SceneAnalysis(zones(by_coverage=by_coverage), [Line(name="line", points=((0.0, 0.5), (1.0, 0.5)))])
        took = []
        for frame, found in enumerate(scenes):
            before = time.perf_counter()
            analysis.update(found, frame / 25, SIZE)
            took.append(1e3 * (time.perf_counter() - before))
        median, p95 = np.percentile(took, [50, 95])
        print(f"{OBJECTS} objects, {ZONES} zones, {by_coverage} of them by coverage: {median:.2f} ms a frame, p95 {p95:.2f}")


if __name__ == "__main__":
    asked_for(__doc__)
    main()
