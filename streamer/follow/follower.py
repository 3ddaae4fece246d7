"""Following without threads and clocks: frames and late detections in, the objects of the present out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from streamer.follow.appearance import look_of
from streamer.follow.boxes import EDGE_PX, crowding, overlaps, unclipped
from streamer.follow.flow import Flow, FlowEstimator, Glimpse
from streamer.follow.flow_gain import Pace
from streamer.follow.history import History, Moment
from streamer.follow.matching import DOUBTFUL_IOU, OTHER_CLASS_IOU, SURE_IOU, match
from streamer.follow.motion import Body, Doubles, centre_prior, sample, step
from streamer.follow.occlusion import SURE_BOX, Layers, Shape, cover, uncovered_box
from streamer.follow.settings import FollowSettings
from streamer.follow.tracks import PART, Found, Track, TrackSummary, start
from streamer.follow.views import View, instances_of
from streamer.frame import Frame
from streamer.instances import Instances

SAME_PLACE_IOU = 0.65
"""Tracks are of one object when only one of them is found, they overlap this much ..."""
SAME_PACE = 0.05
"""... and move alike: by this share of the box's smaller side in a frame."""
NEAR = 0.1
"""Shares of a box by which a detection may mend it for the way from there to be as it was: where a detector takes five frames
that is half the work, and costs no accuracy."""
REACH_MOST = 1.0
"""How far from where he is expected somebody may be who was missed, in sizes of his box: nobody comes back elsewhere."""
SUMMARIES_KEPT = 10_000
"""Ended tracks that are remembered for the summary: an endless stream must not grow."""


@dataclass(eq=False)
class Follower:
    """Carries objects through the frames of one source, and mends them with detections whenever those are ready.

    ::

        follower.advance(frame)              # every frame, in order
        follower.expect(frame.index, ...)    # those that the detector may answer for
        follower.detected(index, instances)  # an answer, as late as it may be
        follower.instances()                 # what is to be seen in the newest frame

    Deterministic: no threads, no clock; time is the frames' presentation time. Raises nothing of its own.
    """

    settings: FollowSettings = field(default_factory=FollowSettings)
    next_id: int = 1
    """Ids are given in order from here, and never twice, not even after :meth:`reset`."""
    mean_flow_px: float = 0.0
    """Length of the newest flow, averaged over the picture, pixels."""
    reset_count: int = 0
    """Times that everything was let go, by :meth:`reset`, a cut or a change of size."""

    def __post_init__(self) -> None:
        self._flow = FlowEstimator()
        self._pace = Pace()
        self._layers = Layers()
        self._history = History(self.settings.max_history)
        self._tracks: list[Track] = []
        self._ahead: tuple[Frame, Glimpse, Flow | None] | None = None
        self._named: dict[int, Track] = {}
        self._ended: OrderedDict[int, TrackSummary] = OrderedDict()

    def reset(self) -> None:
        """Let everything go: what comes next has nothing to do with what was. Ids go on."""
        self._history.clear()
        self._tracks.clear()
        self._layers.forget(())
        self._ahead = None
        self.mean_flow_px = 0.0
        self.reset_count += 1

    def advance(self, frame: Frame) -> bool:
        """Take the next frame and carry everything into it. False when it starts a new scene: nothing could be carried."""
        glimpse, flow = self._look(frame)
        self._ahead = None
        continues = not self._history or flow is not None
        if not continues:
            self.reset()
        seconds = self._history.append(Moment(frame.index, frame.time_s, glimpse.size, glimpse, flow))
        if flow is not None:
            self.mean_flow_px = flow.mean_shift_px
            self._carry(flow, frame, seconds)
        self._retire()
        self._forget()
        return continues

    def would_cut(self, frame: Frame) -> bool:
        """Whether :meth:`advance` would start a new scene with this frame. What was computed for it is not computed twice."""
        _, flow = self._look(frame)
        return bool(self._history) and flow is None

    def _look(self, frame: Frame) -> tuple[Glimpse, Flow | None]:
        """The frame at low resolution and the flow into it; None where it has nothing to do with the frame before."""
        if self._ahead is not None and self._ahead[0] is frame:
            return self._ahead[1:]
        glimpse = Glimpse.of(frame)
        newest = self._history.newest.glimpse if self._history else None
        flow = None
        if newest is not None and newest.size == glimpse.size:
            flow = self._flow.between(newest, glimpse)
            flow = None if flow.cut else flow
        self._ahead = (frame, glimpse, flow)
        return glimpse, flow

    @property
    def gain(self) -> float:
        """What an object's motion in the flow is multiplied by."""
        return self._pace.gain

    @property
    def tracks(self) -> Sequence[Track]:
        """All tracks, shown or not."""
        return self._tracks

    def newest_glimpse(self) -> Glimpse:
        """The newest frame at low resolution. Raises ``ValueError`` before the first."""
        if not self._history:
            raise ValueError("expected a frame to have been handed in, got none")
        return self._history.newest.glimpse

    def gone(self, track: Track) -> float:
        """How far a track has gone against the background since it was last detected, in shares of its box's smaller side."""
        return float(np.linalg.norm(track.body.travel - track.travel_seen)) / float(track.body.size.min())

    def expect(self, *indices: int) -> None:
        """Detections of these frames, and no others, may still come: keep what is needed to use them."""
        self._history.expect(list(indices))

    def detected(self, index: int, instances: Instances) -> bool:
        """Use a detection of frame ``index``. False when that frame is of a scene that has gone."""
        answered = self._history.answered(index)
        if answered is None:
            return False
        then, later = answered
        ways = {track: track.past for track in self._tracks}
        renewed = self._update(then, self._founds(then, instances.usable(*then.size)))
        self._replay({track: ways.get(track, {}) for track in renewed}, then, later)
        self._forget()
        return True

    def instances(self) -> Instances:
        """The objects to be shown in the newest frame, best score first; boxes end where the picture does."""
        if not self._history:
            return Instances.empty()
        width, height = self._history.newest.size
        return instances_of(self.visible(self.views()), width, height)

    def views(self) -> list[tuple[Track, View]]:
        """The tracks to be shown in the newest frame, and how. Gives ids to those that are shown for the first time."""
        now = self._history.newest
        opacities = {track: track.opacity(now.time_s, self.settings) for track in self._tracks if track.believed(self.settings)}
        shown = [track for track, opacity in opacities.items() if opacity > 0.0]
        crowded = crowding(np.array([track.body.box_xyxy for track in shown]).reshape(-1, 4))
        for track in shown:
            self.name(track)
            track.last_frame = now.index
        return [
            (track, self._view(track, now, opacities[track], float(covered)))
            for track, covered in zip(shown, crowded, strict=True)
        ]

    def visible(self, pairs: Sequence[tuple[Track, View]]) -> list[View]:
        """Views of one frame, with what those in front leave of the others' masks."""
        return self._layers.visible(pairs)

    def _view(self, track: Track, now: Moment, opacity: float, crowded: float) -> View:
        return View(
            track_id=track.track_id,
            class_id=track.class_id,
            score=track.shown_score(self.settings, crowded),
            box_xyxy=track.body.box_xyxy,
            mask=track.mask,
            mask_age_s=max(0.0, now.time_s - track.mask_time_s),
            followed=track.seen_frame != now.index,
            opacity=opacity,
        )

    def name(self, track: Track) -> None:
        """Give a track its id, unless it has one, and put it into the summary."""
        if not track.track_id:
            track.track_id, self.next_id = self.next_id, self.next_id + 1
            self._named[track.track_id] = track

    def tracks_summary(self) -> list[TrackSummary]:
        """All tracks that were ever shown (the last 10,000 of them), by id."""
        now = {track_id: _summary(track) for track_id, track in self._named.items()}
        return [summary for _, summary in sorted({**self._ended, **now}.items())]

    def _retire(self) -> None:
        """Of tracks that have ended keep no more than the summary."""
        alive = {track.track_id for track in self._tracks}
        for track_id in [track_id for track_id in self._named if track_id not in alive]:
            self._ended[track_id] = _summary(self._named.pop(track_id))
        while len(self._ended) > SUMMARIES_KEPT:
            self._ended.popitem(last=False)

    def _carry(self, flow: Flow, frame: Frame, seconds: float) -> None:
        if not self._tracks:
            return
        size = np.array([frame.width, frame.height], np.float64)
        before = [track.body for track in self._tracks]
        hidden = self._layers.hidden({track: track.body for track in self._tracks}, self._tracks)
        samples = sample(np.array([body.box_xyxy for body in before]), flow)
        after = step(before, flow, seconds, self.gain, hidden, samples)
        self._layers.watch(self._tracks, before, after, flow, samples)
        for track, body in zip(self._tracks, after, strict=True):
            track.body = body
            track.past[frame.index] = body
        self._tracks = [track for track in self._tracks if self._kept(track, frame.time_s, size)]
        self._layers.forget(self._tracks)

    def _kept(self, track: Track, now_s: float, picture: Doubles) -> bool:
        box = track.body.box_xyxy
        inside = np.clip(np.minimum(box[2:], picture) - np.maximum(box[:2], 0.0), 0.0, None).prod()
        if inside < 0.2 * track.body.size.prod() or track.body.size.min() < 2.0:
            return False  # it has left
        return track.missed_since_s is None or now_s - track.missed_since_s <= self.settings.lost_s

    def _founds(self, then: Moment, instances: Instances) -> list[Found]:
        founds = []
        for row in np.flatnonzero(instances.scores >= self.settings.keep_score):
            box = instances.boxes_xyxy[row].astype(np.float64)
            if (box[2:] - box[:2]).min() < 1.0:
                continue  # nothing that could be followed
            mask = instances.masks[row] if instances.masks is not None and instances.has_mask[row] else None
            look = look_of(box, centre_prior() if mask is None else mask, then.glimpse)
            founds.append(
                Found(
                    box_xyxy=box,
                    score=float(instances.scores[row]),
                    class_id=int(instances.class_ids[row]),
                    mask=mask,
                    look=look,
                )
            )
        return founds

    def _update(self, then: Moment, founds: list[Found]) -> list[Track]:
        """Match in the picture that was detected in, mend, give birth; returns the tracks that have to be carried anew."""
        settings = self.settings
        known = [track for track in self._tracks if then.index in track.past]
        taken: dict[int, Track] = {}
        sure = [i for i, found in enumerate(founds) if found.score >= settings.start_score]
        doubtful = [i for i, found in enumerate(founds) if found.score < settings.start_score]
        open_tracks = list(known)
        for rows in (sure, doubtful):
            pairs = match(
                open_tracks,
                [track.past[then.index] for track in open_tracks],
                [founds[i] for i in rows],
                np.array([track.misses > 0 for track in open_tracks], np.bool_),
                np.array([self._reach(track, then) if rows is sure else 0.0 for track in open_tracks]),
                SURE_IOU if rows is sure else DOUBTFUL_IOU,
            )
            taken |= {rows[f]: open_tracks[t] for t, f in pairs}
            matched = {t for t, _ in pairs}
            open_tracks = [track for t, track in enumerate(open_tracks) if t not in matched]
        renewed = list(taken.values())
        self._mend({track: founds[i] for i, track in taken.items()}, then, known)
        for track in renewed:
            self._confirm(track, then)
        self._miss(open_tracks, renewed, then)
        renewed += self._births([founds[i] for i in range(len(founds)) if i not in taken], renewed, then)
        return renewed

    def _mend(self, found_of: dict[Track, Found], then: Moment, known: Sequence[Track]) -> None:
        """Move the tracks to where they were found, each whole, whoever hides a part of it."""
        picture = np.array(then.glimpse.size, np.float64)
        expected = {track: Shape(track.past[then.index].box_xyxy, track.mask) for track in known}
        seen = {track: Shape(found.box_xyxy, found.mask) for track, found in found_of.items()}
        self._layers.learn(expected, seen)
        shapes = expected | seen
        crowded = dict(
            zip(shapes, crowding(np.array([shape.box_xyxy for shape in shapes.values()]).reshape(-1, 4)), strict=True)
        )
        for track, found in found_of.items():
            at = track.past[then.index]
            self._learn(track, found, at, picture)
            box = unclipped(found.box_xyxy, at.box_xyxy, picture)
            around = shapes | {track: expected[track]}
            box = uncovered_box(box, at.box_xyxy, expected[track].mask, self._layers.fronts(track, around, SURE_BOX))
            covered = None if found.mask is None else cover(self._layers.fronts(track, around), box, found.mask.shape[0])
            body = track.update(found, at, then.index, then.time_s, self.settings, box, covered)
            track.remember(found, float(crowded[track]), self.settings)
            track.past = {then.index: body}

    def _learn(self, track: Track, found: Found, at: Body, picture: Doubles) -> None:
        """Compare where it was found with where it was carried to."""
        box = found.box_xyxy
        if found.score < self.settings.start_score or (box[:2] < EDGE_PX).any() or (box[2:] > picture - EDGE_PX).any():
            return
        sighting = self._pace.sighting(0.5 * (box[:2] + box[2:]), at)
        before = track.sighting
        if before is None or track.misses or self._pace.learn(before, sighting, at.size):
            track.sighting = sighting

    def _reach(self, track: Track, then: Moment) -> float:
        if track.missed_since_s is None:
            return 0.0
        return min(REACH_MOST, 0.3 + 0.5 * max(0.0, then.time_s - track.missed_since_s))

    def _confirm(self, track: Track, then: Moment) -> None:
        settings = self.settings
        if track.score >= settings.start_score or max(track.votes.values()) / track.hits >= settings.start_score:
            track.confirmed = True
        elif track.hits >= settings.confirm_hits and track.mean_score >= settings.candidate_score:
            track.confirmed = track.confirmed or (track.travels(settings) and not self._is_part(track, then))

    def _is_part(self, track: Track, then: Moment) -> bool:
        """Whether it lies within somebody who is known: a shoe, an arm."""
        others = [
            other
            for other in self._tracks
            if other is not track and other.confirmed and not other.misses and then.index in other.past
        ]
        if not others:
            return False
        _, inside = overlaps(
            track.past[then.index].box_xyxy[None], np.stack([other.past[then.index].box_xyxy for other in others])
        )
        return bool(inside.max() > PART)

    def _miss(self, missed: Sequence[Track], renewed: Sequence[Track], then: Moment) -> None:
        boxes = np.stack([track.past[then.index].box_xyxy for track in renewed]) if renewed else np.zeros((0, 4))
        gone = set()
        for track in missed:
            track.miss(then.time_s)
            iou, _ = overlaps(track.past[then.index].box_xyxy[None], boxes)
            # Two tracks of one object: the one that is found stays. Whoever goes by behind somebody moves in another way.
            if iou.size and iou.max() > SAME_PLACE_IOU:
                other = renewed[int(iou.argmax())].body
                if np.linalg.norm(other.velocity - track.body.velocity) < SAME_PACE * track.body.size.min():
                    gone.add(id(track))
            if not track.confirmed and track.misses > 1:
                gone.add(id(track))
        self._tracks = [track for track in self._tracks if id(track) not in gone]
        # Before another track is made: it may get the identity of one that has gone.
        self._layers.forget(self._tracks)

    def _births(self, founds: Sequence[Found], renewed: Sequence[Track], then: Moment) -> list[Track]:
        born: list[Track] = []
        for found in sorted(founds, key=lambda found: -found.score):
            if found.score < self.settings.candidate_score:
                break
            others = [*renewed, *born]
            if others:
                iou, inside = overlaps(found.box_xyxy[None], np.stack([track.past[then.index].box_xyxy for track in others]))
                same = np.array([found.class_id in track.votes for track in others])
                # A second, weaker answer for somebody who has one: a part of him, him and his neighbour in one box, or the same
                # thing under another name.
                doubtful = found.score < self.settings.start_score
                if (iou[0] > np.where(same, 0.5, OTHER_CLASS_IOU)).any() or (doubtful and (same & (inside[0] > PART)).any()):
                    continue
            track = start(found, then.index, then.time_s)
            track.confirmed = found.score >= self.settings.start_score
            born.append(track)
        self._tracks += born
        return born

    def _replay(self, mended: dict[Track, dict[int, Body]], then: Moment, later: Sequence[Moment]) -> None:
        """Carry what was mended in the past into the present again.

        Whoever was mended by little, and whom nobody hides, goes the way that he was seen to go from there: it is measured anew
        only for those that stood on other pixels.
        """
        anew = []
        around = {track: track.past[then.index] for track in self._tracks if then.index in track.past}
        hidden = self._layers.hidden(around, list(mended))
        for (track, way), covered in zip(mended.items(), hidden, strict=True):
            track.body = track.past[then.index]
            old = way.get(then.index)
            if old is not None and covered is None and old.off(track.body) < NEAR:
                for moment in later:
                    track.past[moment.index] = track.body = way[moment.index].mended(old, track.past[then.index])
            else:
                anew.append(track)
        bodies, before = [track.body for track in anew], then
        for moment in later:
            assert moment.flow is not None
            around = {track: track.past[before.index] for track in self._tracks if before.index in track.past}
            bodies = step(
                bodies, moment.flow, max(0.0, moment.time_s - before.time_s), self.gain, self._layers.hidden(around, anew)
            )
            before = moment
            for track, body in zip(anew, bodies, strict=True):
                track.past[moment.index] = track.body = body

    def _forget(self) -> None:
        """Drop what no expected detection needs."""
        kept = self._history.shrink()
        for track in self._tracks:
            for index in [index for index in track.past if index not in kept]:
                del track.past[index]


def _summary(track: Track) -> TrackSummary:
    return TrackSummary(track.track_id, track.class_id, track.first_frame, track.last_frame)
