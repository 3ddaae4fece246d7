"""SavedModel detectors, on SavedModels that are saved and loaded for real."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors import hub, hub_cache, saved_model
from streamer.detectors.check import check
from streamer.detectors.hub import HubDetector, to_boxes, to_masks
from streamer.detectors.model_opening import BOXES, CLASSES, COUNT, MASKS, SCORES
from streamer.detectors.networks import BoxAnswers, Network
from streamer.detectors.registry import load_detector
from streamer.errors import ConfigError, DetectorContractError, DetectorError, DetectorUnavailable, ModelRefused
from streamer.instances import Instances
from tests.detectors import saved_models
from tests.detectors.hub_server import archive, serving

pytestmark = pytest.mark.slow

RED, GREEN, BLUE = saved_models.COLORS


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of models is kept apart."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture(scope="module")
def tensorflow() -> Any:
    """TensorFlow, loaded once and quietly, as the detector does it."""
    return saved_model.quiet_tensorflow(None)


@pytest.fixture(scope="module")
def model(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001  # for its import alone
    return saved_models.save(tmp_path_factory.mktemp("models") / "rectangles")


@pytest.fixture(scope="module")
def detector(model: Path) -> HubDetector:
    return HubDetector(str(model), score_threshold=0.5)


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """A red person, and a blue bottle whose lower left quarter is missing; 300 wide, 200 high."""
    made = np.zeros((200, 300, 3), np.uint8)
    made[20:60, 30:130] = RED
    made[100:180, 200:240] = BLUE
    made[140:180, 200:220] = 0
    return made


def expect_picture(found: Instances) -> None:
    assert found.class_ids.tolist() == [1, 44]
    np.testing.assert_allclose(found.scores, [0.9, 0.7], atol=1e-6)
    np.testing.assert_allclose(found.boxes_xyxy, [[30, 20, 130, 60], [200, 100, 240, 180]], atol=1e-3)


def test_finds_colours_in_their_places(detector: HubDetector, picture: NDArray[np.uint8]) -> None:
    """Channel order, box order, class ids and the mask's place inside its box, all at once."""
    found = detector.detect(picture)
    expect_picture(found)
    assert [detector.labels[i] for i in found.class_ids.tolist()] == ["person", "bottle"]
    assert found.masks is not None
    assert found.masks.shape == (2, 33, 33)
    assert (found.masks[0] > 0.5).all()
    expected = np.ones((33, 33), bool)
    expected[17:, :16] = False
    wrong = (found.masks[1] > 0.5) != expected
    wrong[16], wrong[:, 16] = False, False  # the cells that the notch cuts
    assert not wrong.any()


def test_nothing_in_it_gives_nothing(detector: HubDetector) -> None:
    found = detector.detect(np.zeros((40, 60, 3), np.uint8))
    assert len(found) == 0
    assert found.boxes_xyxy.shape == (0, 4)


def test_the_threshold_holds_back(model: Path, picture: NDArray[np.uint8]) -> None:
    assert HubDetector(str(model), score_threshold=0.8).detect(picture).class_ids.tolist() == [1]


def test_works_in_another_thread(detector: HubDetector, picture: NDArray[np.uint8]) -> None:
    found: list[Instances] = []
    thread = threading.Thread(target=lambda: found.append(detector.detect(picture)))
    thread.start()
    thread.join()
    expect_picture(found[0])


def test_only_the_needed_outputs_are_asked_for(detector: HubDetector, model: Path, picture: NDArray[np.uint8]) -> None:
    assert set(detector.contract) == {"input_tensor", COUNT, BOXES, CLASSES, SCORES, MASKS}
    found = detector.detect(picture)
    assert found.masks is not None
    assert found.masks.nbytes < detector.answer_bytes < found.masks.nbytes + 5000
    signature, _loaded = saved_model.load(detector._tf, str(model))
    assert "features" in signature.structured_outputs


def test_what_is_not_asked_for_is_not_computed(tmp_path: Path, tensorflow: Any, picture: NDArray[np.uint8]) -> None:
    """An extra output that fails when it is computed: the naive call fails, ours does not."""
    folder = saved_models.save(tmp_path / "poisoned", poisoned=True)
    signature, _loaded = saved_model.load(tensorflow, str(folder))
    with pytest.raises(tensorflow.errors.InvalidArgumentError):
        signature(input_tensor=tensorflow.constant(picture[None]))
    expect_picture(HubDetector(str(folder)).detect(picture))


def test_boxes_without_a_leading_1(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    expect_picture(HubDetector(str(saved_models.save(tmp_path / "flat", flat=True))).detect(picture))


def test_a_model_without_masks_finds_boxes(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    found = HubDetector(str(saved_models.save(tmp_path / "boxes", masks=False))).detect(picture)
    expect_picture(found)
    assert found.masks is None
    assert not found.has_mask.any()


def test_a_fixed_size_is_kept_and_boxes_come_back_in_the_pictures_pixels(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    detector = HubDetector(str(saved_models.save(tmp_path / "fixed", size=100)))
    assert detector.input_size == (100, 100)
    found = detector.detect(picture)
    np.testing.assert_allclose(found.boxes_xyxy[0], [30, 20, 130, 60], atol=3.0)


def test_labels_from_a_file(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("1 brick\n44 tile\n")
    detector = load_detector(str(model), score_threshold=0.5, labels_path=path)
    assert detector.labels == {1: "brick", 44: "tile"}
    assert detector.name == "rectangles"
    assert detector.input_size is None


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4, 3), np.float32), np.zeros((2, 4, 4, 3), np.uint8), np.zeros((4, 4, 4), np.uint8)]
)
def test_refuses_other_arrays_before_the_model_sees_them(detector: HubDetector, wrong: NDArray[np.uint8]) -> None:
    with pytest.raises(DetectorContractError, match=r"uint8 \(height, width, 3\), got (float32|uint8) \("):
        detector.detect(wrong)


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ({"without": "detection_scores"}, "has no output detection_scores; it has: detection_boxes"),
        ({"dtype": "float32"}, r"expected the input uint8 \[1, height, width, 3\], got float32 \[1, None, None, 3\]"),
        ({"signature": "predict"}, "has no signature serving_default, it has: predict"),
    ],
)
def test_another_contract_is_refused_at_load(tmp_path: Path, variant: dict[str, str], words: str) -> None:
    folder = saved_models.save(tmp_path / "odd", **variant)  # type: ignore[arg-type]  # strings all, as the parameters
    with pytest.raises(ModelRefused, match=words):
        HubDetector(str(folder))


def test_wrong_shapes_at_run_time_are_named(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    detector = HubDetector(str(saved_models.save(tmp_path / "rows", wrong_rows=True)))
    with pytest.raises(DetectorContractError, match=r"detection_scores: expected shape \[1, 100\], got \[1, 99\]"):
        detector.detect(picture)


@pytest.mark.parametrize("file", ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"])
@pytest.mark.parametrize("cut", ["half", "gone"])
def test_a_cut_model_is_refused(model: Path, tmp_path: Path, file: str, cut: str) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "cut"))
    content = (folder / file).read_bytes()
    (folder / file).unlink()
    if cut == "half":
        (folder / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(DetectorUnavailable, match=r"cut short|is no SavedModel"):
        HubDetector(str(folder))


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DetectorUnavailable, match=r"is no SavedModel: it holds no saved_model\.pb"):
        load_detector(str(tmp_path), score_threshold=0.5)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("InvalidArgumentError", "the model rectangles failed on a picture of 300x200: it went wrong;"),
        ("ResourceExhaustedError", "out of memory for the model rectangles: it went wrong; .*--device cpu"),
    ],
)
def test_a_model_that_fails_in_the_middle_is_named(model: Path, picture: NDArray[np.uint8], kind: str, words: str) -> None:
    detector = HubDetector(str(model))

    class Fails:
        has_masks = True

        def boxes(self, _picture: object) -> BoxAnswers:
            raise getattr(detector._tf.errors, kind)(None, None, "it went wrong\n[[a graph]]")

        def masks(self, answers: BoxAnswers, _kept: NDArray[np.intp]) -> NDArray[np.generic]:
            raise AssertionError(answers)

    detector._network = Fails()
    with pytest.raises(DetectorError, match=words):
        detector.detect(picture)


def test_closed_it_says_so(model: Path, picture: NDArray[np.uint8]) -> None:
    detector = HubDetector(str(model))
    detector.close()
    detector.close()
    with pytest.raises(DetectorUnavailable, match="closed"):
        detector.detect(picture)


def test_closing_waits_for_no_call(model: Path, picture: NDArray[np.uint8]) -> None:
    detector = HubDetector(str(model))
    entered, leave = threading.Event(), threading.Event()
    whole = detector._network
    assert whole is not None
    network: Network = whole

    class Slow:
        has_masks = True

        def boxes(self, picture: object) -> BoxAnswers:
            entered.set()
            assert leave.wait(30.0)
            return network.boxes(picture)

        def masks(self, answers: BoxAnswers, kept: NDArray[np.intp]) -> NDArray[np.generic]:
            return network.masks(answers, kept)

    detector._network = Slow()
    found: list[Instances] = []
    thread = threading.Thread(target=lambda: found.append(detector.detect(picture)))
    thread.start()
    assert entered.wait(30.0)
    detector.close()
    leave.set()
    thread.join()
    expect_picture(found[0])


def test_a_big_model_on_a_cpu_is_loud(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, picture: NDArray[np.uint8]
) -> None:
    HubDetector(str(model))
    assert not caplog.records
    monkeypatch.setattr(hub, "BIG_BYTES", 1000)
    expect_picture(HubDetector(str(model), device="cpu").detect(picture))
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "runs on the CPU" in caplog.text
    assert "masks are computed for all of its detections, since" in caplog.text


def test_a_check_reports_the_contract(detector: HubDetector) -> None:
    report = check(detector, frames=2)
    assert report.contract["input_tensor"] == "uint8 [1, None, None, 3]"
    assert report.contract[MASKS] == "float32 [1, 100, 33, 33]"
    assert (report.labels, report.input_size, report.frames) == (80, (1280, 720), 2)
    assert report.ms_per_frame > 0


def test_loading_prints_nothing(model: Path) -> None:
    code = (
        "import sys; from streamer.detectors.registry import load_detector;"
        f"load_detector({str(model)!r}, score_threshold=0.5, threads=1).warm_up()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_handle_is_downloaded_once_and_then_works_offline(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: NDArray[np.uint8]
) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    with serving(archive(model)) as server:
        handle = server.handle()
        expect_picture(load_detector(f"hub:{handle}", score_threshold=0.5).detect(picture))
    detector = load_detector(f"hub:{handle}", score_threshold=0.5)
    expect_picture(detector.detect(picture))
    assert detector.name == handle
    with pytest.raises(DetectorUnavailable, match="refused"):
        load_detector(f"hub:{handle}/other", score_threshold=0.5)


def test_a_cached_entry_by_hand_is_kept_if_it_loads_and_fetched_again_if_not(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: NDArray[np.uint8]
) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    with serving(archive(model)) as server:
        folder = hub_cache.entry(server.handle())
        shutil.copytree(model, folder)
        expect_picture(HubDetector(server.handle()).detect(picture))
        assert server.requests == []
        assert (folder / hub_cache.MANIFEST).is_file()
        shutil.rmtree(folder)
        shutil.copytree(model, folder)
        shutil.rmtree(folder / "variables")
        expect_picture(HubDetector(server.handle()).detect(picture))
        assert len(server.requests) == 1
        assert hub_cache.damage(folder) == ""
        handle = server.handle()
    (folder / hub_cache.MANIFEST).unlink()
    (folder / "variables" / "variables.index").unlink()
    with pytest.raises(DetectorUnavailable, match=r"cannot download .*refused") as caught:
        HubDetector(handle)
    assert str(folder) in caught.value.hint


def test_a_handle_without_an_address_is_a_mistake(tensorflow: Any) -> None:  # noqa: ARG001  # for its import alone
    with pytest.raises(ConfigError, match="is no https address"):
        load_detector("hub:mask_rcnn", score_threshold=0.5)


def answers(**changes: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """Three rows of which two count."""
    made: dict[str, NDArray[np.generic]] = {
        COUNT: np.array([2.0], np.float32),
        BOXES: np.array([[[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.6, 0.6]]], np.float32),
        CLASSES: np.array([[17.0, 18.0, 1.0]], np.float32),
        SCORES: np.array([[0.6, 0.9, 0.95]], np.float32),
        MASKS: np.full((1, 3, 5, 5), 0.5, np.float32),
    }
    return made | changes


def read(answers: dict[str, NDArray[np.generic]], width: int, height: int, score_threshold: float) -> Instances:
    """Instances with all of their masks."""
    found, rows = to_boxes(answers, width, height, score_threshold, "model")
    boxes = answers[BOXES].reshape(-1, 4)[:, [1, 0, 3, 2]].astype(np.float32)
    masks = to_masks(answers[MASKS], boxes, (width, height), "model")
    return replace(found, masks=masks[rows], has_mask=np.ones(len(rows), bool))


def test_rows_beyond_the_count_are_ignored_and_the_best_comes_first() -> None:
    found = read(answers(), 100, 50, 0.5)
    assert found.class_ids.tolist() == [18, 17]
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 100, 50], [20, 5, 40, 15]], atol=1e-4)


def test_integer_outputs_and_scalars_do_as_well() -> None:
    whole = answers()
    changed = {
        COUNT: np.int64(2),
        CLASSES: whole[CLASSES][0].astype(np.int64),
        SCORES: whole[SCORES][0],
        BOXES: whole[BOXES][0],
    }
    assert read({**whole, **changed, MASKS: whole[MASKS][0]}, 10, 10, 0.7).class_ids.tolist() == [18]


def test_a_box_without_area_is_left_out() -> None:
    flat = np.array([[[0.1, 0.2, 0.1, 0.4], [0.0, 0.0, 1.0, 1.0], [0, 0, 0, 0]]], np.float32)
    assert len(read(answers(detection_boxes=flat), 10, 10, 0.5)) == 1


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (COUNT, np.array([1.0, 2.0], np.float32), r"num_detections: expected shape \[1\], got \[2\]"),
        (COUNT, np.array([4.0], np.float32), r"num_detections: expected a whole number within 0\.\.3, got 4"),
        (COUNT, np.array([np.nan], np.float32), "num_detections: expected a whole number"),
        (BOXES, np.zeros((1, 3, 5), np.float32), r"detection_boxes: expected shape .* got \[1, 3, 5\]"),
        (BOXES, np.zeros((2, 3, 4), np.float32), r"detection_boxes: expected shape .* got \[2, 3, 4\]"),
        (CLASSES, np.zeros((1, 2), np.float32), r"detection_classes: expected shape \[1, 3\], got \[1, 2\]"),
        (
            MASKS,
            np.zeros((1, 3, 5, 6), np.float32),
            r"detection_masks: expected shape \[1, 3, M, M\] or .*, got \[1, 3, 5, 6\]",
        ),
        (MASKS, np.zeros((1, 3, 25), np.float32), r"detection_masks: expected shape .*got \[1, 3, 25\]"),
        (CLASSES, np.full((1, 3), np.nan, np.float32), "detection_classes: expected ids, got nan"),
    ],
)
def test_odd_answers_are_named(key: str, value: NDArray[np.generic], words: str) -> None:
    with pytest.raises(DetectorContractError, match=words):
        read({**answers(), key: value}, 10, 10, 0.5)


@pytest.mark.parametrize(
    ("key", "value", "objects"),
    [
        (SCORES, np.full((1, 3), np.nan, np.float32), 0),
        (BOXES, np.full((1, 3, 4), np.nan, np.float32), 0),
        (MASKS, np.full((1, 3, 5, 5), np.inf, np.float32), 2),
    ],
)
def test_numbers_that_are_none_are_left_to_the_caller(key: str, value: NDArray[np.generic], objects: int) -> None:
    given = read({**answers(), key: value}, 10, 10, 0.5)
    assert len(given) > 0
    found = given.usable(10, 10)
    assert len(found) == objects
    assert not found.has_mask.any()
