"""Pictures as inputs of networks: place, colour order, numbers, and memory that is used again."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.detectors.exported.picture_input import PictureInput, Preparation, Resize
from tests.detectors.exported import tiny_networks

PICTURE = tiny_networks.picture(90, 60)


def made(preparation: Preparation, size: tuple[int, int] | None = (64, 64), **more: Any) -> PictureInput:
    options: dict[str, Any] = {"channels_last": False, "batch": True, "dtype": np.dtype(np.float32), **more}
    return PictureInput(preparation, size=size, largest=(64, 64), stride=32, **options)


@pytest.mark.parametrize(
    ("resize", "size", "expected"),
    [
        ("letterbox", (64, 64), ((64, 64), (64, 43), 0, 10)),
        ("corner", (64, 64), ((64, 64), (64, 42), 0, 0)),
        ("stretch", (64, 64), ((64, 64), (64, 64), 0, 0)),
        ("letterbox", None, ((64, 64), (64, 43), 0, 10)),
        ("none", None, ((90, 60), (90, 60), 0, 0)),
        ("none", (64, 64), ((64, 64), (64, 43), 0, 0)),
    ],
)
def test_where_the_picture_lies(resize: Resize, size: tuple[int, int] | None, expected: tuple[Any, ...]) -> None:
    fit = made(Preparation(resize), size).fit(90, 60)
    assert fit[:4] == expected
    boxes = np.array([[10, 20, 50, 60]], np.float32)
    np.testing.assert_allclose(fit.to_picture(fit.from_picture(boxes).astype(np.float32)), boxes, atol=1e-4)


def test_open_sizes_are_padded_to_the_stride_only() -> None:
    assert made(Preparation("letterbox"), None).fit(1920, 720).input_size == (64, 32)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("bgr", [False, True])
def test_colours_and_numbers(dtype: Any, channels_last: bool, bgr: bool) -> None:
    preparation = Preparation("stretch", mean=(10, 20, 30), deviation=(2, 4, 8), bgr=bgr)
    picture = np.full((64, 64, 3), (110, 120, 130), np.uint8)
    array, _ = made(preparation, channels_last=channels_last, dtype=np.dtype(dtype)).put(picture)
    assert array.dtype == dtype
    pixel = array[0, 5, 5] if channels_last else array[0, :, 5, 5]
    assert pixel.tolist() == ([12.5, 25, 50] if bgr else [50, 25, 12.5])


def test_8_bits_stand_for_what_the_preparation_makes() -> None:
    picture = np.full((64, 64, 3), 255, np.uint8)
    signed = made(Preparation("stretch"), dtype=np.dtype(np.int8), quantization=(1 / 255, -128), channels_last=True)
    assert signed.put(picture)[0].min() == 127
    levels = made(Preparation("stretch", deviation=(1.0, 1.0, 1.0)), dtype=np.dtype(np.uint8), quantization=(0.0078, 127))
    assert levels.put(picture)[0].min() == 255


def test_floats_are_scaled_without_rounding() -> None:
    array, _ = made(Preparation("stretch", deviation=(1.0, 1.0, 1.0), in_floats=True)).put(PICTURE)
    expected = cv2.resize(PICTURE.astype(np.float32), (64, 64), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(array[0].transpose(1, 2, 0), expected, atol=1e-4)


def test_beside_the_picture_it_is_gray_and_memory_is_used_again() -> None:
    given = made(Preparation("letterbox", padding=114, deviation=(1.0, 1.0, 1.0)))
    first, _ = given.put(PICTURE)
    again, _ = given.put(PICTURE)
    assert again is first
    assert set(np.unique(first[0, :, :10])) == {114.0}
    other: NDArray[np.uint8] = np.zeros((30, 64, 3), np.uint8)
    small, fit = given.put(other)
    assert fit.top == 17
    assert set(np.unique(small)) == {0.0, 114.0}
