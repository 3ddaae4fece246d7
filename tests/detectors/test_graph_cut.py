"""Cutting networks before their mask head, on SavedModels of two stages that are saved and loaded for real."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors import cut_cache, graph_cut, model_opening, saved_model
from streamer.detectors.graph_cut import fitted
from streamer.detectors.hub import HubDetector
from streamer.detectors.inner_size import InnerSize
from streamer.detectors.model_opening import MASKS
from streamer.detectors.networks import BoxAnswers, Trial, TwoStageNetwork, WholeNetwork
from streamer.perception.selection import Selection
from tests.detectors import saved_models

pytestmark = pytest.mark.slow

LEAST = 0.02
"""Random weights are never sure of anything."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is kept of models is kept apart."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    return tmp_path / "user-cache" / "streamer" / "cuts"


@pytest.fixture(scope="module")
def tensorflow() -> Any:
    return saved_model.quiet_tensorflow(None)


@pytest.fixture(scope="module")
def model(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001  # for its import alone
    return saved_models.save_two_stage(tmp_path_factory.mktemp("models") / "two-stage")


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (90, 160, 3), dtype=np.uint8)


def whole(tensorflow: Any, folder: Path, picture: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
    """What the model itself answers."""
    signature, _loaded = saved_model.load(tensorflow, str(folder))
    return {key: value.numpy() for key, value in signature(input_tensor=tensorflow.constant(picture[None])).items()}


@pytest.mark.parametrize("static", [True, False])
def test_both_parts_answer_as_the_whole(tensorflow: Any, tmp_path: Path, picture: NDArray[np.uint8], static: bool) -> None:
    folder = saved_models.save_two_stage(tmp_path / "model", static=static)
    expected = whole(tensorflow, folder, picture)
    least = float(expected["detection_scores"][0][30])
    detector = HubDetector(str(folder), score_threshold=least)
    assert isinstance(detector._network, TwoStageNetwork)
    found = detector.detect(picture)
    rows = np.arange(len(found))
    assert 25 < len(rows) < 35
    np.testing.assert_array_equal(found.class_ids, expected["detection_classes"][0][rows])
    np.testing.assert_allclose(found.scores, expected["detection_scores"][0][rows], atol=1e-6)
    boxes = expected["detection_boxes"][0][rows][:, [1, 0, 3, 2]] * [160, 90, 160, 90]
    np.testing.assert_allclose(found.boxes_xyxy, boxes, atol=1e-3)
    assert found.masks is not None
    np.testing.assert_allclose(found.masks, expected[MASKS][0][rows], atol=1e-5)


def test_masks_are_made_for_what_is_wanted_only(
    model: Path, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = HubDetector(str(model), score_threshold=0.0)
    every = detector.detect(picture)
    assert every.masks is not None
    asked: list[list[int]] = []
    masks = TwoStageNetwork.masks

    def counted(self: TwoStageNetwork, answers: BoxAnswers, kept: NDArray[np.intp]) -> NDArray[np.generic]:
        asked.append(kept.tolist())
        return masks(self, answers, kept)

    monkeypatch.setattr(TwoStageNetwork, "masks", counted)
    wanted = Selection(class_ids=frozenset(every.class_ids[[4, 9]].tolist()), max_instances=3)
    found = detector.detect_wanted(picture, wanted.rows)
    assert [len(rows) for rows in asked] == [len(found)]
    chosen = wanted.rows(every)
    np.testing.assert_allclose(found.boxes_xyxy, every.boxes_xyxy[chosen])
    assert found.masks is not None
    np.testing.assert_allclose(found.masks, every.masks[chosen], atol=1e-6)
    assert detector.detect_wanted(picture, wanted.rows, masks=False).masks is None
    nothing = detector.detect_wanted(picture, Selection(score_threshold=1.0).rows)
    assert (len(nothing), len(asked)) == (0, 1)


@pytest.mark.parametrize(
    ("variant", "because"),
    [
        ({"shared": True}, "expected one CropAndResize that feeds the masks alone, found 0"),
        ({"looped": True}, "weights are read in a loop"),
        ({"mixing": True}, "the parts do not answer as the whole does: the masks differ by"),
    ],
)
def test_what_cannot_be_cut_is_used_whole_and_said(
    tensorflow: Any,
    tmp_path: Path,
    picture: NDArray[np.uint8],
    caplog: pytest.LogCaptureFixture,
    variant: dict[str, bool],
    because: str,
) -> None:
    folder = saved_models.save_two_stage(tmp_path / "model", **variant)
    caplog.set_level(logging.INFO, "streamer")
    detector = HubDetector(str(folder), score_threshold=LEAST)
    assert isinstance(detector._network, WholeNetwork)
    assert because in caplog.text
    found = detector.detect(picture)
    expected = whole(tensorflow, folder, picture)[MASKS][0][: len(found)]
    assert found.masks is not None
    np.testing.assert_allclose(found.masks, expected, atol=1e-6)


def test_a_network_that_is_cut_wrongly_is_used_whole(
    model: Path, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The proof is what counts, not the analysis."""

    def wrong(*args: Any) -> Any:
        parts = graph_cut.cut(*args)
        swapped = {**parts.outputs, "detection_scores": parts.outputs["detection_classes"]}
        return replace(parts, outputs=swapped)

    monkeypatch.setattr(model_opening, "cut", wrong)
    caplog.set_level(logging.INFO, "streamer")
    detector = HubDetector(str(model), score_threshold=LEAST)
    assert isinstance(detector._network, WholeNetwork)
    assert "detection_scores differ by" in caplog.text
    assert len(detector.detect(picture)) > 0


def test_a_network_that_goes_wrong_at_a_later_call_is_used_whole(
    model: Path, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As TensorFlow's convolutions do that keep a copy of their weights for a size."""
    sizes: list[int] = []
    masks = TwoStageNetwork.masks

    def forgetful(self: TwoStageNetwork, answers: BoxAnswers, kept: NDArray[np.intp]) -> NDArray[np.generic]:
        made = np.array(masks(self, answers, kept))
        if len(kept) in sizes:
            made[..., -1, 0, 0] += 0.1
        sizes.append(len(kept))
        return made

    monkeypatch.setattr(TwoStageNetwork, "masks", forgetful)
    caplog.set_level(logging.INFO, "streamer")
    detector = HubDetector(str(model), score_threshold=LEAST)
    assert isinstance(detector._network, WholeNetwork)
    assert "the masks differ by 0.1" in caplog.text
    assert len(detector.detect(picture)) > 0


def test_the_second_start_does_not_load_the_model(
    model: Path, own_cache: Path, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = HubDetector(str(model), score_threshold=LEAST)
    expected = first.detect(picture)
    monkeypatch.setattr(saved_model, "load", lambda *_: pytest.fail("the model was loaded"))
    second = HubDetector(str(model), score_threshold=LEAST)
    found = second.detect(picture)
    np.testing.assert_array_equal(found.boxes_xyxy, expected.boxes_xyxy)
    np.testing.assert_array_equal(found.masks, expected.masks)
    assert (second.contract, second.input_size) == (first.contract, first.input_size)
    assert [path.name for path in own_cache.iterdir()] != []


@pytest.mark.parametrize("damage", ["cut.json", "boxes.pb", "masks.pb", "weights.npz", "gone", "garbage"])
def test_a_damaged_cut_is_made_anew(model: Path, own_cache: Path, picture: NDArray[np.uint8], damage: str) -> None:
    expected = HubDetector(str(model), score_threshold=LEAST).detect(picture)
    (folder,) = (kept for kept in own_cache.iterdir() if kept.is_dir())
    file = folder / (damage if "." in damage else "boxes.pb")
    if damage == "gone":
        file.unlink()
    elif damage == "garbage":
        told = json.loads((folder / "cut.json").read_text())
        (folder / "cut.json").write_text(json.dumps({**told, "names": [1]}))
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
    found = HubDetector(str(model), score_threshold=LEAST).detect(picture)
    np.testing.assert_array_equal(found.masks, expected.masks)


def test_nothing_that_cannot_be_kept_is_missed(
    model: Path, own_cache: Path, picture: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    own_cache.parent.mkdir(parents=True)
    own_cache.write_text("a file in the way")
    caplog.set_level(logging.INFO, "streamer")
    assert len(HubDetector(str(model), score_threshold=LEAST).detect(picture)) > 0
    assert "the next start takes as long" in caplog.text


def test_few_cuts_are_kept(own_cache: Path) -> None:
    known = cut_cache.Known(
        contract={}, fixed_size=None, inner=InnerSize(3, 4, stretched=True), whole_because="it has no masks"
    )
    for i in range(7):
        cut_cache.save(f"key{i}", known, None)
    assert len(list(own_cache.iterdir())) == cut_cache.MOST_ENTRIES
    assert cut_cache.load("key6", None) == (known, None)


def test_what_is_kept_of_a_model_is_removed_with_it(tmp_path: Path, own_cache: Path) -> None:
    known = cut_cache.Known(contract={}, fixed_size=None, inner=None, whole_because="it has no masks")
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
        (folder / "saved_model.pb").write_text(folder.name)
        for version in ("2.20", "2.21"):
            cut_cache.save(cut_cache.fingerprint(folder, version, "CPU"), known, None)
    cut_cache.forget(folders[0])
    assert [cut_cache.load(cut_cache.fingerprint(folder, "2.21", "CPU"), None) for folder in folders] == [None, (known, None)]
    assert len(list(own_cache.iterdir())) == 2


@pytest.mark.parametrize(
    ("masks", "apart"),
    [
        (np.zeros((0, 33, 33)), False),
        (np.zeros((1, 33, 33)), False),
        (np.ones((100, 480, 640)), False),
        (np.arange(100.0)[:, None, None] == np.full((100, 480, 640), 99.0), True),
        (np.zeros((100, 33)), False),
    ],
)
def test_masks_that_are_alike_prove_nothing(masks: NDArray[np.generic], apart: bool) -> None:
    """Also those of the picture's size, which are a hundred times as large."""
    assert Trial(None, {}, masks).tells_masks_apart == apart


def test_what_is_handed_over_is_fitted_to_the_rows() -> None:
    kept = np.array([7, 2])
    rows = np.arange(400, dtype=np.float32).reshape(100, 4)
    np.testing.assert_array_equal(fitted(rows, 100, kept), rows[kept])
    np.testing.assert_array_equal(fitted(rows[None], 100, kept), rows[None, kept])
    assert fitted(np.array([1, 100, 33, 33], np.int32), 100, kept).tolist() == [1, 2, 33, 33]
    assert fitted(np.array(100, np.int32), 100, kept).tolist() == 2
    assert fitted(np.array([100.0, 3.0], np.float32), 100, kept).tolist() == [100.0, 3.0]
    assert fitted(np.arange(6, dtype=np.int64), 100, kept).tolist() == [0, 1, 2, 3, 4, 5]


def test_one_process_at_a_time_makes_the_parts_and_what_a_killed_one_left_goes(own_cache: Path) -> None:
    own_cache.mkdir(parents=True, exist_ok=True)
    (own_cache / "key.abc.part").mkdir()
    entered, order = threading.Event(), []

    def second() -> None:
        entered.set()
        with cut_cache.held("key"):
            order.append("second")

    with cut_cache.held("key"):
        assert not (own_cache / "key.abc.part").exists()
        other = threading.Thread(target=second)
        other.start()
        assert entered.wait(20)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_where_nothing_can_be_kept_the_model_is_opened_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(cut_cache, "root", lambda: tmp_path / "file" / "cuts")
    with cut_cache.held("key"):
        cut_cache.save("key", cut_cache.Known(contract={}, fixed_size=None, inner=None), None)
    assert "every start takes as long" in caplog.text
