"""The built-in detector as a whole: against the reference's boxes, on pictures of any size, and its files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors import weights
from streamer.detectors.nanodet import DEFAULT_CLASSES, SIZES, NanoDetDetector, weights_file
from streamer.errors import ConfigError, DetectorContractError, DetectorUnavailable
from streamer.frame import Frame
from streamer.instances import Instances

SAMPLE = Path(__file__).parents[2] / "samples" / "pedestrians.mp4"
REFERENCE = json.loads((Path(__file__).parent / "nanodet_reference.json").read_text())


@pytest.fixture(scope="module")
def pictures() -> dict[str, NDArray[np.uint8]]:
    """The reference's frames in RGB, by index."""
    with av.open(str(SAMPLE)) as container:
        frames = [picture for i, picture in enumerate(container.decode(video=0)) if str(i) in REFERENCE["frames"]]
    made = [Frame(p, 0, p.pts or 0, p.time_base, "sample", 0.0).rgb() for p in frames if p.time_base is not None]
    return dict(zip(REFERENCE["frames"], made, strict=True))


@pytest.fixture(params=[1, 2])
def detector(request: pytest.FixtureRequest) -> Iterator[NanoDetDetector]:
    made = NanoDetDetector(score_threshold=REFERENCE["threshold"], threads=request.param)
    yield made
    made.close()


def test_detects_what_the_reference_detects(detector: NanoDetDetector, pictures: dict[str, NDArray[np.uint8]]) -> None:
    for index, expected in REFERENCE["frames"].items():
        detected = detector.detect(pictures[index])
        assert [detector.labels[i] for i in detected.class_ids.tolist()] == [e["label"] for e in expected]
        np.testing.assert_allclose(detected.scores, [e["score"] for e in expected], atol=0.02)
        np.testing.assert_allclose(detected.boxes_xyxy, [e["box"] for e in expected], atol=2.0)


def test_persons_and_cars_have_outlines(detector: NanoDetDetector, pictures: dict[str, NDArray[np.uint8]]) -> None:
    detected = detector.detect(pictures["0"])
    assert {detector.labels[i] for i in detected.class_ids[detected.has_mask].tolist()} >= {"person", "car"}
    assert detected.masks is not None
    shares = (detected.masks[detected.has_mask] > 0.5).mean(axis=(1, 2))
    assert (shares > 0.1).all()


def test_works_in_another_thread_than_its_maker(detector: NanoDetDetector, pictures: dict[str, NDArray[np.uint8]]) -> None:
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


def test_takes_views_as_they_are(pictures: dict[str, NDArray[np.uint8]]) -> None:
    """A reversed channel axis is how many people turn BGR into RGB."""
    detector = NanoDetDetector(threads=1)
    rgb = pictures["0"]
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    expected, detected = detector.detect(rgb), detector.detect(bgr[:, :, ::-1])
    detector.close()
    np.testing.assert_array_equal(detected.boxes_xyxy, expected.boxes_xyxy)
    np.testing.assert_array_equal(detected.masks, expected.masks)


@pytest.mark.parametrize("variant", sorted(SIZES))
@pytest.mark.parametrize("shape", [(1, 1, 3), (16, 16, 3), (361, 641, 3), (7, 500, 3), (640, 360, 3)])
def test_takes_pictures_of_any_size(variant: str, shape: tuple[int, int, int]) -> None:
    detector = NanoDetDetector(variant, score_threshold=0.02, threads=1, max_instances=10)
    detected = detector.detect(np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8))
    detector.close()
    assert len(detected) <= 10
    assert (detected.boxes_xyxy >= 0).all()
    assert (detected.boxes_xyxy <= np.array([shape[1], shape[0]] * 2)).all()


def test_an_empty_picture_holds_nothing() -> None:
    detector = NanoDetDetector(score_threshold=0.4, threads=1)
    detected = detector.detect(np.zeros((48, 64, 3), np.uint8))
    detector.close()
    assert len(detected) == 0


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
    detector = NanoDetDetector(threads=1)
    with pytest.raises(DetectorContractError, match=r"uint8 \(height, width, 3\), got (float32|uint8) \("):
        detector.detect(picture)
    detector.close()


def test_closed_it_says_so() -> None:
    detector = NanoDetDetector(threads=1)
    detector.close()
    detector.close()
    with pytest.raises(DetectorUnavailable, match="closed"):
        detector.detect(np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize("name", sorted(weights.SHA256))
def test_changed_files_are_refused_by_name_and_checksum(name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(weights.FOLDER, tmp_path / "models"))
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    variant = "nanodet:large" if name == weights_file(SIZES["nanodet:large"][0]) else "nanodet"
    with pytest.raises(
        DetectorUnavailable, match=f"{name} have changed: expected sha256 {weights.SHA256[name]}, got [0-9a-f]{{64}}"
    ):
        NanoDetDetector(variant, folder=folder, threads=1)
    (folder / name).unlink()
    with pytest.raises(DetectorUnavailable, match=f"{name} cannot be read"):
        NanoDetDetector(variant, folder=folder, threads=1)


@pytest.mark.parametrize(("score_threshold", "threads"), [(-0.1, 1), (1.5, 1), (float("nan"), 1), (0.5, 0)])
def test_settings_out_of_range_are_refused(score_threshold: float, threads: int) -> None:
    with pytest.raises(ConfigError, match="must be"):
        NanoDetDetector(score_threshold=score_threshold, threads=threads)


def test_loading_imports_no_tensorflow_and_prints_nothing() -> None:
    code = (
        "import sys; from streamer.detectors.registry import load_detector;"
        "d = load_detector('nanodet', score_threshold=0.4, threads=1); d.warm_up(); d.close();"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'tensorflow_hub')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_shown_by_default_are_classes_that_it_knows() -> None:
    assert set(NanoDetDetector.labels.values()) >= DEFAULT_CLASSES
    assert len(NanoDetDetector.labels) == 80
