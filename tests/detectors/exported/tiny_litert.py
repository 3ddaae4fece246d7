"""A tiny ``.tflite`` in the shape of a YOLO with masks, with floats or with 8 bits throughout; made by TensorFlow."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from streamer.detectors.quiet import stderr_without
from tests.detectors.exported import tiny_networks

SIZE = 96
NAMES = ("person", "car", "dog")
PLACES = tiny_networks.places((SIZE, SIZE), tiny_networks.STRIDES)


def yolo(tf: Any, file: Path, *, eight_bits: bool) -> Path:
    """Of a picture that is red on the left: one box over the red, with a mask of its upper half."""
    count = len(PLACES)
    rows = np.zeros((4 + len(NAMES) + 1, count), np.float32)
    rows[:4, 5] = (0.25, 0.5, 0.5, 1.0)
    rows[4:, 5] = (0.0, 0.9, 0.0, 1.0)
    prototype = np.full((1, SIZE // 4, SIZE // 4, 1), -4.0, np.float32)
    prototype[:, : SIZE // 8] = 4.0

    def detect(picture: Any) -> Any:
        redness = tf.reduce_mean(picture[:, :, : SIZE // 2, 0])
        blank = tf.zeros_like(rows)
        return tf.reshape(tf.constant(rows) * redness + blank, (1, *rows.shape)), tf.constant(prototype) * redness

    spec = tf.TensorSpec([1, SIZE, SIZE, 3], tf.float32, name="images")
    function = tf.function(detect, autograph=False).get_concrete_function(spec)
    with stderr_without(r".*"), warnings.catch_warnings():
        # It misses statistics that this way of converting does not need.
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
        if eight_bits:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
            converter.representative_dataset = lambda: [[picture()], [np.zeros((1, SIZE, SIZE, 3), np.float32)]]
        file.write_bytes(converter.convert())
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(
            "metadata.json", json.dumps({"names": dict(enumerate(NAMES)), "task": "segment", "imgsz": [SIZE, SIZE]})
        )
    return file


def picture() -> Any:
    made = np.zeros((1, SIZE, SIZE, 3), np.float32)
    made[:, :, : SIZE // 2, 0] = 1.0
    return made
