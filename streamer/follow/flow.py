"""How the picture moves from one frame to the next: dense optical flow at low resolution, camera motion, scene cuts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Frame, Plane, plane_views

Field = NDArray[np.float32]

WORKING_PIXELS = 112_000
"""Area of the low-resolution picture: half size at 768 x 576, a little under a quarter at 1080p. Full size costs three times
as much there, and carries people of 90 pixels no better."""

CAMERA_STEP = 20
"""Every so many working pixels the flow is looked at for the motion of the camera."""
MAX_CAMERA_ZOOM = 0.3
"""Largest zoom of the camera that is believed in one step: beyond, the flow means nothing."""
CUT_CHANGED_SHARE = 0.3
"""A cut: more than this share of the picture's blocks looks different even after motion is taken out ..."""
CUT_BLOCK_ERROR = 22.0
"""(grey levels by which a block has to differ to count as changed)"""
CUT_CORRELATION = 0.65
"""... and the blocks of both pictures correlate by less than this. *Measured*: cuts 0.07-0.59, quick motion 0.78 and more."""


@dataclass(frozen=True, eq=False)
class LowResFrame:
    """A picture at working resolution: what following keeps of a frame."""

    luma: Plane
    """uint8 (h, w)."""
    chroma: tuple[Plane, Plane]
    """U and V, uint8 (h / 2, w / 2)."""
    to_picture: tuple[float, float]
    """Picture pixels per working pixel, x and y."""
    size: tuple[int, int]
    """Width and height of the picture itself."""

    @cached_property
    def blocks(self) -> Plane:
        """The means of blocks of 8 x 8 working pixels: compared with those of the frame before and of the frame after."""
        rows, columns = self.luma.shape[0] // 8, self.luma.shape[1] // 8
        # What is left at the edge is no block, and a factor that is not whole would take twenty times as long.
        return _shrunk(self.luma[: 8 * rows, : 8 * columns], (columns, rows))

    @classmethod
    def of(cls, frame: Frame, pixels: int = WORKING_PIXELS) -> LowResFrame:
        """Shrink a frame's upright planes to about ``pixels`` pixels; never enlarges."""
        luma, *chroma = (frame.orientation.upright(plane) for plane in plane_views(frame.picture)[:3])
        width, height = frame.width, frame.height
        shrink = max(1.0, math.sqrt(width * height / pixels))
        # A whole factor within 20 % of it is several times cheaper to average.
        whole = round(shrink)
        if abs(whole - shrink) / shrink < 0.2:
            shrink = whole
        # DIS needs a few cells at its coarsest scale.
        w, h = max(32, round(width / shrink)), max(32, round(height / shrink))
        half = (w // 2, h // 2)
        u, v = (_shrunk(plane, half) for plane in chroma)
        return cls(_shrunk(luma, (w, h)), (u, v), (width / w, height / h), (width, height))


def _shrunk(plane: Plane, size: tuple[int, int]) -> Plane:
    """The plane at ``size``, a copy in any case: the frame's memory goes back to the decoder.

    Halved as long as it can be, then interpolated. *Measured*, one core: 720p in 0.15 ms, 1080p in 0.11, where one averaging
    of all pixels by a factor that is not two takes 1.5 and 0.8.
    """
    width, height = size
    smaller = plane
    while smaller.shape[1] >= 2 * width and smaller.shape[0] >= 2 * height and not (smaller.shape[0] | smaller.shape[1]) & 1:
        half = (smaller.shape[1] // 2, smaller.shape[0] // 2)
        smaller = np.asarray(cv2.resize(smaller, half, interpolation=cv2.INTER_AREA), np.uint8)
    if smaller.shape == (height, width):
        return smaller if smaller is not plane else plane.copy()
    twice = smaller.shape[1] >= 2 * width or smaller.shape[0] >= 2 * height  # of odd size
    return np.asarray(cv2.resize(smaller, size, interpolation=cv2.INTER_AREA if twice else cv2.INTER_LINEAR), np.uint8)


@dataclass(frozen=True, slots=True)
class CameraMotion:
    """Motion of the background as ``shift + zoom * (point - centre)``, picture pixels a frame."""

    shift: tuple[float, float] = (0.0, 0.0)
    zoom: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)

    def at(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Motion (N, 2) in pixels of the points (N, 2)."""
        moved: NDArray[np.float64] = np.asarray(self.shift) + self.zoom * (points_xy - np.asarray(self.centre))
        return moved


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Where each point of the earlier of two consecutive pictures went in the later one."""

    field: Field
    """float32 (h, w, 2): x and y displacement in working pixels."""
    to_picture: tuple[float, float]
    """Picture pixels per working pixel, x and y."""
    camera: CameraMotion
    changed_share: float
    """0..1: share of blocks that the motion does not explain."""
    correlation: float
    """-1..1: of the blocks of both pictures, after motion."""
    mean_shift_px: float
    """Mean length of the displacement in picture pixels."""
    earlier: LowResFrame
    """The picture that it starts from ..."""
    later: LowResFrame
    """... and the one that it leads to."""
    steps: int = 1
    """Frames that it spans."""

    @property
    def cut(self) -> bool:
        """Whether the two pictures show different scenes: the field means nothing then."""
        return self.changed_share > CUT_CHANGED_SHARE and self.correlation < CUT_CORRELATION

    def then(self, later: Flow) -> Flow:
        """The flow over both steps, for keeping a long history small. What is uncertain in either is uncertain here."""
        h, w = self.field.shape[:2]
        grid_y, grid_x = _grid(h, w)
        onward = cv2.remap(
            later.field,
            grid_x + self.field[..., 0],
            grid_y + self.field[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        camera = CameraMotion(
            (self.camera.shift[0] + later.camera.shift[0], self.camera.shift[1] + later.camera.shift[1]),
            (1.0 + self.camera.zoom) * (1.0 + later.camera.zoom) - 1.0,
            self.camera.centre,
        )
        return Flow(
            self.field + np.asarray(onward, np.float32),
            self.to_picture,
            camera,
            max(self.changed_share, later.changed_share),
            min(self.correlation, later.correlation),
            self.mean_shift_px + later.mean_shift_px,
            self.earlier,
            later.later,
            self.steps + later.steps,
        )


class FlowEstimator:
    """Optical flow between low-resolution frames of one size. Not thread-safe: the DIS object has buffers of its own."""

    def __init__(self) -> None:
        # None of the presets. The variational refinement, most of their cost, smooths the background's stillness into walking
        # people, and a finest scale of 2 does not see their legs. Measured: people carried for 8 frames overlap the truth by
        # 0.54 (fast), 0.67 (medium) and 0.72 (this), at 3.0, 14 and 2.7 ms a frame.
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._dis.setFinestScale(1)
        self._dis.setPatchStride(6)
        self._dis.setGradientDescentIterations(12)
        self._dis.setVariationalRefinementIterations(0)

    def between(self, earlier: LowResFrame, later: LowResFrame) -> Flow:
        """The flow from ``earlier`` to ``later``. Raises ``ValueError`` for pictures of different size."""
        if earlier.size != later.size:
            raise ValueError(f"expected a picture of {earlier.size}, got {later.size}")
        field = np.asarray(self._dis.calc(earlier.luma, later.luma, None), np.float32)  # type: ignore[call-overload]  # None allocates; the stub wants an array
        return Flow(
            field,
            earlier.to_picture,
            _camera_motion(field, earlier.to_picture),
            *_unexplained(earlier.blocks, later.blocks, field),
            float(np.mean(np.hypot(field[::8, ::8, 0] * earlier.to_picture[0], field[::8, ::8, 1] * earlier.to_picture[1]))),
            earlier,
            later,
        )


def alike(earlier: LowResFrame, later: LowResFrame) -> bool:
    """Whether two pictures of one size show one scene even where nothing is known of its motion: no :attr:`Flow.cut` then.

    A tenth of the flow's cost. False says nothing: a camera that turns needs the flow.
    """
    if earlier.size != later.size:
        return False
    before, after = earlier.blocks.astype(np.float32), later.blocks.astype(np.float32)
    return _changed_share(before, after) <= CUT_CHANGED_SHARE or _correlation(before, after) >= CUT_CORRELATION


@lru_cache(maxsize=16)
def _grid(height: int, width: int) -> tuple[Field, Field]:
    """Row and column of each cell, float32 (height, width) both."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    return rows, columns


def _unexplained(before: Plane, after: Plane, field: Field) -> tuple[float, float]:
    """Of the blocks of two pictures, once moved: the share that differs by more than ``CUT_BLOCK_ERROR``, and how well those of
    both correlate, -1..1."""
    h, w = before.shape
    coarse = field[4::8, 4::8][:h, :w] / 8.0
    grid_y, grid_x = _grid(h, w)
    moved = cv2.remap(
        after, grid_x + coarse[..., 0], grid_y + coarse[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    blocks, others = before.astype(np.float32), moved.astype(np.float32)
    return _changed_share(blocks, others), _correlation(blocks, others)


def _changed_share(before: Field, after: Field) -> float:
    """The share of blocks that differ by more than ``CUT_BLOCK_ERROR``."""
    # A change of exposure moves all blocks alike: it is no cut.
    difference = after - before
    difference -= _median(difference.ravel())
    return np.count_nonzero(np.abs(difference) > CUT_BLOCK_ERROR) / difference.size


def _correlation(before: Field, after: Field) -> float:
    """How well the blocks correlate, -1..1."""
    a, b = before - before.mean(), after - after.mean()
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / spread if spread > 0 else 1.0


def _camera_motion(field: Field, to_picture: tuple[float, float]) -> CameraMotion:
    """Shift and zoom of most of the picture: medians, then twice a least squares fit of what is near them."""
    x, y = _camera_points(*field.shape[:2], to_picture)
    samples = field[CAMERA_STEP // 2 :: CAMERA_STEP, CAMERA_STEP // 2 :: CAMERA_STEP].reshape(-1, 2)
    move_x, move_y = samples[:, 0] * to_picture[0], samples[:, 1] * to_picture[1]
    centre_x, centre_y = float(x.mean()), float(y.mean())
    from_x, from_y = x - centre_x, y - centre_y
    shift_x, shift_y, zoom = _median(move_x), _median(move_y), 0.0
    for _ in range(2):
        distance = np.maximum(np.abs(move_x - shift_x - zoom * from_x), np.abs(move_y - shift_y - zoom * from_y))
        near = distance <= max(2.5 * _median(distance), 0.3 * to_picture[0])
        p_x, p_y, m_x, m_y = from_x[near], from_y[near], move_x[near], move_y[near]
        mean_px, mean_py, mean_mx, mean_my = (float(values.mean()) for values in (p_x, p_y, m_x, m_y))
        p_x, p_y = p_x - mean_px, p_y - mean_py
        spread = float(p_x @ p_x + p_y @ p_y)
        zoom = float(p_x @ (m_x - mean_mx) + p_y @ (m_y - mean_my)) / spread if spread > 0 else 0.0
        zoom = min(max(zoom, -MAX_CAMERA_ZOOM), MAX_CAMERA_ZOOM)
        shift_x, shift_y = mean_mx - zoom * mean_px, mean_my - zoom * mean_py
    return CameraMotion((shift_x, shift_y), zoom, (centre_x, centre_y))


@lru_cache(maxsize=16)
def _camera_points(height: int, width: int, to_picture: tuple[float, float]) -> tuple[Field, Field]:
    """Where the flow is sampled for the camera's motion, x and y in picture pixels, float32 (N,) both."""
    rows, columns = np.mgrid[CAMERA_STEP // 2 : height : CAMERA_STEP, CAMERA_STEP // 2 : width : CAMERA_STEP].astype(np.float32)
    return (columns.ravel() + 0.5) * np.float32(to_picture[0]), (rows.ravel() + 0.5) * np.float32(to_picture[1])


def _median(values: Field) -> float:
    """The upper median: of hundreds of values as good as the mean of the two, at a third of the time."""
    middle = len(values) // 2
    return float(np.partition(values, middle)[middle])
