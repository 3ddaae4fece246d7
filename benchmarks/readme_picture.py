"""Makes the README's picture, docs/annotated.jpg, anew: ``python -m benchmarks.readme_picture``. Look at it then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import SAMPLES
from streamer.config.annotate import AnnotateConfig
from streamer.detectors.from_settings import score_threshold
from streamer.detectors.registry import load_detector
from streamer.frame import Frame
from streamer.perception.selection import detect_in, selection
from streamer.render.renderer import Renderer, Style
from streamer.sources.video import VideoFile
from streamer.stages import Annotated

PICTURE = Path(__file__).parent.parent / "docs" / "annotated.jpg"
HEIGHT_PX = 440
GAP_PX = 6


class Panel(NamedTuple):
    """A part of one frame of a sample, enlarged before it is drawn on, so that lines and letters are crisp."""

    sample: str
    frame: int
    left: int
    top: int
    right: int
    bottom: int


PANELS = (
    Panel("bikes.mp4", 134, 330, 0, 640, 272),
    Panel("pedestrians.mp4", 84, 405, 20, 768, 340),
    Panel("bottles.mp4", 1080, 190, 0, 630, 360),
)


def drawn(panel: Panel) -> NDArray[np.uint8]:
    """The panel as ``streamer annotate`` shows it, BGR, ``HEIGHT_PX`` high."""
    config = AnnotateConfig(input=str(SAMPLES / panel.sample))
    detector = load_detector(config.detector, score_threshold=score_threshold(config, config.detector))
    select = selection(config, config.detector, detector)
    source = VideoFile(SAMPLES / panel.sample)
    source.open()
    try:
        frame = next(frame for frame in source.frames() if frame.index == panel.frame)
        found = select(detect_in(detector, frame))
    finally:
        source.close()
        detector.close()
    scale = HEIGHT_PX / (panel.bottom - panel.top)
    width, height = (2 * round(side * scale / 2) for side in (frame.width, frame.height))
    picture = frame.picture.reformat(width, height, interpolation="LANCZOS")
    item = Annotated(_with_picture(frame, picture), replace(found, boxes_xyxy=found.boxes_xyxy * np.float32(scale)))
    # Letters and lines as large as in a picture of the panel's size.
    style = Style(scale=0.8)
    Renderer(detector.labels, style=style)(item)
    assert isinstance(item.picture, av.VideoFrame)
    bgr = item.picture.to_ndarray(format="bgr24")
    left, top, right = (round(side * scale) for side in (panel.left, panel.top, panel.right))
    return np.asarray(bgr[top : top + HEIGHT_PX, left:right], np.uint8)


def _with_picture(frame: Frame, picture: av.VideoFrame) -> Frame:
    picture.pts, picture.time_base = frame.pts, frame.time_base
    return replace(frame, picture=picture)


def main() -> None:
    gap = np.full((HEIGHT_PX, GAP_PX, 3), 255, np.uint8)
    first, *others = (drawn(panel) for panel in PANELS)
    row = np.hstack([first, *(part for panel in others for part in (gap, panel))])
    cv2.imwrite(str(PICTURE), row, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
