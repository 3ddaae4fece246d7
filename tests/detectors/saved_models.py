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


def save_two_stage(
    folder: Path,
    *,
    static: bool = True,
    shared: bool = False,
    mixing: bool = False,
    looped: bool = False,
    size: int | None = None,
    proposals: int = 400,
    depth: int = 32,
) -> Path:
    """Build a network of two stages with random weights, as the TF Object Detection API makes them, and return its folder.

    400 places, of which the suppression keeps 100 detections; then a mask head on crops of its own, asserts and control
    inputs in between, and shapes that hold the 100 as a constant. Pictures are resized, and their detections picked, in loops
    over the batch with lists of tensors. Not ``static``: shapes are computed. ``shared``: scores depend on the masks' crops,
    too. ``mixing``: each mask depends on those of all detections. Both must not be cut. ``looped``: weights are read in a loop.
    """
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    spec = tf.TensorSpec([1, size, size, 3], tf.uint8, name="input_tensor")
    classes = 90
    grid = round(proposals**0.5)

    def weights(*shape: int, gain: float = 1.0) -> Any:
        return tf.Variable((gain * random.normal(size=shape) / np.prod(shape[:-1]) ** 0.5).astype(np.float32))

    class TwoStages(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
        def __init__(self) -> None:
            super().__init__()
            self.convolutions = [weights(3, 3, 3, 16), weights(3, 3, 16, depth)]
            self.scores, self.shift = weights(49 * depth, classes + 1, gain=3.0), weights(49 * depth, 4)
            self.mask_head = [weights(3, 3, depth, 64, gain=2.0), weights(1, 1, 64, classes, gain=6.0)]

        @tf.function(input_signature=[spec])  # type: ignore[untyped-decorator]  # as above
        def __call__(self, input_tensor: Any) -> dict[str, Any]:
            features = self._features(input_tensor)
            boxes, scores, class_ids, count = self._detections(features)
            with tf.control_dependencies([tf.debugging.assert_greater_equal(count, 0)]):
                rows = tf.reshape(boxes, [-1, 4])
            masks, crops = self._masks(features, rows, class_ids)
            if shared:
                scores = scores + 1e-3 * tf.reduce_mean(crops)
            return {
                "detection_boxes": boxes,
                "detection_classes": class_ids + 1,
                "detection_scores": scores,
                "num_detections": tf.cast(count, tf.float32),
                "detection_masks": masks,
                "raw_detection_scores": features,
            }

        def _features(self, pictures: Any) -> Any:
            resized = tf.map_fn(lambda picture: tf.image.resize(picture, [128, 128]), tf.cast(pictures, tf.float32))
            tf.debugging.Assert(tf.equal(tf.shape(resized)[0], 1), ["one picture"])
            features = resized / 127.5 - 1
            if looped:
                features = tf.map_fn(lambda picture: picture * (1 + 0.01 * self.convolutions[0][0, 0, :, 0]), features)
            for kernel, stride in zip(self.convolutions, (4, 2), strict=True):
                features = tf.nn.relu(tf.nn.conv2d(features, kernel, stride, "SAME"))
            return features

        def _detections(self, features: Any) -> tuple[Any, Any, Any, Any]:
            steps = tf.linspace(0.0, 0.8, grid)
            top, left = tf.meshgrid(steps, steps, indexing="ij")
            places = tf.reshape(tf.stack([top, left, top + 0.2, left + 0.2], -1), [-1, 4])
            crops = tf.image.crop_and_resize(features, places, tf.zeros([tf.shape(places)[0]], tf.int32), [7, 7])
            flat = tf.reshape(crops, [-1, 49 * depth])

            def picked(of_picture: tuple[Any, Any]) -> tuple[Any, ...]:
                logits, shift = of_picture
                scores = tf.nn.softmax(logits)[:, 1:]
                boxes = tf.clip_by_value(places + 0.05 * tf.tanh(shift), 0, 1)
                kept = tf.image.combined_non_max_suppression(
                    boxes[None, :, None], scores[None], ROWS, ROWS, iou_threshold=0.6, score_threshold=0.0
                )
                return tf.reshape(kept[0], [ROWS, 4]), kept[1][0], kept[2][0], kept[3][0]

            kinds = (tf.float32, tf.float32, tf.float32, tf.int32)
            boxes, scores, class_ids, count = tf.map_fn(
                picked, ((flat @ self.scores)[None], (flat @ self.shift)[None]), fn_output_signature=kinds
            )
            return boxes, scores, class_ids, count

        def _masks(self, features: Any, boxes: Any, class_ids: Any) -> tuple[Any, Any]:
            ones = tf.ones([1, ROWS if static else tf.shape(boxes)[0]], tf.int32)
            of_picture = tf.reshape(ones * tf.range(1)[:, None], [-1])
            crops = tf.nn.max_pool2d(tf.image.crop_and_resize(features, boxes, of_picture, [14, 14]), 2, 2, "SAME")
            hidden = tf.nn.relu(tf.nn.conv2d(crops, self.mask_head[0], 1, "SAME"))
            if mixing:
                hidden = hidden + tf.reduce_mean(hidden, axis=0, keepdims=True)
            hidden = tf.image.resize(hidden, [MASK_CELLS, MASK_CELLS])
            logits = tf.transpose(tf.nn.conv2d(hidden, self.mask_head[1], 1, "SAME"), [0, 3, 1, 2])
            rows = ROWS if static else tf.shape(boxes)[0]
            logits = tf.reshape(logits, [rows, classes, MASK_CELLS, MASK_CELLS])
            every = tf.reshape(logits, [-1, MASK_CELLS, MASK_CELLS])
            own = tf.range(tf.shape(logits)[0]) * classes + tf.cast(tf.reshape(class_ids, [-1]), tf.int32)
            return tf.reshape(tf.sigmoid(tf.gather(every, own)), [1, rows, MASK_CELLS, MASK_CELLS]), crops

    model = TwoStages()
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.__call__})
    return folder


def save_resizing(folder: Path, resizer: str) -> Path:
    """Build a detector of boxes that tells the size of the picture that it is handed, and return its folder.

    The first two class ids are the picture's width and height. ``resizer`` is what stands before its convolution: ``stretched``
    to 320x320, ``padded`` to 512x512, ``fitted`` into 400x400, or ``none``.
    """
    import tensorflow as tf

    kernel = tf.constant(0.1, shape=[3, 3, 3, 4])

    def fitted(picture: Any, side: int) -> Any:
        size = tf.cast(tf.shape(picture)[1:3], tf.float32)
        return tf.image.resize(picture, tf.cast(tf.round(size * side / tf.reduce_max(size)), tf.int32))

    def resized(picture: Any) -> Any:
        if resizer == "stretched":
            return tf.image.resize(picture, [320, 320])
        if resizer == "padded":
            return tf.image.pad_to_bounding_box(fitted(picture, 512), 0, 0, 512, 512)
        return fitted(picture, 400) if resizer == "fitted" else picture

    class Resizing(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
        @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8)])  # type: ignore[untyped-decorator]  # as above
        def __call__(self, input_tensor: Any) -> dict[str, Any]:
            features = tf.nn.conv2d(resized(tf.cast(input_tensor, tf.float32) / 127.5 - 1), kernel, 2, "SAME")
            shape = tf.cast(tf.shape(input_tensor), tf.float32)
            return {
                "num_detections": tf.constant([2.0]),
                "detection_boxes": tf.constant([[[0.0, 0.0, 1.0, 0.5], [0.0, 0.5, 1.0, 1.0]]]),
                "detection_classes": tf.stack([shape[2], shape[1]])[None],
                "detection_scores": tf.constant([[0.9, 0.8]]) + 1e-9 * tf.reduce_mean(features),
            }

    model = Resizing()
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.__call__})
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
