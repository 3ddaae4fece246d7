"""SavedModels as other exporters make them: what is right in another way is taken, what is not is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.detectors import saved_model
from streamer.detectors.hub import HubDetector
from streamer.detectors.registry import load_detector
from streamer.errors import DetectorContractError, DetectorUnavailable, ModelRefused, StreamerError

pytestmark = pytest.mark.slow

PICTURE = np.full((120, 200, 3), 200, np.uint8)
BOX = (0.25, 0.1, 0.75, 0.6)
"""Top, left, bottom, right of the one object, a person of score 0.9 whose right half is set."""


@pytest.fixture(scope="module")
def tf() -> Any:
    return saved_model.quiet_tensorflow(None)


def answers(tf: Any, picture: Any, *, rows: int = 5, cells: int = 7, count: int = 1) -> dict[str, Any]:
    """The contract's outputs, float32: one object, which is there because the picture is bright."""
    height, width = tf.shape(picture)[1], tf.shape(picture)[2]
    bright = tf.cast(tf.reduce_mean(tf.cast(picture, tf.float32)) > 100, tf.float32)
    half = tf.concat([tf.zeros([cells, cells // 2]), tf.ones([cells, cells - cells // 2])], axis=1)
    y = (tf.cast(tf.range(height), tf.float32)[:, None] + 0.5) / tf.cast(height, tf.float32)
    x = (tf.cast(tf.range(width), tf.float32)[None] + 0.5) / tf.cast(width, tf.float32)
    top, left, bottom, right = BOX
    pasted = (y > top) & (y < bottom) & (x > (left + right) / 2) & (x < right)
    one = tf.one_hot([0], rows)
    return {
        "num_detections": tf.fill([1], float(count)),
        "detection_boxes": one[..., None] * tf.constant(BOX),
        "detection_scores": one * 0.9 * bright,
        "detection_classes": one,
        "detection_masks": one[..., None, None] * half,
        "pasted": one[..., None, None] * tf.cast(pasted, tf.float32),
    }


def save(
    tf: Any,
    folder: Path,
    change: Callable[[dict[str, Any]], dict[str, Any]] = lambda found: found,
    *,
    shape: tuple[int | None, ...] = (1, None, None, 3),
    dtype: str = "uint8",
    argument: str = "input_tensor",
    signature: str = "serving_default",
    rows: int = 5,
) -> Path:
    """A SavedModel that gives what ``change`` makes of the contract's outputs."""
    spec = tf.TensorSpec(shape, tf.as_dtype(dtype), name=argument)

    @tf.function(input_signature=[spec])  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def detect(picture: Any) -> dict[str, Any]:
        if dtype == "string":
            picture = tf.image.decode_png(picture[0], 3)[None]
        found = change(answers(tf, picture, rows=rows))
        found.pop("pasted", None)
        return found

    module = tf.Module()
    module.detect = detect
    tf.saved_model.save(module, str(folder), signatures={signature: detect})
    return folder


def expect_person(folder: Path, *, masks: bool = True) -> None:
    detector = HubDetector(str(folder))
    found = detector.detect(PICTURE)
    assert [detector.labels[i] for i in found.class_ids.tolist()] == ["person"]
    np.testing.assert_allclose(found.boxes_xyxy, [[20, 30, 120, 90]], atol=0.5)  # of bfloat16, too
    assert (found.masks is not None) == masks
    if found.masks is not None:
        cells = found.masks.shape[1]
        assert (found.masks[0, :, : int(cells * 0.4)] < 0.5).all()
        assert (found.masks[0, 1:-1, int(cells * 0.6) : -1] > 0.5).all()
    assert len(detector.detect(np.zeros_like(PICTURE))) == 0


def with_masks(make: Callable[[Any, dict[str, Any]], Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    return lambda tf, found: {**found, "detection_masks": make(tf, found)}


TAKEN: dict[str, Callable[[Any, dict[str, Any]], dict[str, Any]]] = {
    "int64 classes, int32 count": lambda tf, found: {
        **found,
        "detection_classes": tf.cast(found["detection_classes"], tf.int64),
        "num_detections": tf.cast(found["num_detections"], tf.int32),
    },
    "without the leading 1": lambda _tf, found: {name: values[0] for name, values in found.items()},
    "bfloat16": lambda tf, found: {name: tf.cast(values, tf.bfloat16) for name, values in found.items()},
    "as many rows as objects": lambda tf, found: {
        name: tf.boolean_mask(values, found["detection_scores"] > 0)[None]
        if name != "num_detections"
        else tf.math.count_nonzero(found["detection_scores"], keepdims=True)[0]
        for name, values in found.items()
    },
    "rows without an object of class -1": lambda tf, found: {
        **found,
        "num_detections": found["num_detections"] * 5,
        "detection_classes": tf.where(found["detection_scores"] > 0, found["detection_classes"], -1.0),
    },
    "float16": lambda tf, found: {name: tf.cast(values, tf.float16) for name, values in found.items()},
    "pasted masks": with_masks(lambda _tf, found: found["pasted"]),
    "pasted masks of bytes": with_masks(lambda tf, found: tf.cast(found["pasted"] > 0.5, tf.uint8)),
    "pasted masks without the leading 1": with_masks(lambda _tf, found: found["pasted"][0]),
    "masks as bytes up to 255": with_masks(lambda tf, found: tf.cast(found["detection_masks"] * 255, tf.uint8)),
    "masks as logits": with_masks(lambda _tf, found: found["detection_masks"] * 20 - 10),
    "large masks": with_masks(lambda tf, found: tf.repeat(tf.repeat(found["detection_masks"], 28, 2), 28, 3)),
    "more outputs": lambda tf, found: {
        **found,
        "raw_detection_boxes": tf.zeros([1, 51150, 4]),
        "detection_multiclass_scores": tf.zeros([1, 5, 91]),
        "detection_keypoints": tf.zeros([1, 5, 17, 2]),
    },
}


@pytest.mark.parametrize("kind", TAKEN)
def test_other_forms_of_the_outputs_are_taken(tf: Any, tmp_path: Path, kind: str) -> None:
    expect_person(save(tf, tmp_path / "model", lambda found: TAKEN[kind](tf, found)))


@pytest.mark.parametrize(
    ("shape", "argument"),
    [
        ((None, None, None, 3), "inputs"),
        ((1, None, None, None), "image_tensor"),
        ((None, 100, 160, 3), "input_1"),
        ((1, 64, 64, 3), "images"),
    ],
)
def test_other_forms_of_the_input_are_taken(tf: Any, tmp_path: Path, shape: tuple[int | None, ...], argument: str) -> None:
    expect_person(save(tf, tmp_path / "model", shape=shape, argument=argument))
    pasted = save(tf, tmp_path / "pasted", lambda found: TAKEN["pasted masks"](tf, found), shape=shape, argument=argument)
    expect_person(pasted)


def test_boxes_alone_are_taken(tf: Any, tmp_path: Path) -> None:
    """Faster R-CNN, SSD, EfficientDet, CenterNet."""
    without = save(tf, tmp_path / "model", lambda found: {k: v for k, v in found.items() if k != "detection_masks"})
    expect_person(without, masks=False)


def test_a_graph_of_tensorflow_1_is_taken(tf: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        picture = tf.compat.v1.placeholder(tf.uint8, [None, None, None, 3], "image_tensor")
        found = {name: values + 0 for name, values in answers(tf, picture).items() if name != "pasted"}
        tf.compat.v1.saved_model.simple_save(session, str(folder), {"inputs": picture}, found)
    expect_person(folder)


def test_an_export_of_keras_3_is_taken(tf: Any, tmp_path: Path) -> None:
    class Detect(tf.keras.layers.Layer):  # type: ignore[misc]  # TensorFlow has no types
        def call(self, picture: Any) -> dict[str, Any]:
            return {name: values for name, values in answers(tf, picture).items() if name != "pasted"}

    picture = tf.keras.Input((None, None, 3), batch_size=1, dtype="uint8", name="picture")
    model = tf.keras.Model(picture, Detect()(picture))
    model.export(str(tmp_path / "model"), verbose=False)
    expect_person(tmp_path / "model")
    model.save(tmp_path / "model.keras")
    with pytest.raises(
        StreamerError, match=r"model\.keras is a file of Keras; export it, model\.export\(FOLDER\), and name that"
    ):
        load_detector(str(tmp_path / "model.keras"), score_threshold=0.5)


def test_no_rows_at_all_are_nothing_found(tf: Any, tmp_path: Path) -> None:
    def none(found: dict[str, Any]) -> dict[str, Any]:
        return {name: values[:, :0] if name != "num_detections" else values * 0 for name, values in found.items()}

    assert len(HubDetector(str(save(tf, tmp_path / "model", none))).detect(PICTURE)) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "float32"}, r"expected the input uint8 \[1, height, width, 3\], got float32"),
        ({"dtype": "string", "shape": (None,)}, r"expected the input uint8 \[1, height, width, 3\], got string \[None\]"),
        ({"shape": (1, None, None, 4)}, r"got uint8 \[1, None, None, 4\]"),
        ({"shape": (1, 3, None, None)}, r"got uint8 \[1, 3, None, None\]"),
        ({"shape": (None, None, 3)}, r"got uint8 \[None, None, 3\]"),
        ({"shape": (2, None, None, 3)}, r"got uint8 \[2, None, None, 3\]"),
        ({"signature": "default"}, "has no signature serving_default, it has: default"),
    ],
)
def test_other_inputs_are_refused_in_one_line(tf: Any, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelRefused, match=words) as caught:
        HubDetector(str(save(tf, tmp_path / "model", **options)))
    assert "\n" not in str(caught.value)
    assert caught.value.hint


REFUSED: dict[str, tuple[Callable[[Any, dict[str, Any]], dict[str, Any]], str]] = {
    "more rows than there are": (
        lambda _tf, found: {**found, "num_detections": found["num_detections"] + 10},
        r"num_detections: expected a whole number within 0\.\.5, got 11",
    ),
    "boxes in pixels": (
        lambda tf, found: {**found, "detection_boxes": found["detection_boxes"] * tf.constant([120.0, 200.0, 120.0, 200.0])},
        r"detection_boxes: expected fractions 0\.\.1 of the picture, got 120",
    ),
    "masks of another shape": (
        with_masks(lambda _tf, found: found["pasted"][:, :, 1:]),
        r"detection_masks: expected shape \[1, 1, M, M\] or \[1, 1, height, width\] of the picture, got \[1, 1, 119, 200\]",
    ),
    "masks without a cell": (
        with_masks(lambda _tf, found: found["detection_masks"][:, :, :0, :0]),
        r"detection_masks: expected shape \[1, 1, M, M\] .* got \[1, 1, 0, 0\]",
    ),
    "scores in percent": (
        lambda _tf, found: {**found, "detection_scores": found["detection_scores"] * 100},
        r"detection_scores: expected 0\.\.1, got 90",
    ),
    "numbers that are no ids": (
        lambda _tf, found: {**found, "detection_classes": found["detection_classes"] * 1e30},
        r"detection_classes: expected ids, got 1e\+30",
    ),
    "masks for each class": (
        with_masks(lambda tf, found: tf.repeat(found["detection_masks"][:, :, None], 90, 2)),
        r"detection_masks: expected shape \[1, N, M, M\], got \[1, 5, 90, 7, 7\]",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_outputs_are_refused_rather_than_drawn_wrongly(tf: Any, tmp_path: Path, kind: str) -> None:
    change, words = REFUSED[kind]
    detector = HubDetector(str(save(tf, tmp_path / "model", lambda found: change(tf, found))))
    with pytest.raises(DetectorContractError, match=words):
        detector.detect(PICTURE)


@pytest.mark.parametrize("key", ["detection_classes", "detection_scores", "detection_masks"])
def test_outputs_that_are_no_numbers_are_refused_at_load(tf: Any, tmp_path: Path, key: str) -> None:
    folder = save(tf, tmp_path / "model", lambda found: {**found, key: tf.as_string(found[key])})
    with pytest.raises(ModelRefused, match=f"{key}: expected numbers, got string"):
        HubDetector(str(folder))


def test_a_path_that_tensorflow_takes_for_a_pattern_is_named(tf: Any, tmp_path: Path) -> None:
    folder = save(tf, tmp_path / "model[1024]")
    with pytest.raises(DetectorUnavailable, match=r"holds \[, which TensorFlow takes for a pattern; rename the folder"):
        HubDetector(str(folder))


def test_boxes_that_are_no_numbers_are_left_out(tf: Any, tmp_path: Path) -> None:
    def poisoned(found: dict[str, Any]) -> dict[str, Any]:
        two = tf.one_hot([0], 5) + tf.one_hot([1], 5)
        boxes = found["detection_boxes"] + tf.one_hot([1], 5)[..., None] * float("nan")
        boxes = tf.where(tf.one_hot([0], 5)[..., None] > 0, tf.constant(BOX), boxes)
        return {**found, "num_detections": found["num_detections"] + 1, "detection_scores": two * 0.9, "detection_boxes": boxes}

    found = HubDetector(str(save(tf, tmp_path / "model", poisoned))).detect(PICTURE).usable(200, 120)
    np.testing.assert_allclose(found.boxes_xyxy, [[20, 30, 120, 90]], atol=1e-3)


def test_ids_that_begin_at_0_are_told_once(tf: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def from_0(found: dict[str, Any]) -> dict[str, Any]:
        return {**found, "detection_classes": found["detection_classes"] * 0}

    folder = save(tf, tmp_path / "model", from_0)
    detector = HubDetector(str(folder))
    for _ in range(3):
        detector.detect(PICTURE)
    assert [record.getMessage() for record in caplog.records] == [
        "model: class 0 has no name: its ids begin at 0, the labels' at 1; give --labels coco-from-0 or coco80"
    ]
    mended = load_detector(str(folder), score_threshold=0.5, labels_path=Path("coco80"))
    assert [mended.labels[i] for i in mended.detect(PICTURE).class_ids.tolist()] == ["person"]
    assert len(caplog.records) == 1
