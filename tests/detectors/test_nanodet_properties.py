"""Whatever the built-in detector is shown, and whatever it was shown before, what it gives is well formed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.detectors.nanodet import SIZES, NanoDetDetector
from streamer.detectors.outlines import LEAST_SHARE, share
from streamer.sources.video import VideoFile
from tests.detectors.test_nanodet import SAMPLE

Picture = NDArray[np.uint8]
LIMIT = 60


@pytest.fixture(scope="module", params=sorted(SIZES))
def flooded(request: pytest.FixtureRequest) -> Iterator[NanoDetDetector]:
    """A detector that gives nearly everything it thinks of, and remembers all pictures of this module."""
    detector = NanoDetDetector(request.param, score_threshold=0.01, threads=1, max_instances=LIMIT)
    yield detector
    detector.close()


@pytest.fixture(scope="module")
def street() -> Picture:
    """The first frame of the sample."""
    source = VideoFile(SAMPLE)
    source.open()
    try:
        return next(iter(source.frames())).rgb()
    finally:
        source.close()


@st.composite
def hostile(draw: st.DrawFn) -> Picture:
    """Noise, one colour, or stripes, in any shape from a point to a thread."""
    sides = st.one_of(st.just(1), st.just(2), st.integers(3, 300), st.just(5000))
    height, width = draw(st.tuples(sides, sides).filter(lambda shape: shape[0] * shape[1] <= 400_000))
    kind = draw(st.sampled_from(["noise", "one colour", "stripes"]))
    if kind == "one colour":
        return np.full((height, width, 3), draw(st.integers(0, 255)), np.uint8)
    noise = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(noise[:1], noise.shape)) if kind == "stripes" else noise


def check(detector: NanoDetDetector, picture: Picture) -> None:
    """Detect, and see that all of it is in order; the picture stays as it was."""
    before = picture.copy()
    found = detector.detect(picture)
    np.testing.assert_array_equal(picture, before)
    assert len(found) <= LIMIT
    assert set(found.class_ids.tolist()) <= set(detector.labels)
    assert ((found.scores > 0) & (found.scores <= 1)).all()
    height, width = picture.shape[:2]
    low, high = found.boxes_xyxy[:, :2], found.boxes_xyxy[:, 2:]
    assert (low >= 0).all()
    assert (low < high).all()
    assert (high <= (width, height)).all()
    assert len(found.usable(width, height)) == len(found)
    if found.masks is None:
        return
    assert np.isfinite(found.masks).all()
    assert ((found.masks >= 0) & (found.masks <= 1)).all()
    assert all(share(mask) >= LEAST_SHARE for mask in found.masks[found.has_mask])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shown=st.lists(hostile(), min_size=1, max_size=2))
def test_any_pictures_one_after_another(flooded: NanoDetDetector, shown: list[Picture]) -> None:
    for picture in shown:
        check(flooded, picture)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (2, 5000), (5000, 2), (640, 360)])
def test_the_shapes_at_the_ends(flooded: NanoDetDetector, shape: tuple[int, int]) -> None:
    check(flooded, np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8))


def test_crowds_upright_mirrored_and_cut_to_a_strip(flooded: NanoDetDetector, street: Picture) -> None:
    crowd = np.concatenate([np.concatenate([street, street[:, ::-1]], axis=1)] * 2)
    for picture in (crowd, crowd, crowd[:, ::-1], street.swapaxes(0, 1), street[:, 300:340], street[250:262]):
        check(flooded, np.ascontiguousarray(picture))
