"""How one object moves: by the flow of its own pixels, not of what is behind or in front of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.follow import patch
from streamer.follow.boxes import areas, common_areas
from streamer.follow.flow import Flow

Doubles = NDArray[np.float64]
Singles = NDArray[np.float32]

GRID = 12
"""An object is sampled on GRID x GRID points that divide its box evenly."""
MIN_SUPPORT = 0.25
"""Below this share of agreeing pixels the flow is not believed: the object keeps its own velocity."""
MIN_CORRELATION = 0.5
"""An object that correlates at least this much with a place, and more than where the flow moves it, has gone there."""
MAX_STOP = 0.3
"""A moving object that is left with less than this share of its speed in one step is not believed to have stopped."""
MIN_SPEED = 1.2
"""Working pixels a frame from which on a velocity can be told from none."""
HIDDEN, CLEAR = 0.4, 1.0
"""Of whom less than the one share of his outline is to be seen goes on as he went, of whom more than the other by the flow."""
COAST_S = 0.6
"""Seconds in which a velocity that no believable flow confirms falls to 1/e: whoever is hidden may as well have stopped."""
MAX_ZOOM = 0.04
"""Largest change of size in one step."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Body:
    """Where an object is in one picture. Immutable: a step makes the next one."""

    box_xyxy: Doubles
    """float64 (4,): left, top, right, bottom in picture pixels; may reach over the edge."""
    weights: Singles
    """float32 (GRID, GRID): how much each point of the box belongs to the object, 0..1."""
    velocity: Doubles
    """float64 (2,): picture pixels a frame, relative to the background."""
    velocity_known: float = 0.0
    """0..1: how far the velocity is to be believed; 0 for an object seen once."""
    position_var: float = 0.0
    """Variance of the centre, in units of the box's area."""
    size_var: float = 0.0
    """Relative variance of width and height."""
    support: float = 1.0
    """0..1: share of the object's pixels that agreed on the last step."""
    travel: Doubles = field(default_factory=lambda: np.zeros(2))
    """float64 (2,): how far it has come against the background since it was first seen, picture pixels."""
    panned: Doubles = field(default_factory=lambda: np.zeros(2))
    """float64 (2,): how far the background has gone with it meanwhile."""

    @property
    def centre(self) -> Doubles:
        return np.asarray(0.5 * (self.box_xyxy[:2] + self.box_xyxy[2:]))

    @property
    def size(self) -> Doubles:
        """Width and height."""
        return np.asarray(np.maximum(self.box_xyxy[2:] - self.box_xyxy[:2], 1e-3))

    def off(self, other: Body) -> float:
        """How far the sides of another one are from its own, the most, in shares of its size."""
        return float(np.abs((other.box_xyxy - self.box_xyxy) / np.tile(self.size, 2)).max())

    def mended(self, was: Body, now: Body) -> Body:
        """What this body, which ``was`` became some steps later, would be if that one had been ``now``."""
        centre, half = self.centre + now.centre - was.centre, 0.5 * self.size * now.size / was.size
        return replace(
            self,
            box_xyxy=np.concatenate([centre - half, centre + half]),
            weights=now.weights,
            position_var=self.position_var - was.position_var + now.position_var,
            size_var=self.size_var - was.size_var + now.size_var,
        )


@cache
def centre_prior() -> Singles:
    """(GRID, GRID): a soft upright ellipse, for boxes without a mask: the corners of a box are seldom the object."""
    axis = (np.arange(GRID) + 0.5) / GRID * 2.0 - 1.0
    prior: Singles = np.exp(-0.5 * ((axis[None, :] / 0.45) ** 2 + (axis[:, None] / 0.7) ** 2)).astype(np.float32)
    prior.flags.writeable = False
    return prior


def weights_of(mask: Singles | None) -> Singles:
    """The sampling weights of a mask (M, M), or of a box without one.

    An outline network that found nothing, or only a corner, must not leave the object without pixels of its own.
    """
    if mask is None:
        return centre_prior()
    small = np.asarray(cv2.resize(mask, (GRID, GRID), interpolation=cv2.INTER_AREA), np.float32)
    weights: Singles = small * (0.3 + 0.7 * centre_prior()) + 0.1 * centre_prior()
    return weights


def step(
    bodies: Sequence[Body], flow: Flow, seconds: float, gain: float = 1.0, hidden: Sequence[Singles | None] | None = None
) -> list[Body]:
    """Move each body by the flow, which spans ``seconds``; what it sees of an object's own motion is multiplied by ``gain``.

    ``hidden`` says of each body's points how far they are hidden, 0..1 (GRID, GRID): their motion is somebody else's.
    """
    if not bodies:
        return []
    boxes = np.stack([body.box_xyxy for body in bodies])
    centres, sizes = 0.5 * (boxes[:, :2] + boxes[:, 2:]), np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    samples = sample(boxes, flow)
    weights = np.stack([body.weights for body in bodies]).reshape(len(bodies), -1) * _inside(boxes, flow)
    clear = np.ones(len(bodies))
    for i, covered in enumerate(hidden or ()):
        if covered is not None:
            whole = max(float(weights[i].sum()), 1e-6)
            weights[i] *= 1.0 - 0.95 * covered.ravel()
            clear[i] = np.clip((float(weights[i].sum()) / whole - HIDDEN) / (CLEAR - HIDDEN), 0.0, 1.0)
    background = flow.camera.at(centres)
    velocities = np.stack([body.velocity for body in bodies]) * flow.steps
    known = np.array([body.velocity_known for body in bodies])
    moves, support, near = _dominant_motion(samples, weights, background, velocities, known, flow.to_picture[0])
    for i, body in enumerate(bodies):
        # What hides him would be found again, too.
        found = patch.find(flow.earlier, flow.later, body.box_xyxy, body.weights, moves[i]) if clear[i] == 1.0 else None
        if found is not None and found.score > max(MIN_CORRELATION, found.expected_score):
            moves[i] = found.move
    zooms = _zoom(samples, weights * near, moves, sizes)
    trusted = support >= MIN_SUPPORT
    speed = np.linalg.norm(velocities, axis=1)
    # Nobody stops dead within one frame, or suddenly goes like somebody who stands in front of him: he is behind it, or him.
    own = moves - background
    stopped = np.linalg.norm(own, axis=1) < MAX_STOP * speed
    moving = speed > MIN_SPEED * flow.to_picture[0]
    abrupt = (known >= 0.9) & ((stopped & moving) | _taken_along(boxes, own, velocities, known, MIN_SPEED * flow.to_picture[0]))
    trusted &= ~abrupt
    support = np.where(abrupt, np.minimum(support, 0.5 * MIN_SUPPORT), support)
    # Of somebody who is mostly hidden the flow shows his edges only, and what is in front of them.
    clear = np.where(known >= 0.9, clear, 1.0)
    own = clear[:, None] * own + (1.0 - clear[:, None]) * velocities / gain
    moves = background + np.where(trusted[:, None], gain * own, math.exp(-seconds / COAST_S) * velocities)
    zooms = np.where(trusted, zooms, flow.camera.zoom)
    return [
        _moved(body, moves[i], float(zooms[i]), background[i], float(support[i]), bool(trusted[i]), flow.steps, float(clear[i]))
        for i, body in enumerate(bodies)
    ]


def sample(boxes: Doubles, flow: Flow) -> Doubles:
    """Flow at the grid points of each box: (N, GRID * GRID, 2), picture pixels."""
    field, scale = flow.field, np.asarray(flow.to_picture)
    out = np.empty((len(boxes), GRID, GRID, 2), np.float32)
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        cell_x, cell_y = (x1 - x0) / GRID / scale[0], (y1 - y0) / GRID / scale[1]
        matrix = np.array(
            [[cell_x, 0.0, x0 / scale[0] + 0.5 * cell_x - 0.5], [0.0, cell_y, y0 / scale[1] + 0.5 * cell_y - 0.5]]
        )
        cv2.warpAffine(
            field, matrix, (GRID, GRID), out[i], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )
    return np.asarray(out.reshape(len(boxes), GRID * GRID, 2) * scale, np.float64)


@cache
def _offsets() -> Doubles:
    """(GRID * GRID, 2): grid points as x and y, -0.5..0.5 of the box."""
    axis = (np.arange(GRID) + 0.5) / GRID - 0.5
    return np.asarray(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2), np.float64)


def _inside(boxes: Doubles, flow: Flow) -> Doubles:
    """1 for grid points inside the picture, 0 outside: (N, GRID * GRID)."""
    h, w = flow.field.shape[:2]
    limit = np.array([w, h]) * flow.to_picture
    points = 0.5 * (boxes[:, None, :2] + boxes[:, None, 2:]) + _offsets() * (boxes[:, None, 2:] - boxes[:, None, :2])
    return np.asarray(((points > 0) & (points < limit)).all(axis=2), np.float64)


def _dominant_motion(
    samples: Doubles, weights: Doubles, background: Doubles, velocities: Doubles, known: Doubles, pixel: float
) -> tuple[Doubles, Doubles, Doubles]:
    """The motion most of the object agrees on: displacement (N, 2), support (N,) and which samples agree (N, GRID * GRID).

    Three starts are tried: the object's own velocity, the weighted middle of all samples, and the weighted middle of those
    that move against the background. The best supported one wins, its own velocity with a bonus, since background and
    occluders inside the box are many but do not move with it; then it climbs to the nearest mode (mean shift).
    """
    total = weights.sum(axis=1)
    safe = np.maximum(total, 1e-6)
    predicted = background + velocities
    off = samples - background[:, None]
    against = off[..., 0] ** 2 + off[..., 1] ** 2 > (0.6 * pixel) ** 2
    moving_share = (weights * against).sum(axis=1) / safe
    middle, moving = _weighted_medians(samples, [weights, weights * against])
    speed = np.linalg.norm(velocities, axis=1)
    width = 0.9 * pixel + 0.25 * np.maximum(speed, np.linalg.norm(middle - background, axis=1))

    narrow = -1.0 / width[:, None] ** 2
    across, down = np.ascontiguousarray(samples[..., 0]), np.ascontiguousarray(samples[..., 1])

    def agreement(at: Doubles) -> Doubles:
        off_x, off_y = across - at[:, :1], down - at[:, 1:]
        return np.asarray(np.exp((off_x * off_x + off_y * off_y) * narrow))

    starts = np.stack([predicted, middle, moving])
    bonus = np.stack([0.25 * known, np.zeros(len(known)), np.where(moving_share > 0.25, 0.15, -1.0)])
    scores = np.stack([(weights * agreement(start)).sum(axis=1) / safe for start in starts])
    pick = np.argmax(np.where(scores > 0.1, scores + bonus, scores), axis=0)
    at = starts[pick, np.arange(len(pick))]
    near = agreement(at)
    for _ in range(2):
        mass = weights * near
        at = np.einsum("nk,nkc->nc", mass, samples) / np.maximum(mass.sum(axis=1), 1e-9)[:, None]
        near = agreement(at)
    support = np.where(total > 1e-3, (weights * near).sum(axis=1) / safe, 0.0)
    return at, support, near


def _taken_along(boxes: Doubles, own: Doubles, velocities: Doubles, known: Doubles, least: float) -> NDArray[np.bool_]:
    """(N,): whether an object's motion is rather that of another one, of known other velocity, that covers part of it."""
    common, area = common_areas(boxes, boxes), np.maximum(areas(boxes), 1e-6)
    apart = np.linalg.norm(velocities[:, None] - velocities[None], axis=2)
    to_other = np.linalg.norm(own[:, None] - velocities[None], axis=2)
    taken = (common > 0.3 * area[:, None]) & (known[None] >= 0.9) & (apart > least) & (to_other < 0.35 * apart)
    return np.asarray(taken.any(axis=1))


def _weighted_medians(samples: Doubles, weightings: Sequence[Doubles]) -> list[Doubles]:
    """Median per axis of (N, K, 2) with each of the weights (N, K); any of the samples where all weights are zero."""
    out = [np.empty((len(samples), 2)) for _ in weightings]
    rows = np.arange(len(samples))
    for axis in (0, 1):
        values = samples[..., axis]
        order = np.argsort(values, axis=1)
        for weights, median in zip(weightings, out, strict=True):
            mass = np.cumsum(weights[rows[:, None], order], axis=1)
            middle = np.argmax(mass >= 0.5 * mass[:, -1:], axis=1)
            median[:, axis] = values[rows, order[rows, middle]]
    return out


def _zoom(samples: Doubles, mass: Doubles, moves: Doubles, sizes: Doubles) -> Doubles:
    """Relative growth in this step (N,): least squares over the agreeing samples, shrunk towards none."""
    arms = _offsets() * sizes[:, None]
    fit = np.einsum("nkc,nkc,nk->n", samples - moves[:, None], arms, mass)
    spread = np.einsum("nkc,nkc,nk->n", arms, arms, mass)
    # The prior counts as much as a third of the box's points that say "no growth": limbs swing, and swing back.
    prior = (arms**2).sum(axis=2).mean(axis=1) * GRID * GRID / 3
    return np.asarray(np.clip(fit / (spread + prior), -MAX_ZOOM, MAX_ZOOM), np.float64)


def _moved(
    body: Body,
    move: Doubles,
    zoom: float,
    background: Doubles,
    support: float,
    trusted: bool,
    steps: int,
    clear: float,
) -> Body:
    centre, half = body.centre + move, 0.5 * body.size * (1.0 + zoom)
    relative = move - background
    # Two looks at the flow are enough to know a velocity; without any, it is what was coasted with.
    pace = max(0.5, 1.0 - body.velocity_known) if trusted else 1.0
    doubt = 1.0 - support
    return replace(
        body,
        box_xyxy=np.concatenate([centre - half, centre + half]),
        velocity=body.velocity + clear * pace * (relative / steps - body.velocity),
        velocity_known=min(1.0, body.velocity_known + 0.34) if trusted else body.velocity_known,
        position_var=body.position_var + steps * (0.02 + 0.08 * doubt) ** 2,
        size_var=body.size_var + steps * (0.02 + 0.02 * doubt) ** 2,
        support=support,
        travel=body.travel + relative,
        panned=body.panned + background,
    )
