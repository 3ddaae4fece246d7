"""One detector for several recordings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.annotation import annotate_with, ready_detectors
from streamer.config.annotate import AnnotateConfig
from streamer.instances import Instances
from tests.media import Clip


class Counting:
    """Finds an object from the third picture of a recording on; once closed it finds nothing."""

    labels: Mapping[int, str] = {1: "light"}

    def __init__(self) -> None:
        self.pictures = 0

    def detect(self, image: NDArray[np.uint8]) -> Instances:  # noqa: ARG002  # of the protocol
        self.pictures += 1
        if self.pictures < 3:
            return Instances.empty()
        box = np.array([[0, 0, 9, 9]], np.float32)
        return Instances(boxes_xyxy=box, scores=np.array([0.9], np.float32), class_ids=np.array([1]))

    def forget(self) -> None:
        self.pictures = 0

    def close(self) -> None:
        self.pictures = -1_000_000


@pytest.mark.parametrize("interval", [1, 2])
def test_detectors_that_are_lent_forget_each_recording_and_stay_open(tmp_path: Path, interval: int) -> None:
    Clip(size="64x48", seconds=0.4).write(tmp_path / "in.mp4")
    config = AnnotateConfig.model_validate(
        {
            "input": str(tmp_path / "in.mp4"),
            "output": tmp_path / "out.mp4",
            "detector": f"{__name__}:Counting",
            "inference_interval": interval,
            "overwrite": True,
        }
    )
    alone = annotate_with(config)
    assert alone.instances["light"] > 0
    detectors = ready_detectors(config)
    for _ in range(2):
        assert annotate_with(config, detectors=detectors).instances == alone.instances
    for detector in detectors:
        detector.close()
