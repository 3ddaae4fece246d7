"""What a camera's line holds after many frames: ``python -m tests.live.memory_main`` prints the bytes that each has left over.

A process of its own: where other tests have run, memory that they gave back comes to be used again, and looks like growth.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from streamer.frame import Frame
from streamer.render.renderer import Renderer
from tests.fakes import FakeSink, FakeSource, frame, picture
from tests.live.test_camera import camera, fake_parts

FRAMES = 30_000
WARM = 10_000
"""What is left over is counted from here on."""


def main() -> None:
    """Real pictures, detections, drawing, records and rates."""
    measured: dict[int, int] = {}
    held = threading.Semaphore(64)
    pictures = [picture(shade=shade) for shade in range(0, 200, 10)]

    def frames() -> Iterator[Frame]:
        for index in range(FRAMES):
            held.acquire()
            item = frame(index)
            item.picture = pictures[index % len(pictures)]
            yield item

    def write(index: int) -> None:
        held.release()
        if index in (WARM, FRAMES - 1):
            gc.collect()
            measured[index] = resident_bytes()
        if not index % 100:
            line.sample(float(index))
            line.status().as_dict()

    renderer = Renderer({1: "person"})
    # A recording waits for the pipeline: nothing is dropped.
    line, shared = camera(fake_parts([FakeSource(frames(), live=False)], [FakeSink(at=write)], render=renderer))
    line.run()
    shared.close()
    assert line.status().frames_out == FRAMES
    print((measured[FRAMES - 1] - measured[WARM]) / (FRAMES - 1 - WARM))


def resident_bytes() -> int:
    """Memory that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE")


if __name__ == "__main__":
    main()
