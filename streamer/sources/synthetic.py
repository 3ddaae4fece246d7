"""A moving scene made by calculation: every object's place and outline in every frame is known exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.errors import SourceUnsupported
from streamer.frame import Color, Frame, Plane, StreamInfo
from streamer.instances import Instances

Doubles = NDArray[np.float64]

LABELS = {1: "blob", 2: "walker"}
"""Class names of the scene's objects."""
CELLS = 64
"""Masks of the truth are CELLS x CELLS."""
_POINTS = 96
_TEXTURE = 256


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Thing:
    """One object. Lengths are shares of the picture's height, times are seconds."""

    class_id: int
    texture: Plane
    """uint8 (256, 256, 3): goes with the object."""
    start: tuple[float, float]
    velocity: tuple[float, float]
    size: tuple[float, float]
    growth: float
    """Relative change of size a second."""
    wobble: float
    """How far the outline swings in and out, as a share of the radius."""
    pace: float
    """Swings a second."""
    scene: int
    """0 before the cut, 1 after it."""

    def outline(self, t: float, camera: Doubles) -> Doubles:
        """(96, 2): the outline at ``t``, in picture heights."""
        angle = np.linspace(0.0, 2.0 * np.pi, _POINTS, endpoint=False)
        swing = self.wobble * np.sin(2.0 * np.pi * self.pace * t)
        radius = 1.0 + swing * np.cos(3.0 * angle) + 0.1 * np.cos(2.0 * angle)
        half = 0.5 * np.array(self.size) * np.exp(self.growth * t)
        ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None] * half
        return np.asarray(ring + self.place(t) - camera, np.float64)

    def place(self, t: float) -> Doubles:
        """(2,): the centre at ``t`` in the world, in picture heights."""
        return np.array(self.start) + np.array(self.velocity) * t


class SyntheticScene:
    """Textured objects that move, cross, grow and deform before a textured background; the camera pans; halfway there is a cut.

    The same arguments make the same pictures. Objects nearer to the camera come later in the list and hide the others.
    """

    def __init__(
        self,
        width: int = 640,
        height: int = 360,
        *,
        frames: int = 150,
        rate: int = 25,
        objects: int = 6,
        seed: int = 7,
        pan: tuple[float, float] | None = None,
    ):
        """``pan`` is the camera's motion in picture heights a second; None: another one before and after the cut."""
        if min(width, height) < 32 or frames < 1 or objects < 0 or rate < 1:
            raise ValueError(
                f"expected at least 32 x 32 pixels and one frame, got {width} x {height}, {frames} frames at {rate}"
            )
        self.width, self.height, self.frames, self.rate = width, height, frames, rate
        self.cut_at = frames // 2
        """Index of the first frame of the second scene."""
        random = np.random.default_rng(seed)
        aspect = width / height
        self._backgrounds = [texture(random, 2 * height, int(2.2 * width), 0.02 * height, 70) for _ in range(2)]
        drawn = [random.uniform(-0.06, 0.06, 2) for _ in range(2)]
        self._pan = drawn if pan is None else [np.array(pan)] * 2
        self.things: list[Thing] = []
        for i in range(objects):
            for scene in (0, 1):
                walker = i % 2
                size = random.uniform(0.22, 0.34)
                self.things.append(
                    Thing(
                        class_id=1 + walker,
                        texture=texture(random, _TEXTURE, _TEXTURE, 9.0, 110),
                        start=(aspect * (0.15 + 0.7 * (i + 0.5) / objects), random.uniform(0.25, 0.75)),
                        velocity=(random.choice([-1, 1]) * random.uniform(0.08, 0.3), random.uniform(-0.05, 0.05)),
                        size=(size * (0.5 if walker else 1.0), size * (1.4 if walker else 1.0)),
                        growth=random.uniform(-0.06, 0.06),
                        wobble=random.uniform(0.04, 0.12),
                        pace=random.uniform(0.4, 1.0),
                        scene=scene,
                    )
                )

    def picture(self, index: int) -> Plane:
        """Frame ``index`` as RGB, uint8 (height, width, 3)."""
        t, scene, camera = self._moment(index)
        ground = self._backgrounds[scene]
        shift = camera * self.height + np.array([ground.shape[1] - self.width, ground.shape[0] - self.height]) / 2
        matrix = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
        picture = cv2.warpAffine(
            ground,
            matrix,
            (self.width, self.height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        ).astype(np.float32)
        for thing in self._present(scene):
            outline = thing.outline(t, camera) * self.height
            low, high = outline.min(axis=0), outline.max(axis=0)
            scale = (high - low) / _TEXTURE
            place = np.array([[scale[0], 0.0, low[0]], [0.0, scale[1], low[1]]])
            skin = cv2.warpAffine(
                thing.texture, place, (self.width, self.height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            cover = self._cover(outline)[..., None]
            picture = picture * (1.0 - cover) + skin * cover
        return np.asarray(np.round(picture), np.uint8)

    def masks(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """What is to be seen of each object in frame ``index``: places in :attr:`things` (N,) and bool (N, height, width)."""
        t, scene, camera = self._moment(index)
        free = np.ones((self.height, self.width), np.bool_)
        which, masks = [], []
        for i, thing in reversed(list(enumerate(self.things))):
            if thing.scene != scene:
                continue
            mask = self._cover(thing.outline(t, camera) * self.height) > 0.5
            seen = mask & free
            free &= ~mask
            # Less than a fifth of a person is found by no detector.
            if seen.sum() > max(60.0, 0.2 * mask.sum()):
                which.append(i)
                masks.append(seen)
        return np.array(which, np.int64), np.array(masks, np.bool_).reshape(-1, self.height, self.width)

    def truth(self, index: int) -> Instances:
        """The objects of frame ``index`` as a perfect detector finds them; track ids are places in :attr:`things`, from 1."""
        which, masks = self.masks(index)
        boxes, crops = [], []
        for mask in masks:
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            x0, y0, x1, y1 = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            boxes.append((x0, y0, x1, y1))
            crops.append(_resampled(mask[y0:y1, x0:x1].astype(np.float32)))
        if not boxes:
            return Instances.empty()
        return Instances(
            boxes_xyxy=np.array(boxes, np.float32),
            scores=np.full(len(boxes), 0.9, np.float32),
            class_ids=np.array([self.things[i].class_id for i in which], np.int64),
            masks=np.array(crops, np.float32),
            track_ids=which + 1,
        )

    def _moment(self, index: int) -> tuple[float, int, Doubles]:
        scene = int(index >= self.cut_at)
        t = (index - scene * self.cut_at) / self.rate
        return t, scene, np.asarray(self._pan[scene] * t, np.float64)

    def _present(self, scene: int) -> list[Thing]:
        return [thing for thing in self.things if thing.scene == scene]

    def _cover(self, outline: Doubles) -> NDArray[np.float32]:
        """0..1: how much of each pixel lies inside the outline."""
        cover = np.zeros((self.height, self.width), np.uint8)
        # Pixel i covers i..i+1, while OpenCV's point i is the middle of a pixel.
        points = np.round((outline - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(cover, [points], 255, lineType=cv2.LINE_AA, shift=4)
        return cover.astype(np.float32) / 255.0


def _resampled(crop: NDArray[np.float32]) -> NDArray[np.float32]:
    shrinks = crop.shape[0] >= CELLS and crop.shape[1] >= CELLS
    return np.asarray(
        cv2.resize(crop, (CELLS, CELLS), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.float32
    )


def texture(random: np.random.Generator, height: int, width: int, grain: float, contrast: float) -> Plane:
    """Smooth coloured noise with detail at two scales."""
    base = random.uniform(70, 185, 3)
    coarse = cv2.GaussianBlur(random.normal(size=(height, width)).astype(np.float32), (0, 0), max(grain, 1.5))
    fine = cv2.GaussianBlur(random.normal(size=(height, width, 3)).astype(np.float32), (0, 0), 2.0)
    noise = coarse[..., None] / coarse.std() * 0.35 + fine / fine.std() * 0.15
    return np.asarray(np.clip(base + contrast * noise, 0, 255), np.uint8)


class Synthetic:
    """Implements ``stages.Source``: a :class:`SyntheticScene` as a recording, as fast as it is drawn."""

    def __init__(
        self, scene: SyntheticScene | None = None, *, name: str = "test:", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.scene = scene or SyntheticScene()
        self.name = name
        self._clock = clock
        self._interrupted = False

    def open(self) -> StreamInfo:
        """Say what it is."""
        if self.scene.width % 2 or self.scene.height % 2:
            raise SourceUnsupported(f"{self.name} is {self.scene.width} x {self.scene.height}", hint="give even numbers")
        return StreamInfo(
            source=self.name,
            width=self.scene.width,
            height=self.scene.height,
            time_base=Fraction(1, self.scene.rate),
            rate=Fraction(self.scene.rate),
            color=Color(range=1),
            frames=self.scene.frames,
            duration_s=self.scene.frames / self.scene.rate,
        )

    def frames(self) -> Iterator[Frame]:
        """The scene's frames."""
        for index in range(self.scene.frames):
            if self._interrupted:
                return
            picture = av.VideoFrame.from_ndarray(self.scene.picture(index), format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, self.scene.rate)
            yield Frame(
                picture=picture,
                index=index,
                pts=index,
                time_base=Fraction(1, self.scene.rate),
                source=self.name,
                captured_at=self._clock(),
                duration=1,
            )

    def interrupt(self) -> None:
        """End soon."""
        self._interrupted = True

    def close(self) -> None:
        """There is nothing to let go of."""
