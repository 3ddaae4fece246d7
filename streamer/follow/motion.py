"""Motion of objects: by the flow of their own pixels, not of the background or an occluder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.follow import template_search
from streamer.follow.boxes import areas, common_areas
from streamer.follow.flow import Flow

Doubles = NDArray[np.float64]
Singles = NDArray[np.float32]

GRID = 12
"""An object is sampled on GRID x GRID points that divide its box evenly."""
MIN_SUPPORT = 0.25
"""Below this share of agreeing pixels the flow is not believed: the object keeps its own velocity."""
MIN_CORRELATION = 0.5
"""Least correlation at which the template search overrules the flow."""
REST_CORRELATION = 0.8
"""Same, for stationary objects: change in the box may be a passer-by."""
REST_SPEED = 0.6
"""Box widths a second below which an object is stationary ..."""
LEAP = 1.5
"""... and above which a stationary object cannot be in the next frame."""
MAX_STOP = 0.3
"""Share of its speed below which a moving object cannot fall in one step."""
MIN_SPEED = 1.2
"""Working pixels a frame from which on a velocity can be told from none."""
HIDDEN, CLEAR = 0.4, 1.0
"""Visible fraction below which an object coasts (HIDDEN), above which it follows the flow alone (CLEAR)."""
COAST_S = 0.6
"""Seconds in which a velocity that the flow does not confirm falls to 1/e: a hidden object may have stopped."""
MAX_ZOOM = 0.04
"""Largest change of size in one step."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MotionState:
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

    def off(self, other: MotionState) -> float:
        """How far the sides of another one are from its own, the most, in shares of its size."""
        return float(np.abs((other.box_xyxy - self.box_xyxy) / np.tile(self.size, 2)).max())

    def gone(self, since: Doubles) -> float:
        """How far it has moved against the background since its ``travel`` was the given one, in shares of its smaller side."""
        return float(np.linalg.norm(self.travel - since)) / float(self.size.min())

    def mended(self, was: MotionState, now: MotionState) -> MotionState:
        """What this state, which ``was`` became some steps later, would be if that one had been ``now``."""
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
    states: Sequence[MotionState],
    flow: Flow,
    seconds: float,
    gain: float = 1.0,
    hidden: Sequence[Singles | None] | None = None,
    samples: Singles | None = None,
) -> list[MotionState]:
    """Move each state by the flow, which spans ``seconds``; what it sees of an object's own motion is multiplied by ``gain``.

    ``hidden`` says of each state's points how far they are hidden, 0..1 (GRID, GRID): their motion is the occluder's.
    ``samples`` are the flow at these points, from :func:`sample`, where they are known.
    """
    if not states:
        return []
    boxes = np.array([state.box_xyxy for state in states])
    centres, sizes = 0.5 * (boxes[:, :2] + boxes[:, 2:]), np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    if samples is None:
        samples = sample(boxes, flow)
    weights = np.array([state.weights for state in states]).reshape(len(states), -1) * _inside(boxes, flow)
    clear = np.ones(len(states))
    for i, covered in enumerate(hidden or ()):
        if covered is not None:
            whole = max(float(weights[i].sum()), 1e-6)
            weights[i] *= 1.0 - 0.95 * covered.ravel()
            clear[i] = min(max((float(weights[i].sum()) / whole - HIDDEN) / (CLEAR - HIDDEN), 0.0), 1.0)
    background = flow.camera.at(centres)
    velocities = np.array([state.velocity for state in states]) * flow.steps
    known = np.array([state.velocity_known for state in states])
    speed = np.hypot(velocities[:, 0], velocities[:, 1])
    rests = (known >= 0.9) & (speed < REST_SPEED * seconds * sizes[:, 0])
    moves, support, near = _dominant_motion(samples, weights, background, velocities, known, flow.to_picture[0])
    for i, state in enumerate(states):
        # The template of an occluded object would hold the occluder.
        match = (
            template_search.find(flow.earlier, flow.later, state.box_xyxy, state.weights, moves[i]) if clear[i] == 1.0 else None
        )
        least = REST_CORRELATION if rests[i] else MIN_CORRELATION
        if match is not None and match.score > max(least, match.expected_score):
            moves[i] = match.move
    zooms = _zoom(samples, weights * near, moves, sizes)
    trusted = support >= MIN_SUPPORT
    slow = MIN_SPEED * flow.to_picture[0]
    # An object that stops within one frame, or takes on an occluder's velocity, is occluded; the flow is the occluder's.
    # A stationary object that is at full speed at once is passed by an object that is not tracked.
    own = moves - background
    own_speed = np.hypot(own[:, 0], own[:, 1])
    stopped = (own_speed < MAX_STOP * speed) & (speed > slow)
    leaps = rests & (own_speed > np.maximum(LEAP * seconds * sizes[:, 0], slow))
    abrupt = (known >= 0.9) & (stopped | leaps | _taken_along(boxes, own, velocities, known, slow))
    trusted &= ~abrupt
    support = np.where(abrupt, np.minimum(support, 0.5 * MIN_SUPPORT), support)
    # Of an object that is mostly hidden the flow shows the edges only, and the occluder.
    clear = np.where(known >= 0.9, clear, 1.0)
    own = clear[:, None] * own + (1.0 - clear[:, None]) * velocities / gain
    own = np.where(trusted[:, None], gain * own, math.exp(-seconds / COAST_S) * velocities)
    halves = 0.5 * sizes * (1.0 + np.where(trusted, zooms, flow.camera.zoom))[:, None]
    centres = centres + background + own
    boxes = _limited(np.concatenate([centres - halves, centres + halves], axis=1), flow)
    # Two steps of flow are enough to know a velocity; without any, it is what was coasted with.
    rate = clear * np.where(trusted, np.maximum(0.5, 1.0 - known), 1.0)
    velocities = velocities / flow.steps
    velocities += rate[:, None] * (own / flow.steps - velocities)
    known = np.where(trusted, np.minimum(1.0, known + 0.34), known)
    return [
        MotionState(
            box_xyxy=boxes[i],
            weights=state.weights,
            velocity=velocities[i],
            velocity_known=float(known[i]),
            position_var=state.position_var + flow.steps * (0.02 + 0.08 * (1.0 - float(support[i]))) ** 2,
            size_var=state.size_var + flow.steps * (0.02 + 0.02 * (1.0 - float(support[i]))) ** 2,
            support=float(support[i]),
            travel=state.travel + own[i],
            panned=state.panned + background[i],
        )
        for i, state in enumerate(states)
    ]


def sample(boxes: Doubles, flow: Flow) -> Singles:
    """Flow at the grid points of each box (N, 4): float32 (2, N, GRID * GRID), across and down, picture pixels."""
    x, y = _points(boxes)
    shape = (len(boxes), GRID, GRID)
    columns = np.ascontiguousarray(np.broadcast_to((x / flow.to_picture[0] - 0.5)[:, None, :], shape), np.float32)
    rows = np.ascontiguousarray(np.broadcast_to((y / flow.to_picture[1] - 0.5)[:, :, None], shape), np.float32)
    flat = (len(boxes) * GRID, GRID)
    found = cv2.remap(flow.field, columns.reshape(flat), rows.reshape(flat), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    out = np.asarray(found.reshape(len(boxes), GRID * GRID, 2).transpose(2, 0, 1), np.float32)
    return np.asarray(out * np.array(flow.to_picture, np.float32)[:, None, None])


def _limited(boxes: Doubles, flow: Flow) -> Doubles:
    """Boxes (N, 4) that end where they are further outside the picture than it is large: nothing of them comes back."""
    h, w = flow.field.shape[:2]
    picture = np.array([w * flow.to_picture[0], h * flow.to_picture[1]])
    return np.asarray(np.clip(boxes, np.tile(-picture, 2), np.tile(2.0 * picture, 2)))


def _points(boxes: Doubles) -> tuple[Doubles, Doubles]:
    """Columns (N, GRID) and rows (N, GRID) of the grid points of boxes (N, 4), picture pixels."""
    along = (np.arange(GRID) + 0.5) / GRID
    size = boxes[:, 2:] - boxes[:, :2]
    return boxes[:, :1] + size[:, :1] * along, boxes[:, 1:2] + size[:, 1:] * along


@cache
def _offsets() -> Singles:
    """(2, GRID * GRID): grid points as x and y, -0.5..0.5 of the box."""
    axis = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID - 0.5
    return np.asarray(np.stack(np.meshgrid(axis, axis)).reshape(2, -1))


def _inside(boxes: Doubles, flow: Flow) -> Singles:
    """1 for grid points inside the picture, 0 outside: (N, GRID * GRID)."""
    h, w = flow.field.shape[:2]
    x, y = _points(boxes)
    in_x, in_y = (x > 0) & (x < w * flow.to_picture[0]), (y > 0) & (y < h * flow.to_picture[1])
    return np.asarray((in_y[:, :, None] & in_x[:, None, :]).reshape(len(boxes), -1), np.float32)


def _dominant_motion(
    samples: Singles, weights: Singles, background: Doubles, velocities: Doubles, known: Doubles, pixel: float
) -> tuple[Doubles, Doubles, Singles]:
    """The motion most of the object agrees on: displacement (N, 2), support (N,) and which samples agree (N, GRID * GRID).

    Three starts are tried: the object's own velocity, the weighted middle of all samples, and the weighted middle of those
    that move against the background. The best supported one wins, its own velocity with a bonus, since background and
    occluders inside the box are many but do not move with it; then it climbs to the nearest mode (mean shift).
    """
    across, down = samples
    total = weights.sum(axis=1)
    safe = np.maximum(total, 1e-6)
    still = background.astype(np.float32)
    off_x, off_y = across - still[:, :1], down - still[:, 1:]
    against = weights * (off_x * off_x + off_y * off_y > (0.6 * pixel) ** 2)
    moving_share = against.sum(axis=1) / safe
    middle, moving = _weighted_medians(samples, [weights, against])
    ahead = np.maximum(np.hypot(*velocities.T), np.hypot(*(middle - background).T))
    narrow = (-1.0 / (0.9 * pixel + 0.25 * ahead) ** 2).astype(np.float32)[:, None]

    def agreement(at: Doubles) -> Singles:
        at = at.astype(np.float32)
        off_x, off_y = across - at[:, :1], down - at[:, 1:]
        return np.asarray(np.exp((off_x * off_x + off_y * off_y) * narrow))

    starts = np.array([background + velocities, middle, moving])
    bonus = np.array([0.25 * known, np.zeros(len(known)), np.where(moving_share > 0.25, 0.15, -1.0)])
    scores = np.array([(weights * agreement(start)).sum(axis=1) / safe for start in starts])
    pick = np.argmax(np.where(scores > 0.1, scores + bonus, scores), axis=0)
    at = starts[pick, np.arange(len(pick))]
    near = agreement(at)
    for _ in range(2):
        mass = weights * near
        mass /= np.maximum(mass.sum(axis=1, keepdims=True), 1e-9)
        at = np.stack([(mass * across).sum(axis=1), (mass * down).sum(axis=1)], axis=1).astype(np.float64)
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


def _weighted_medians(samples: Singles, weightings: Sequence[Singles]) -> list[Doubles]:
    """Median per axis of (2, N, K) with each of the weights (N, K): (N, 2) each; any sample where all weights are zero."""
    order = np.argsort(samples, axis=2)
    out = []
    for weights in weightings:
        mass = np.cumsum(np.take_along_axis(np.broadcast_to(weights, samples.shape), order, axis=2), axis=2)
        middle = np.argmax(mass >= 0.5 * mass[..., -1:], axis=2)[..., None]
        median = np.take_along_axis(samples, np.take_along_axis(order, middle, axis=2), axis=2)
        out.append(np.asarray(median[..., 0].T, np.float64))
    return out


def _zoom(samples: Singles, mass: Singles, moves: Doubles, sizes: Doubles) -> Doubles:
    """Relative growth in this step (N,): least squares over the agreeing samples, shrunk towards none."""
    fit, spread, prior = np.zeros(len(sizes)), np.zeros(len(sizes)), np.zeros(len(sizes))
    for axis in (0, 1):
        offsets = _offsets()[axis]
        leant = mass * offsets
        fit += sizes[:, axis] * ((samples[axis] * leant).sum(axis=1) - moves[:, axis] * leant.sum(axis=1))
        spread += sizes[:, axis] ** 2 * (leant * offsets).sum(axis=1)
        # The prior counts as much as a third of the box's points that say "no growth": limbs swing, and swing back.
        prior += sizes[:, axis] ** 2 * float((offsets * offsets).sum()) / 3
    return np.asarray(np.clip(fit / (spread + prior), -MAX_ZOOM, MAX_ZOOM))
