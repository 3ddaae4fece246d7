"""The built-in detector against what a correct implementation finds, and its masks against a float reference."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.detectors import people
from streamer.detectors.people import MASK_CELLS, PERSON, PeopleDetector
from streamer.errors import ConfigError, DetectorContractError, DetectorUnavailable
from streamer.frame import Frame
from streamer.instances import Instances

SAMPLE = Path(__file__).parents[2] / "samples" / "pedestrians.mp4"
REFERENCE = json.loads((Path(__file__).parent / "people_reference.json").read_text())["frames"]


@pytest.fixture(scope="module")
def pictures() -> dict[str, NDArray[np.uint8]]:
    """The reference's frames in RGB, by index."""
    with av.open(str(SAMPLE)) as container:
        frames = [picture for i, picture in enumerate(container.decode(video=0)) if str(i) in REFERENCE]
    made = [Frame(p, 0, p.pts or 0, p.time_base, "sample", 0.0).rgb() for p in frames if p.time_base is not None]
    return dict(zip(REFERENCE, made, strict=True))


@pytest.fixture(params=[1, 2])
def detector(request: pytest.FixtureRequest) -> Iterator[PeopleDetector]:
    made = PeopleDetector(score_threshold=0.4, threads=request.param)
    yield made
    made.close()


def mask_area_px(found: Instances, row: int) -> int:
    assert found.masks is not None
    left, top, right, bottom = found.boxes_xyxy[row]
    size = max(round(float(right - left)), 1), max(round(float(bottom - top)), 1)
    return int((np.asarray(cv2.resize(found.masks[row], size)) > 0.5).sum())


def test_finds_what_the_reference_finds(detector: PeopleDetector, pictures: dict[str, NDArray[np.uint8]]) -> None:
    for index, expected in REFERENCE.items():
        found = detector.detect(pictures[index])
        assert [detector.labels[i] for i in found.class_ids.tolist()] == [e["label"].lower() for e in expected]
        np.testing.assert_allclose(found.scores, [e["score"] for e in expected], atol=0.02)
        np.testing.assert_allclose(found.boxes_xyxy, [e["box_xyxy"] for e in expected], atol=3.0)
        assert found.has_mask.tolist() == [e.get("mask_area_px", 0) > 0 for e in expected]
        for row, e in enumerate(expected):
            if "mask_area_px" in e:
                assert mask_area_px(found, row) == pytest.approx(e["mask_area_px"], rel=0.1)


def test_a_person_without_an_outline_has_no_mask(detector: PeopleDetector, pictures: dict[str, NDArray[np.uint8]]) -> None:
    found = detector.detect(np.asarray(cv2.resize(pictures["0"], (176, 144), interpolation=cv2.INTER_AREA), np.uint8))
    persons = np.array([detector.labels[i] == "person" for i in found.class_ids.tolist()])
    assert found.masks is not None
    np.testing.assert_array_equal(found.has_mask, persons & (found.masks > 0.5).any(axis=(1, 2)))
    assert (persons & ~found.has_mask).any(), "so small are some of them that the network sees no outline"


def test_works_in_another_thread_than_its_maker(detector: PeopleDetector, pictures: dict[str, NDArray[np.uint8]]) -> None:
    detector.warm_up()
    here = detector.detect(pictures["0"])
    there: list[Instances] = []
    thread = threading.Thread(target=lambda: there.append(detector.detect(pictures["0"])))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(there[0].boxes_xyxy, here.boxes_xyxy)
    assert here.masks is not None
    assert there[0].masks is not None
    np.testing.assert_array_equal(there[0].masks, here.masks)


def test_a_low_threshold_gives_no_more_than_asked_and_no_pair_of_twins(pictures: dict[str, NDArray[np.uint8]]) -> None:
    detector = PeopleDetector(score_threshold=0.0, threads=1, max_instances=12)
    found = detector.detect(pictures["50"])
    detector.close()
    assert len(found) == 12
    assert (np.diff(found.scores) <= 0).all()
    assert ((found.scores > 0) & (found.scores < 1)).all()


def test_takes_views_as_they_are(pictures: dict[str, NDArray[np.uint8]]) -> None:
    """A reversed channel axis is how many people turn BGR into RGB."""
    detector = PeopleDetector(threads=1)
    rgb = pictures["0"]
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    expected, found = detector.detect(rgb), detector.detect(bgr[:, :, ::-1])
    detector.close()
    np.testing.assert_array_equal(found.boxes_xyxy, expected.boxes_xyxy)
    np.testing.assert_array_equal(found.masks, expected.masks)


@pytest.mark.parametrize("shape", [(1, 1, 3), (16, 16, 3), (361, 641, 3), (7, 500, 3)])
def test_takes_pictures_of_any_size(shape: tuple[int, int, int]) -> None:
    detector = PeopleDetector(score_threshold=0.01, threads=1, max_instances=20)
    found = detector.detect(np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8))
    detector.close()
    assert np.isfinite(found.boxes_xyxy).all()


def test_an_empty_picture_holds_nothing() -> None:
    detector = PeopleDetector(score_threshold=0.5, threads=1)
    found = detector.detect(np.zeros((48, 64, 3), np.uint8))
    detector.close()
    assert len(found) == 0


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_refuses_other_arrays(picture: NDArray[np.uint8]) -> None:
    detector = PeopleDetector(threads=1)
    with pytest.raises(DetectorContractError, match=r"uint8 \(height, width, 3\), got (float32|uint8) \("):
        detector.detect(picture)
    detector.close()


def test_closed_it_says_so() -> None:
    detector = PeopleDetector(threads=1)
    detector.close()
    detector.close()
    with pytest.raises(DetectorUnavailable, match="closed"):
        detector.detect(np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize("name", sorted(people.SHA256))
def test_changed_files_are_refused_by_name_and_checksum(name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(people.FOLDER, tmp_path / "people"))
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(
        DetectorUnavailable, match=f"{name} have changed: expected sha256 {people.SHA256[name]}, found [0-9a-f]{{64}}"
    ):
        PeopleDetector(folder=folder, threads=1)
    (folder / name).unlink()
    with pytest.raises(DetectorUnavailable, match=f"{name} cannot be read"):
        PeopleDetector(folder=folder, threads=1)


@pytest.mark.parametrize(("score_threshold", "threads"), [(-0.1, 1), (1.5, 1), (float("nan"), 1), (0.5, 0)])
def test_settings_out_of_range_are_refused(score_threshold: float, threads: int) -> None:
    with pytest.raises(ConfigError, match="must be"):
        PeopleDetector(score_threshold=score_threshold, threads=threads)


def test_loading_imports_no_tensorflow_and_prints_nothing() -> None:
    code = (
        "import sys; from streamer.detectors.registry import load_detector;"
        "d = load_detector('people', score_threshold=0.4, threads=1); d.warm_up(); d.close();"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'tensorflow_hub')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


spans = st.tuples(st.floats(-40, 300), st.floats(1.5, 400))


@given(horizontal=spans, vertical=spans)
@settings(max_examples=60, deadline=None)
def test_cells_are_read_where_they_lie(horizontal: tuple[float, float], vertical: tuple[float, float]) -> None:
    """The crop's network answers with ramps, so each cell says where it was read."""
    seen: list[NDArray[np.uint8]] = []

    def ramp(axis: int) -> people.Compute:
        steps = np.arange(people.OUTLINE_PX, dtype=np.float32)
        field = np.broadcast_to(steps if axis == 0 else steps[:, None], (people.OUTLINE_PX, people.OUTLINE_PX))
        return lambda crop, _scale: [seen.append(crop) or np.ascontiguousarray(field)[None, :, :, None]]  # type: ignore[func-returns-value]  # append is None

    picture = np.zeros((240, 320, 3), np.uint8)
    (left, width), (top, height) = horizontal, vertical
    box = np.array([left, top, left + width, top + height], np.float32)
    for axis, size in enumerate((320, 240)):
        start, end = float(box[axis]), float(box[axis + 2])
        read = people.outline(ramp(axis), picture, box)
        along = read[0] if axis == 0 else read[:, 0]
        margin = (end - start) * 0.1
        low = min(max(int(start - margin), 0), size - 1)
        high = max(min(int(end + margin), size), low + 1)
        at_px = start + (np.arange(MASK_CELLS) + 0.5) / MASK_CELLS * (end - start)
        expected = np.clip((at_px - low) / (high - low) * people.OUTLINE_PX - 0.5, 0, people.OUTLINE_PX - 1)
        assert np.abs(along - expected).max() <= 0.05
    assert seen[0].shape == (people.OUTLINE_PX, people.OUTLINE_PX, 3)


def test_a_mask_cut_by_the_edge_lies_on_its_person() -> None:
    """A network that answers with the crop itself: the mask is then the bright part of the picture, wherever the box is."""
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[60:160, :50] = 255
    box = np.array([-30.0, 40.0, 70.0, 180.0], np.float32)
    mask = people.outline(lambda crop, scale: [(crop[None, :, :, :1] * scale).astype(np.float32)], picture, box)
    x = box[0] + (np.arange(MASK_CELLS) + 0.5) / MASK_CELLS * 100
    y = box[1] + (np.arange(MASK_CELLS) + 0.5) / MASK_CELLS * 140
    bright = ((y > 60) & (y < 160))[:, None] & (x < 50)
    wrong = (mask > 0.5) != bright
    near = (np.abs(y - 60) < 1) | (np.abs(y - 160) < 1)
    assert not wrong[~near][:, np.abs(x - 50) > 1].any()


def test_labels_skip_the_background() -> None:
    labels = people.parse_labels("???\nBicycle\nBoot\n")
    assert labels == {1: "bicycle", 2: "boot"}
    detector = PeopleDetector(threads=1)
    assert detector.labels[PERSON] == "person"
    assert len(detector.labels) == 23
    detector.close()
