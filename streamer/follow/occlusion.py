"""Occlusion order of tracks, learned from masks and flow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from streamer.follow.boxes import touch, touching
from streamer.follow.flow import Flow
from streamer.follow.motion import GRID, Doubles, MotionState, Singles
from streamer.follow.tracks import Track
from streamer.follow.views import View
from streamer.instances import resampled

MIN_COMMON = 0.04
"""Share of the smaller mask that two have to have in common for their order to be learned."""
SURE = 0.4
"""Evidence from which on a track counts as an occluder."""
SURE_BOX = 0.9
"""The same for moving sides of boxes: several clear detections in a row."""
FLOW_MOST = 0.5
"""Most evidence that motion alone gives."""
MEMORY = 0.6
"""What is left of older evidence when new one comes."""
TELLING_MOTION = 0.8
"""Least difference of two motions, in working pixels a frame, for the flow to tell them apart."""
FLOW_WEIGHT = 0.25
"""How much one frame's motion counts ..."""
DETECTION_WEIGHT = 0.8
"""... and how much a detection: one alone is enough to count as in front."""
SIDE_COVERED = 0.5
"""A box side counts as occluded when this fraction beyond it is covered."""
SIDE_MARGIN = 0.04
"""Least distance, in shares of the box, between a side and where it was expected, for that to be asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """An outline in a picture."""

    box_xyxy: Doubles
    mask: Singles | None
    """(M, M) of the box; None: not known."""


@dataclass(eq=False)
class OcclusionOrder:
    """Learns which of two overlapping tracks is in front: the one whose detected mask holds the pixels that both could have.

    From a detector that gives both of them the pixels, or no masks, the order stays unknown and no mask is clipped.
    """

    _evidence: dict[Track, dict[Track, float]] = field(default_factory=dict)
    """-2..2 for two tracks: above 0 where the first one is in front. Each pair is there both ways."""

    def learn(self, expected: dict[Track, Shape], seen: dict[Track, Shape]) -> None:
        """Compare the whole outlines where they are expected with what a detection of the same picture saw."""
        tracks = [track for track in expected if track in seen]
        for i, k in touching(np.array([expected[track].box_xyxy for track in tracks]).reshape(-1, 4)):
            a, b = tracks[i], tracks[k]
            at_a, at_b = expected[a], expected[b]
            if at_a.mask is None or at_b.mask is None:
                continue
            cells = at_a.mask.shape[0]
            seen_a, seen_b = _within(seen[a], at_a.box_xyxy, cells), _within(seen[b], at_a.box_xyxy, cells)
            if seen_a is None or seen_b is None:
                continue
            common = at_a.mask * resampled(at_b.mask, at_b.box_xyxy, at_a.box_xyxy, cells)
            area = float(common.sum())
            ratio = _area(at_b.box_xyxy) / max(_area(at_a.box_xyxy), 1e-6)
            smaller = min(float(at_a.mask.sum()), float(at_b.mask.mean()) * ratio * at_a.mask.size)
            if area < MIN_COMMON * max(smaller, 1.0):
                continue
            told = float((common * (seen_a - seen_b)).sum()) / area
            self._note(a, b, MEMORY * self._known(a, b) + DETECTION_WEIGHT * told)

    def watch(
        self, tracks: Sequence[Track], before: Sequence[MotionState], after: Sequence[MotionState], flow: Flow, samples: Singles
    ) -> None:
        """Compare the motion of what two have in common with the motion of each: it is that of the one in front.

        ``samples`` are the flow on the points of the states ``before``, from :func:`streamer.follow.motion.sample`.
        """
        pixel = max(flow.to_picture)
        for i, k in touching(np.array([state.box_xyxy for state in before]).reshape(-1, 4)):
            a, b = tracks[i], tracks[k]
            box_a, box_b = before[i].box_xyxy, before[k].box_xyxy
            if a.mask is None or b.mask is None:
                continue
            move_a, move_b = after[i].centre - before[i].centre, after[k].centre - before[k].centre
            apart = float(np.linalg.norm(move_a - move_b))
            if apart < TELLING_MOTION * pixel * flow.steps:
                continue
            own = resampled(a.mask, box_a, box_a, GRID)
            common = own * resampled(b.mask, box_b, box_a, GRID)
            share = float(common.sum()) / max(float(own.sum()), 1e-6)
            ratio = _area(box_a) / max(_area(box_b), 1e-6)
            if max(share, share * ratio) < MIN_COMMON:
                continue
            off_a = np.hypot(samples[0, i] - move_a[0], samples[1, i] - move_a[1]) / apart
            off_b = np.hypot(samples[0, i] - move_b[0], samples[1, i] - move_b[1]) / apart
            nearer = (off_b - off_a) * (np.minimum(off_a, off_b) < 0.5)
            told = float((common.ravel() * nearer).sum()) / max(float(common.sum()), 1e-6)
            known = self._known(a, b)
            bound = max(abs(known), FLOW_MOST)
            self._note(a, b, min(max(known + FLOW_WEIGHT * told, -bound), bound))

    def _known(self, a: Track, b: Track) -> float:
        return self._evidence.get(a, {}).get(b, 0.0)

    def _note(self, a: Track, b: Track, evidence: float) -> None:
        self._evidence.setdefault(a, {})[b] = evidence
        self._evidence.setdefault(b, {})[a] = -evidence

    def hidden(self, states: dict[Track, MotionState], of: Sequence[Track]) -> list[Singles | None]:
        """How far occluders hide each sampled point of the tracks ``of``, 0..1 (GRID, GRID); None without occluders."""
        if not self._evidence:
            return [None] * len(of)
        shapes = {track: Shape(state.box_xyxy, track.mask) for track, state in states.items()}
        return [cover(self.occluders(track, shapes), states[track].box_xyxy, GRID) for track in of]

    def occludes(self, a: Track, b: Track, sure: float = SURE) -> bool:
        """Whether ``a`` is known to be in front of ``b``."""
        return self._known(a, b) > sure

    def occluders(self, track: Track, shapes: dict[Track, Shape], sure: float = SURE) -> list[Shape]:
        """The shapes that hide part of ``track``, which has one itself."""
        others = [other for other in self._evidence.get(track, {}) if self.occludes(other, track, sure) and other in shapes]
        own = shapes[track].box_xyxy
        return [shapes[other] for other in others if shapes[other].mask is not None and touch(own, shapes[other].box_xyxy)]

    def forget(self, alive: Iterable[Track]) -> None:
        """Keep only what concerns two of these."""
        if self._evidence:
            known = set(alive)
            for gone in [track for track in self._evidence if track not in known]:
                for other in self._evidence.pop(gone):
                    self._evidence.get(other, {}).pop(gone, None)

    def visible(self, pairs: Sequence[tuple[Track, View]]) -> list[View]:
        """The views, without what occluders hide of their masks."""
        if not self._evidence:
            return [view for _, view in pairs]
        shapes = {track: Shape(view.box_xyxy, view.mask) for track, view in pairs}
        out = []
        for track, view in pairs:
            if view.mask is not None:
                covered = cover(self.occluders(track, shapes), view.box_xyxy, view.mask.shape[0])
                view = view if covered is None else replace(view, mask=view.mask * (1.0 - covered))
            out.append(view)
        return out


def cover(occluders: Sequence[Shape], box: Doubles, cells: int) -> Singles | None:
    """0..1 of each of ``cells`` x ``cells`` of a box, how far the shapes cover it; None where there are none."""
    covered: Singles | None = None
    for front in occluders:
        mask = _within(front, box, cells)
        if mask is not None:
            covered = mask if covered is None else np.maximum(covered, mask)
    return covered


def uncovered_box(seen: Doubles, expected: Doubles, whole: Singles | None, occluders: Sequence[Shape]) -> Doubles:
    """A detected box (4,), with the sides that end at an occluder moved out to where the track expects them."""
    if whole is None or not occluders:
        return seen
    covered = cover(occluders, expected, whole.shape[0])
    if covered is None:
        return seen
    size = expected[2:] - expected[:2]
    m = whole.shape[0]
    centres = (np.arange(m) + 0.5) / m
    hidden = []
    for side in range(4):
        axis, outward = side % 2, -1.0 if side < 2 else 1.0
        if outward * (expected[side] - seen[side]) < SIDE_MARGIN * size[axis]:
            continue
        at = expected[axis] + centres * size[axis]
        beyond = outward * (at - seen[side]) > 0
        rows = (slice(None), beyond) if axis == 0 else (beyond, slice(None))
        mass = float(whole[rows].sum())
        if mass > 0 and float((whole * covered)[rows].sum()) > SIDE_COVERED * mass:
            hidden.append(side)
    out = seen.copy()
    for side in hidden:
        # As far from the opposite side as it was known to be; where that one is hidden, too, where it is expected.
        opposite = side - 2
        out[side] = expected[side]
        if opposite % 4 not in hidden:
            out[side] += seen[opposite] - expected[opposite]
    return out


def _within(shape: Shape, box: Doubles, cells: int) -> Singles | None:
    """The mask of a shape on ``cells`` x ``cells`` of a box; None for a shape without one."""
    return None if shape.mask is None else resampled(shape.mask, shape.box_xyxy, box, cells)


def _area(box: Doubles) -> float:
    return float((box[2:] - box[:2]).prod())
