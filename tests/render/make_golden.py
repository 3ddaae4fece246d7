"""Makes the golden pictures anew: ``python -m tests.render.make_golden``. Look at them before you commit them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from streamer.frame import Plane
from streamer.instances import Instances
from streamer.render.renderer import Renderer, Style
from streamer.stages import Annotated
from tests.render.scenes import LABELS, crowd, frame_of, group, landscape

FOLDER = Path(__file__).parent / "golden"


def _drawn(width: int, height: int, style: Style, objects: Callable[[int, int], Instances] = group) -> Plane:
    item = Annotated(frame_of(landscape(width, height)), objects(width, height))
    Renderer(LABELS, style=style)(item)
    assert isinstance(item.picture, av.VideoFrame)
    return np.asarray(item.picture.to_ndarray(format="bgr24"), np.uint8)


PICTURES: dict[str, Callable[[], Plane]] = {
    "default-320x240": lambda: _drawn(320, 240, Style()),
    "all-321x181": lambda: _drawn(321, 181, Style(draw=frozenset({"masks", "outlines", "boxes", "labels"}), show_age=True)),
    "masks-176x144": lambda: _drawn(176, 144, Style(draw=frozenset({"masks"}), mask_opacity=0.7)),
    "crowd-480x270": lambda: _drawn(480, 270, Style(), crowd),
    "outlines-boxes-160x120": lambda: _drawn(160, 120, Style(draw=frozenset({"outlines", "boxes"}))),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        cv2.imwrite(str(FOLDER / f"{name}.png"), draw())


if __name__ == "__main__":
    main()
