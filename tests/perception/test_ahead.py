"""Several detectors at one recording give what one of them gives."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.annotation import annotate_with
from streamer.config.annotate import AnnotateConfig
from streamer.detectors.plugin import PluginDetector
from streamer.instances import Instances
from streamer.perception.ahead import Ahead
from streamer.perception.selection import Selection
from tests.bright import Bright
from tests.fakes import frame
from tests.media import ffmpeg

DETECTORS = 3


class Together(Bright):
    """Answers only once as many others have been asked, too: one after the other they would wait for ever."""

    def __init__(self, meeting: threading.Barrier) -> None:
        self._meeting = meeting

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        self._meeting.wait(30)
        return super().detect(image)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Twelve frames with a cut in the middle."""
    scenes = "testsrc2=s=96x64:r=10:d=0.6[a];testsrc=s=96x64:r=10:d=0.6[b];[a][b]concat,format=yuv420p"
    ffmpeg("-f", "lavfi", "-i", scenes, tmp_path / "in.mp4")
    return tmp_path / "in.mp4"


def annotated(recording: Path, detectors: list[PluginDetector], **settings: object) -> str:
    output, records = recording.with_name("out.mp4"), recording.with_name("out.jsonl")
    given = {"input": str(recording), "output": output, "detections": records, "overwrite": True, **settings}
    annotate_with(AnnotateConfig.model_validate(given), detectors=detectors)
    return hashlib.sha256(output.read_bytes() + records.read_bytes()).hexdigest()


def test_detectors_work_at_the_same_time_and_identities_stay(recording: Path) -> None:
    alone = annotated(recording, [PluginDetector(Bright(), "bright")], track=True)
    meeting = threading.Barrier(DETECTORS)
    together = [PluginDetector(Together(meeting), "bright") for _ in range(DETECTORS)]
    assert annotated(recording, together, track=True) == alone


@pytest.mark.parametrize("copies", [2, 3])
@pytest.mark.parametrize("interval", [2, 3, 5, 20])
def test_frames_between_are_followed_as_with_one_detector(recording: Path, interval: int, copies: int) -> None:
    alone = annotated(recording, [PluginDetector(Bright(), "bright")], inference_interval=interval)
    together = [PluginDetector(Bright(), "bright") for _ in range(copies)]
    assert annotated(recording, together, inference_interval=interval) == alone


@pytest.mark.parametrize(("interval", "frames"), [(2, 11), (20, 10)], ids=["every-second", "first-and-last"])
def test_frames_that_will_be_asked_for_are_begun_ahead(interval: int, frames: int) -> None:
    """Each of the two would wait for ever for the other."""
    meeting = threading.Barrier(2)
    ahead = Ahead([PluginDetector(Together(meeting), "bright") for _ in range(2)], interval, Selection())
    items = [item for index in range(frames) for item in ahead.push(frame(index))]
    items += ahead.finish()
    ahead.close()
    assert [item.frame.index for item in items] == list(range(frames))
