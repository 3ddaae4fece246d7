"""Objects in the frames between two key frames, carried there from both sides and blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamer.follow.flow import FlowEstimator
from streamer.follow.motion import MotionState, step
from streamer.follow.tracks import Track
from streamer.follow.views import Snapshot, View

Views = list[tuple[Track, View]]


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """A frame between two key frames, and what was carried into it from the first."""

    index: int
    time_s: float
    snapshot: Snapshot


class Between:
    """Carries the objects of the second key frame back, and blends them with what was carried forward from the first."""

    def __init__(self) -> None:
        self._flow = FlowEstimator()

    def views(self, first_s: float, passed: Sequence[Passed], key: Snapshot, key_s: float) -> list[Views]:
        """What to show in each of the ``passed`` frames, in order.

        ``first_s`` and ``key_s`` are the times of the two key frames, ``key`` is the second one. Boxes are blended by time, and
        masks within their boxes. An object that was detected at one end only is shown in the half of the frames near to it.
        """
        seen = dict(key.views)
        detected = [track for track, view in key.views if not view.followed]
        states = [replace(track.state, velocity=-track.state.velocity) for track in detected]
        later, later_s = key.low_res, key_s
        out = []
        for frame in reversed(passed):
            flow = self._flow.between(later, frame.snapshot.low_res)
            states = step(states, flow, later_s - frame.time_s, key.gain)
            later, later_s = frame.snapshot.low_res, frame.time_s
            share = (frame.time_s - first_s) / max(key_s - first_s, 1e-9)
            age_s = key_s - frame.time_s
            back = dict(zip(detected, states, strict=True))
            blended: Views = []
            for track, view in frame.snapshot.views:
                if track in back:
                    backward = _backward_view(track, back.pop(track), age_s, seen[track].score)
                    blended.append((track, _blended(view, backward, share)))
                elif share < 0.5 or track in seen:
                    blended.append((track, view))
            for track, state in back.items():
                if share >= 0.5:
                    track.first_frame = min(track.first_frame, frame.index)
                    blended.append((track, _backward_view(track, state, age_s, seen[track].score)))
            out.append(blended)
        return out[::-1]


def _backward_view(track: Track, state: MotionState, age_s: float, score: float) -> View:
    return View(
        track_id=track.track_id,
        class_id=track.class_id,
        score=score,
        box_xyxy=state.box_xyxy,
        mask=track.mask,
        mask_age_s=age_s,
        followed=True,
        mask_carried=True,
        gone=state.gone(track.state.travel),
    )


def _blended(forward: View, backward: View, share: float) -> View:
    """Of two views of one track ``share`` of the second, 0..1, and the rest of the first."""
    mask = backward.mask
    if mask is not None and forward.mask is not None and mask.shape == forward.mask.shape:
        mask = np.asarray((1.0 - share) * forward.mask + share * mask, np.float32)
    return replace(
        backward,
        score=(1.0 - share) * forward.score + share * backward.score,
        box_xyxy=(1.0 - share) * forward.box_xyxy + share * backward.box_xyxy,
        mask=forward.mask if mask is None else mask,
        mask_age_s=min(forward.mask_age_s, backward.mask_age_s),
        gone=min(forward.gone, backward.gone),
    )
