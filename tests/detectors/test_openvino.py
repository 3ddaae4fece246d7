"""SavedModels of two stages that OpenVINO computes, saved, converted and run for real."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors import cut_cache, openvino_opening, saved_model
from streamer.detectors.graph_cut import Cut
from streamer.detectors.hub import HubDetector
from streamer.detectors.openvino_network import OpenVinoNetwork, convert
from streamer.detectors.registry import check_detector, load_detector
from streamer.errors import ConfigError, DetectorError, DetectorUnavailable
from streamer.perception.selection import Selection
from tests.detectors import saved_models

pytestmark = pytest.mark.slow

LEAST = 0.02
"""Random weights are never sure of anything."""


@pytest.fixture(scope="module", autouse=True)
def cuts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What is kept of models is kept apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield cut_cache.root()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    saved_model.quiet_tensorflow(None)
    return saved_models.save_two_stage(tmp_path_factory.mktemp("models") / "two-stage", combined=False)


@pytest.fixture(scope="module")
def tensorflows(model: Path) -> HubDetector:
    return HubDetector(str(model), score_threshold=LEAST)


@pytest.fixture(scope="module")
def detector(model: Path, tensorflows: HubDetector) -> HubDetector:  # noqa: ARG001  # it has cut the model
    return HubDetector(str(model), score_threshold=LEAST, device="openvino")


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (90, 160, 3), dtype=np.uint8)


def test_it_finds_what_tensorflow_finds(detector: HubDetector, tensorflows: HubDetector, picture: NDArray[np.uint8]) -> None:
    assert isinstance(detector._network, OpenVinoNetwork)
    assert (detector.device, tensorflows.device) == ("CPU, by OpenVINO", "CPU")
    for wanted in (Selection(), Selection(max_instances=5), Selection(max_instances=1)):
        found, expected = (each.detect_wanted(picture, wanted.rows) for each in (detector, tensorflows))
        assert len(found) == len(expected) > 0
        np.testing.assert_array_equal(found.class_ids, expected.class_ids)
        np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-2)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
        assert found.masks is not None
        assert expected.masks is not None
        np.testing.assert_allclose(found.masks, expected.masks, atol=1e-4)
    assert detector.detect_wanted(picture, Selection().rows, masks=False).masks is None


def test_pictures_of_any_size_and_calls_in_any_order_do(detector: HubDetector, tensorflows: HubDetector) -> None:
    random = np.random.default_rng(5)
    for height, width in ((1, 1), (64, 30), (1, 1)):
        picture = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        found, expected = detector.detect(picture), tensorflows.detect(picture)
        np.testing.assert_array_equal(found.class_ids, expected.class_ids)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)


def test_the_second_start_converts_nothing(
    detector: HubDetector, model: Path, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_opening, "convert", None)
    again = HubDetector(str(model), score_threshold=LEAST, device="openvino")
    np.testing.assert_array_equal(again.detect(picture).boxes_xyxy, detector.detect(picture).boxes_xyxy)


@pytest.mark.parametrize("damage", ["boxes.bin", "another version"])
def test_a_damaged_conversion_is_made_anew(
    detector: HubDetector, model: Path, cuts: Path, picture: NDArray[np.uint8], damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kept,) = cuts.glob("*/openvino-*")
    if damage == "another version":
        kept = kept.rename(kept.with_name("openvino-2024.0.0"))
    else:
        content = bytearray((kept / damage).read_bytes())
        content[len(content) // 2] ^= 1
        (kept / damage).write_bytes(content)
    kept.with_name("openvino.killed.part").mkdir()
    converted = []

    def told(tf: Any, parts: Cut, folder: Path) -> None:
        converted.append(folder)
        convert(tf, parts, folder)

    monkeypatch.setattr(openvino_opening, "convert", told)
    again = HubDetector(str(model), score_threshold=LEAST, device="openvino")
    assert len(converted) == 1
    np.testing.assert_array_equal(again.detect(picture).boxes_xyxy, detector.detect(picture).boxes_xyxy)
    (kept,) = cuts.glob("*/openvino-*")
    assert sorted(path.name for path in kept.iterdir()) == ["boxes.bin", "boxes.xml", "cut.json", "masks.bin", "masks.xml"]
    assert not list(cuts.glob("*/*.part"))


def test_one_that_answers_otherwise_is_refused(
    detector: HubDetector,  # noqa: ARG001  # it has cut the model
    model: Path,
    cuts: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for kept in cuts.glob("*/openvino-*"):
        kept.rename(kept.with_name("openvino-0"))

    def wrongly(tf: Any, parts: Cut, folder: Path) -> None:
        convert(
            tf,
            replace(
                parts, weights={name: np.multiply(values, 1.02, dtype=values.dtype) for name, values in parts.weights.items()}
            ),
            folder,
        )

    monkeypatch.setattr(openvino_opening, "convert", wrongly)
    with pytest.raises(DetectorUnavailable, match=r"only \d+% of the objects are found as TensorFlow .*; use --device cpu"):
        HubDetector(str(model), device="openvino")
    assert [kept.name for kept in cuts.glob("*/openvino-*")] == ["openvino-0"]


def test_one_that_it_cannot_convert_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = saved_models.save_two_stage(tmp_path / "combined")
    with pytest.raises(DetectorUnavailable) as caught:
        HubDetector(str(folder), device="openvino")
    assert str(caught.value) == (
        "the device openvino cannot be used for combined: No conversion rule found for operations: "
        "CombinedNonMaxSuppression; use --device cpu"
    )


def test_one_that_is_not_cut_is_refused(tmp_path: Path) -> None:
    folder = saved_models.save(tmp_path / "boxes", masks=False)
    with pytest.raises(DetectorUnavailable, match="cannot be used for boxes: it has no masks; use --device cpu"):
        HubDetector(str(folder), device="openvino")


def test_a_failing_call_is_named(detector: HubDetector, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def infer(self, *_: object, **__: object) -> None:
            raise RuntimeError("Exception from src/inference\n\nCould not allocate memory\n")

    monkeypatch.setattr(detector._network, "_boxes", Failing())
    with pytest.raises(DetectorError, match="OpenVINO failed: Could not allocate memory; use --device cpu"):
        detector.detect(picture)


def test_without_the_extra_it_says_what_to_install(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    for begin in (check_detector, load_of):
        with pytest.raises(DetectorUnavailable, match=r'OpenVINO is not installed; pip install "streamer\[openvino\]"'):
            begin(str(model), device="openvino")


def test_it_is_for_savedmodels_only() -> None:
    for begin in (check_detector, load_of):
        with pytest.raises(ConfigError, match="the device openvino is for SavedModels, not for the detector nanodet"):
            begin("nanodet", device="openvino")


def load_of(spec: str, device: str) -> object:
    return load_detector(spec, score_threshold=0.5, device=device)
