"""Real SavedModels of the detection contract whose answers follow from the picture: they find rectangles by their colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROWS = 100
MASK_CELLS = 33
FEATURES = (1, 64, 64, 512)
"""A useless extra output, 8 MB in float32."""

COLORS = {(255, 0, 0): (1, 0.9), (0, 255, 0): (3, 0.8), (0, 0, 255): (44, 0.7)}
"""RGB to class id and score: red is a person, green a car, blue a bottle."""


def save(
    folder: Path,
    *,
    masks: bool = True,
    flat: bool = False,
    without: str = "",
    wrong_rows: bool = False,
    poisoned: bool = False,
    size: int | None = None,
    dtype: str = "uint8",
    signature: str = "serving_default",
    features: tuple[int, ...] = FEATURES,
) -> Path:
    """Build one, save it to ``folder`` and return that.

    ``flat`` leaves the leading 1 of the boxes away, ``without`` one output, ``wrong_rows`` gives one score too few,
    ``poisoned`` adds an extra output that fails when it is computed, ``size`` fixes height and width. The extra output
    ``features`` has the given shape, and the scores depend on it, as they do in the real networks.
    """
    import tensorflow as tf

    spec = tf.TensorSpec([1, size, size, 3], tf.as_dtype(dtype), name="input_tensor")

    class Rectangles(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
        def __init__(self) -> None:
            super().__init__()
            self.colors = tf.Variable([list(color) for color in COLORS], dtype=tf.int32)
            self.ballast = tf.Variable(tf.random.stateless_normal([20_000], [1, 2]))

        @tf.function(input_signature=[spec])  # type: ignore[untyped-decorator]  # as above
        def __call__(self, input_tensor: Any) -> dict[str, Any]:
            found = _find(tf, tf.cast(input_tensor[0], tf.int32), self.colors)
            big = tf.fill(features, tf.cast(input_tensor[0, 0, 0, 0], tf.float32)) + self.ballast[0]
            answers = {
                **found,
                "detection_boxes": found["detection_boxes"][0] if flat else found["detection_boxes"],
                "detection_scores": found["detection_scores"] + 1e-12 * tf.reduce_max(big),
                "features": big,
            }
            if wrong_rows:
                answers["detection_scores"] = answers["detection_scores"][:, :-1]
            if poisoned:
                beyond = tf.shape(self.ballast)[0] + tf.cast(input_tensor[0, 0, 0, 0], tf.int32)
                answers["poison"] = tf.gather(self.ballast, beyond)
            for key in (without, "" if masks else "detection_masks"):
                answers.pop(key, None)
            return answers

    model = Rectangles()
    tf.saved_model.save(model, str(folder), signatures={signature: model.__call__})
    return folder


def _find(tf: Any, picture: Any, colors: Any) -> dict[str, Any]:
    """The outputs of the contract, float32 with a leading 1: present colours first, the other rows zero."""
    is_color = tf.cast(tf.reduce_all(picture[None] == colors[:, None, None, :], axis=-1), tf.float32)
    present = tf.reduce_any(is_color > 0, axis=[1, 2])
    height, width = (tf.cast(tf.shape(picture)[axis], tf.float32) for axis in (0, 1))

    def span(axis: int, size: Any) -> tuple[Any, Any]:
        hit = tf.reduce_max(is_color, axis=axis)
        return tf.cast(tf.argmax(hit, 1), tf.float32) / size, 1 - tf.cast(tf.argmax(hit[:, ::-1], 1), tf.float32) / size

    (top, bottom), (left, right) = span(2, height), span(1, width)
    boxes = tf.stack([top, left, bottom, right], axis=1)
    # Sampled at the cells' middles: crop_and_resize puts its outermost samples on the edges of the box that it is given.
    half_h, half_w = (bottom - top) / MASK_CELLS / 2, (right - left) / MASK_CELLS / 2
    pixels_h, pixels_w = 0.5 / height, 0.5 / width
    at = tf.stack(
        [
            (top + half_h - pixels_h) * height / (height - 1),
            (left + half_w - pixels_w) * width / (width - 1),
            (bottom - half_h - pixels_h) * height / (height - 1),
            (right - half_w - pixels_w) * width / (width - 1),
        ],
        axis=1,
    )
    crops = tf.image.crop_and_resize(is_color[..., None], at, tf.range(len(COLORS)), [MASK_CELLS, MASK_CELLS])[..., 0]
    class_ids = tf.constant([float(class_id) for class_id, _ in COLORS.values()])
    scores = tf.constant([score for _, score in COLORS.values()])
    rows = tf.where(present)[:, 0]

    def padded(values: Any) -> Any:
        picked = tf.gather(values, rows)
        tail = [[0, ROWS - tf.shape(rows)[0]]] + [[0, 0]] * (len(values.shape) - 1)
        return tf.ensure_shape(tf.pad(picked, tail)[None], [1, ROWS, *values.shape[1:]])

    return {
        "num_detections": tf.cast(tf.shape(rows)[:1], tf.float32),
        "detection_boxes": padded(boxes),
        "detection_classes": padded(class_ids),
        "detection_scores": padded(scores),
        "detection_masks": padded(tf.ensure_shape(crops, [len(COLORS), MASK_CELLS, MASK_CELLS])),
    }
