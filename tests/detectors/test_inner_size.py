"""No more pixels than a network works at, on SavedModels that are saved and loaded for real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.detectors.hub import HubDetector
from streamer.perception.selection import detect_in
from tests.detectors import saved_models
from tests.fakes import frame

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of models is kept apart."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.mark.parametrize(
    ("resizer", "input_size", "of_landscape", "of_portrait"),
    [
        ("stretched", (320, 320), [320, 320], [320, 320]),
        ("padded", None, [512, 288], [288, 512]),
        ("fitted", None, [400, 225], [225, 400]),
        ("none", None, [1024, 576], [576, 1024]),
    ],
)
def test_a_network_is_handed_pictures_at_the_size_that_it_works_at(
    tmp_path: Path, resizer: str, input_size: tuple[int, int] | None, of_landscape: list[int], of_portrait: list[int]
) -> None:
    """Their aspect ratio is kept unless the network itself does not keep it."""
    folder = saved_models.save_resizing(tmp_path / "model", resizer)
    for start in ("first", "second"):
        detector = HubDetector(str(folder), score_threshold=0.5)
        assert detector.input_size == input_size, start
        for (width, height), handed in (((1920, 1080), of_landscape), ((1080, 1920), of_portrait), ((90, 60), [90, 60])):
            found = detect_in(detector, frame(0, width, height))
            assert found.class_ids.tolist() == handed, start
            np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, width / 2, height], [width / 2, 0, width, height]], atol=1e-3)


def test_a_network_of_two_stages_tells_its_size_too(tmp_path: Path) -> None:
    assert HubDetector(str(saved_models.save_two_stage(tmp_path / "model"))).input_size == (128, 128)
