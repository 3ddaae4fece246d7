"""Frames and detections for the tests of following, made by calculation."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Frame
from streamer.instances import Instances

WIDTH, HEIGHT, RATE = 320, 192, 10


def texture(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    """Smooth grey noise, uint8 (height, width)."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32), (0, 0), 2.5)
    return np.asarray(np.clip(128 + 45 * noise / noise.std(), 0, 255), np.uint8)


GROUND = texture(1, HEIGHT, WIDTH)
OTHER_GROUND = np.asarray(255 - texture(2, HEIGHT, WIDTH) // 2, np.uint8)


def frame(index: int, grey: NDArray[np.uint8], *, source: str = "camera", captured_at: float | None = None) -> Frame:
    """A frame of that luma, without colour, at 10 frames a second."""
    picture = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="rgb24").reformat(format="yuv420p")
    return Frame(
        picture=picture,
        index=index,
        pts=index,
        time_base=Fraction(1, RATE),
        source=source,
        captured_at=index / RATE if captured_at is None else captured_at,
    )


def scene(index: int, *sprites: tuple[int, float, float], size: tuple[int, int] = (40, 64), pan: float = 0.0) -> Frame:
    """The ground with sprites (seed, left, top) on it, later ones in front; the camera pans by ``pan`` pixels a frame."""
    shift = np.array([[1.0, 0.0, pan * index], [0.0, 1.0, 0.0]])
    picture = cv2.warpAffine(
        GROUND, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )
    for seed, left, top in sprites:
        place = np.array([[1.0, 0.0, left], [0.0, 1.0, top]])
        skin = texture(seed, size[1], size[0])
        cover = cv2.warpAffine(np.ones_like(skin), place, (WIDTH, HEIGHT), flags=cv2.INTER_NEAREST).astype(bool)
        moved = cv2.warpAffine(skin, place, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        picture = np.where(cover, moved, picture)
    return frame(index, np.asarray(picture, np.uint8))


def found(
    *rows: tuple[float, float, float], size: tuple[int, int] = (40, 64), class_id: int = 1, masks: bool = True
) -> Instances:
    """Detections (left, top, score)."""
    n = len(rows)
    return Instances(
        boxes_xyxy=np.array([(x, y, x + size[0], y + size[1]) for x, y, _ in rows], np.float32).reshape(-1, 4),
        scores=np.array([score for _, _, score in rows], np.float32),
        class_ids=np.full(n, class_id, np.int64),
        masks=np.ones((n, 28, 28), np.float32) if masks else None,
    )
