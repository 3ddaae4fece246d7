"""Following without threads and clocks: frames and late detections in, the objects of the newest frame out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from streamer.follow.appearance import appearance_of
from streamer.follow.boxes import MOST_UNSEEN, at_edge, crowding, overlaps, unclipped, whole
from streamer.follow.flow import Flow, FlowEstimator, LowResFrame, alike
from streamer.follow.flow_gain import FlowGain
from streamer.follow.history import History, Moment
from streamer.follow.identities import Identities
from streamer.follow.matching import DOUBTFUL_IOU, OTHER_CLASS_IOU, SURE_IOU, match, match_leaps
from streamer.follow.motion import Doubles, MotionState, centre_prior, sample, step
from streamer.follow.occlusion import SURE_BOX, OcclusionOrder, Shape, cover, uncovered_box
from streamer.follow.outlines import CarriedOutlines
from streamer.follow.settings import FollowSettings
from streamer.follow.tracks import Detection, Track, TrackSummary, start
from streamer.follow.views import Snapshot, View, instances_of
from streamer.frame import Frame
from streamer.instances import Instances

SAME_PLACE_IOU = 0.65
"""Least overlap of two tracks of one object, of which a detection extended only one ..."""
SAME_VELOCITY = 0.05
"""... and most difference of their velocities: this share of the box's smaller side in a frame."""
NEAR = 0.1
"""Corrections below this share of the box reuse the stored trajectory with an offset. With a detector of five frames that saves
half of the work, and costs no accuracy."""
ASPECT_RATE = 0.05
"""Weight of the newest whole detection in what is known of its class's shape."""
REACH, REACH_PER_S, REACH_MOST = 1.6, 1.0, 3.5
"""Search radius for a missed track, in box sizes: at first, what each second adds, the largest. It may be that wide because the
appearance has to match; narrower ones lose people who come out behind others."""

LEAP_PER_S = 6.0
"""How far an object may go beside what the flow says, in box sizes for each second between two frames: the box of a person is a
metre large, and a cyclist goes six in a second. At 25 frames a second that is a quarter of a box, at 5 more than one."""


@dataclass(eq=False)
class Follower:
    """Carries objects through the frames of one source, and corrects them by detections whenever those are ready.

    ::

        follower.advance(frame)              # every frame, in order
        follower.expect(frame.index, ...)    # those that the detector may answer for
        follower.detected(index, instances)  # an answer, as late as it may be
        follower.instances()                 # what to show with the newest frame

    Deterministic: no threads, no clock; time is the frames' presentation time. Any detection is taken: what means nothing in
    its picture is left out (:meth:`Instances.usable`). Raises nothing of its own.
    """

    settings: FollowSettings = field(default_factory=FollowSettings)
    identities: Identities = field(default_factory=Identities)
    """Gives the tracks their ids; one that a follower before this one has used goes on counting."""

    def __post_init__(self) -> None:
        self._flow = FlowEstimator()
        self._flow_gain = FlowGain()
        self._order = OcclusionOrder()
        self._outlines = CarriedOutlines()
        self._history = History(self.settings.max_history)
        self._tracks: list[Track] = []
        self._ahead: tuple[Frame, LowResFrame, Flow | Callable[[], Flow] | None] | None = None
        self._aspects: dict[int, float] = {}

    def reset(self) -> None:
        """Drop all tracks: the next frame has nothing to do with those before. Ids are not used again."""
        self._history.clear()
        self._tracks.clear()
        self._order.forget(())
        self._ahead = None

    def advance(self, frame: Frame) -> bool:
        """Take the next frame and carry all tracks into it. False when it starts a new scene: nothing could be carried."""
        low_res, flow = self._flow_into(frame)
        self._ahead = None
        continues = not self._history or flow is not None
        if not continues:
            self.reset()
        moment = Moment(frame.index, frame.time_s, low_res.size, low_res, flow)
        seconds = self._history.append(moment)
        if self._tracks and moment.flow is not None:
            self._carry(moment.flow, frame, seconds)
        self.identities.retire(self._tracks)
        self._shrink_history()
        return continues

    def would_cut(self, frame: Frame) -> bool:
        """Whether :meth:`advance` would start a new scene with this frame, which may then be handed to it at no more cost."""
        _, flow = self._flow_into(frame)
        return bool(self._history) and flow is None

    def _flow_into(self, frame: Frame) -> tuple[LowResFrame, Flow | Callable[[], Flow] | None]:
        """The frame at low resolution and the flow from the frame before; None at a cut and at a change of size."""
        if self._ahead is not None and self._ahead[0] is frame:
            return self._ahead[1:]
        low_res = LowResFrame.of(frame)
        newest = self._history.newest.low_res if self._history else None
        flow: Flow | Callable[[], Flow] | None = None
        if newest is None or newest.size != low_res.size:
            pass
        elif not self._tracks and alike(newest, low_res):
            # Nothing is carried yet. Only a late answer will want the flow: a camera that sees nobody is looked at for less.
            flow = partial(self._flow.between, newest, low_res)
        else:
            measured = self._flow.between(newest, low_res)
            flow = None if measured.cut else measured
        self._ahead = (frame, low_res, flow)
        return low_res, flow

    @property
    def mean_flow_px(self) -> float:
        """Length of the newest flow, averaged over the picture, pixels."""
        flow = self._history.newest.flow if self._history else None
        return flow.mean_shift_px if flow is not None else 0.0

    @property
    def travel(self) -> float:
        """How far the shown objects have moved against the background since they were last detected: the largest, in shares of
        the smaller side of its box."""
        return max((track.gone() for track in self._tracks if not track.misses), default=0.0)

    def expect(self, *indices: int) -> None:
        """Detections may still come for these frames and the newest, and for no others: keep what is needed to use them."""
        self._history.expect(list(indices))

    def detected(self, index: int, instances: Instances) -> bool:
        """Use what was detected in frame ``index``. False when nothing is known of that frame any more, as after a cut."""
        answered = self._history.answered(index)
        if answered is None:
            return False
        then, later = answered
        trajectories = {track: track.past for track in self._tracks}
        renewed = self._update(then, self._detections(then, instances.usable(*then.size)))
        self._replay({track: trajectories.get(track, {}) for track in renewed}, then, later)
        self._shrink_history()
        return True

    def instances(self) -> Instances:
        """The objects to be shown in the newest frame, best score first; boxes end where the picture does."""
        if not self._history:
            return Instances.empty()
        return self.instances_of(self._views(), self._history.newest.low_res)

    def snapshot(self) -> Snapshot:
        """The newest frame and what is shown with it. Tracks that are shown for the first time get their ids."""
        return Snapshot(self._history.newest.low_res, self._views(), self._flow_gain.gain)

    def instances_of(self, views: Sequence[tuple[Track, View]], low_res: LowResFrame) -> Instances:
        """The views of one frame as instances: carried masks follow the edges in it, and lack what occluders hide of them."""
        fitted = self._outlines.fitted([view for _, view in views], low_res)
        pairs = [(track, view) for (track, _), view in zip(views, fitted, strict=True)]
        return instances_of(self._order.visible(pairs), *low_res.size)

    def _views(self) -> list[tuple[Track, View]]:
        now = self._history.newest
        shown = [track for track in self._tracks if track.shown(now.time_s, self.settings)]
        crowded = crowding(np.array([track.state.box_xyxy for track in shown]).reshape(-1, 4))
        for track in shown:
            self.identities.name(track)
            track.last_frame = now.index
        return [(track, self._view(track, now, float(covered))) for track, covered in zip(shown, crowded, strict=True)]

    def _view(self, track: Track, now: Moment, crowded: float) -> View:
        followed = track.seen_frame != now.index
        return View(
            track_id=track.track_id,
            class_id=track.class_id,
            score=track.shown_score(self.settings, crowded),
            box_xyxy=track.state.box_xyxy,
            mask=track.mask,
            mask_age_s=max(0.0, now.time_s - track.mask_time_s),
            followed=followed,
            mask_carried=followed or track.mask_carried,
            gone=track.gone(),
        )

    def tracks_summary(self) -> list[TrackSummary]:
        """All tracks that were ever shown (of those that have ended the last 10,000), by id."""
        return self.identities.summary()

    def _carry(self, flow: Flow, frame: Frame, seconds: float) -> None:
        size = np.array([frame.width, frame.height], np.float64)
        before = [track.state for track in self._tracks]
        hidden = self._order.hidden({track: track.state for track in self._tracks}, self._tracks)
        samples = sample(np.array([state.box_xyxy for state in before]), flow)
        after = step(before, flow, seconds, self._flow_gain.gain, hidden, samples)
        self._order.watch(self._tracks, before, after, flow, samples)
        for track, state in zip(self._tracks, after, strict=True):
            track.state = state
            track.past[frame.index] = state
        self._tracks = [track for track in self._tracks if self._kept(track, frame.time_s, size)]
        self._order.forget(self._tracks)

    def _kept(self, track: Track, now_s: float, picture: Doubles) -> bool:
        box = track.state.box_xyxy
        inside = np.clip(np.minimum(box[2:], picture) - np.maximum(box[:2], 0.0), 0.0, None).prod()
        if inside < 0.2 * track.state.size.prod() or track.state.size.min() < 2.0:
            return False  # it has left the picture
        return track.missed_since_s is None or now_s - track.missed_since_s <= self.settings.lost_s

    def _detections(self, then: Moment, instances: Instances) -> list[Detection]:
        detections = []
        for row in np.flatnonzero(instances.scores >= self.settings.keep_score):
            box = instances.boxes_xyxy[row].astype(np.float64)
            if (box[2:] - box[:2]).min() < 1.0:
                continue  # nothing that could be followed
            mask = instances.masks[row] if instances.masks is not None and instances.has_mask[row] else None
            appearance = appearance_of(box, centre_prior() if mask is None else mask, then.low_res)
            detections.append(
                Detection(
                    box_xyxy=box,
                    score=float(instances.scores[row]),
                    class_id=int(instances.class_ids[row]),
                    mask=mask,
                    mask_carried=bool(instances.mask_carried[row]),
                    appearance=appearance,
                )
            )
        return detections

    def _update(self, then: Moment, detections: list[Detection]) -> list[Track]:
        """Match in the frame of the detections, correct, start tracks; returns those that have to be carried to now again."""
        settings = self.settings
        known = [track for track in self._tracks if then.index in track.past]
        taken: dict[int, Track] = {}
        sure = [i for i, detection in enumerate(detections) if detection.score >= settings.start_score]
        doubtful = [i for i, detection in enumerate(detections) if detection.score < settings.start_score]
        open_tracks = list(known)
        for rows in (sure, doubtful):
            pairs = match(
                open_tracks,
                [track.past[then.index] for track in open_tracks],
                [detections[i] for i in rows],
                np.array([track.misses > 0 for track in open_tracks], np.bool_),
                np.array([self._reach(track, then) if rows is sure else 0.0 for track in open_tracks]),
                SURE_IOU if rows is sure else DOUBTFUL_IOU,
            )
            taken |= {rows[f]: open_tracks[t] for t, f in pairs}
            matched = {t for t, _ in pairs}
            open_tracks = [track for t, track in enumerate(open_tracks) if t not in matched]
        new = [i for i in sure if i not in taken]
        seen_before = [track for track in open_tracks if not track.misses]
        states = [track.past[then.index] for track in seen_before]
        reach = min(REACH, LEAP_PER_S * then.since_s)
        for t, f in match_leaps(seen_before, states, [detections[i] for i in new], reach):
            taken[new[f]] = seen_before[t]
            open_tracks.remove(seen_before[t])
        renewed = list(taken.values())
        detection_of = {track: detections[i] for i, track in taken.items()}
        self._correct(detection_of, then, known)
        self._miss(open_tracks, renewed, then)
        renewed += self._births([detections[i] for i in range(len(detections)) if i not in taken], detection_of, then)
        return renewed

    def _correct(self, detection_of: dict[Track, Detection], then: Moment, known: Sequence[Track]) -> None:
        """Correct the tracks by their detections, each with the parts that others hide."""
        picture = np.array(then.low_res.size, np.float64)
        expected = {track: Shape(track.past[then.index].box_xyxy, track.mask) for track in known}
        seen = {track: Shape(detection.box_xyxy, detection.mask) for track, detection in detection_of.items()}
        self._order.learn(expected, seen)
        shapes = expected | seen
        crowded = dict(
            zip(shapes, crowding(np.array([shape.box_xyxy for shape in shapes.values()]).reshape(-1, 4)), strict=True)
        )
        for track, detection in detection_of.items():
            at = track.past[then.index]
            self._learn(track, detection, at, picture)
            box = unclipped(self._whole(detection, picture), at.box_xyxy, picture)
            around = shapes | {track: expected[track]}
            box = uncovered_box(box, at.box_xyxy, expected[track].mask, self._order.occluders(track, around, SURE_BOX))
            mask = detection.mask
            covered = None if mask is None else cover(self._order.occluders(track, around), box, mask.shape[0])
            state = track.update(detection, at, then.index, then.time_s, self.settings, box, covered)
            track.remember(detection, float(crowded[track]), self.settings)
            track.past = {then.index: state}

    def _learn(self, track: Track, detection: Detection, at: MotionState, picture: Doubles) -> None:
        """Learn the flow gain from where the track was detected and where it had been carried to."""
        box = detection.box_xyxy
        if detection.score < self.settings.start_score or at_edge(box, picture).any():
            return
        sighting = self._flow_gain.sighting(0.5 * (box[:2] + box[2:]), at)
        before = track.sighting
        if before is None or track.misses or self._flow_gain.learn(before, sighting, at.size):
            track.sighting = sighting

    def _whole(self, detection: Detection, picture: Doubles) -> Doubles:
        """The detected box with what the picture's edge cuts off, as far as the class is known to be longer."""
        box, known = detection.box_xyxy, self._aspects.get(detection.class_id)
        if not at_edge(box, picture).any():
            width, height = box[2:] - box[:2]
            aspect = math.log(width / height)
            self._aspects[detection.class_id] = aspect if known is None else known + ASPECT_RATE * (aspect - known)
        elif known is not None:
            return whole(box, picture, math.exp(known))
        return box

    def _reach(self, track: Track, then: Moment) -> float:
        if track.missed_since_s is None:
            return 0.0
        return min(REACH_MOST, REACH + REACH_PER_S * max(0.0, then.time_s - track.missed_since_s))

    def _miss(self, missed: Sequence[Track], renewed: Sequence[Track], then: Moment) -> None:
        boxes = np.stack([track.past[then.index].box_xyxy for track in renewed]) if renewed else np.zeros((0, 4))
        gone = set()
        for track in missed:
            track.miss(then.time_s, self.settings)
            iou, _ = overlaps(track.past[then.index].box_xyxy[None], boxes)
            # Two tracks of one object: the detected one stays. An object that passes behind it would move differently.
            if iou.size and iou.max() > SAME_PLACE_IOU:
                other = renewed[int(iou.argmax())].state
                if np.linalg.norm(other.velocity - track.state.velocity) < SAME_VELOCITY * track.state.size.min():
                    gone.add(id(track))
        self._tracks = [track for track in self._tracks if id(track) not in gone]
        # Before another track is made: Python may give it the identity of one that was dropped.
        self._order.forget(self._tracks)

    def _births(self, detections: Sequence[Detection], detection_of: dict[Track, Detection], then: Moment) -> list[Track]:
        born: list[Track] = []
        picture = np.array(then.low_res.size, np.float64)
        # A track that was corrected by little is not where its object was detected, which a second answer may lie beside.
        there = [(track, track.past[then.index].box_xyxy) for track in detection_of]
        there += [(track, one.box_xyxy) for track, one in detection_of.items() if one.score >= self.settings.start_score]
        for detection in sorted(detections, key=lambda detection: -detection.score):
            if detection.score < self.settings.start_score:
                break
            if there:
                iou, _ = overlaps(detection.box_xyxy[None], np.stack([box for _, box in there]))
                same = np.array([detection.class_id in track.votes for track, _ in there])
                # A second answer for a tracked object: it and its neighbour in one box, or another class.
                if (iou[0] > np.where(same, 0.5, OTHER_CLASS_IOU)).any():
                    continue
            box = self._whole(detection, picture)
            # A sliver at the picture's edge, of which as much is outside as may be, is too little to start from.
            if (detection.box_xyxy[2:] - detection.box_xyxy[:2]).prod() > (1.001 - MOST_UNSEEN) * (box[2:] - box[:2]).prod():
                born.append(start(detection, then.index, then.time_s, box))
                there.append((born[-1], box))
        self._tracks += born
        return born

    def _replay(self, corrected: dict[Track, dict[int, MotionState]], then: Moment, later: Sequence[Moment]) -> None:
        """Carry tracks that were corrected in frame ``then`` to now again.

        A track that was corrected by little and has no occluder keeps its trajectory, with an offset: the flow is measured
        anew only for those that stood on other pixels.
        """
        anew = []
        around = {track: track.past[then.index] for track in self._tracks if then.index in track.past}
        hidden = self._order.hidden(around, list(corrected))
        for (track, trajectory), covered in zip(corrected.items(), hidden, strict=True):
            track.state = track.past[then.index]
            old = trajectory.get(then.index)
            if old is not None and covered is None and old.off(track.state) < NEAR:
                for moment in later:
                    track.past[moment.index] = track.state = trajectory[moment.index].mended(old, track.past[then.index])
            else:
                anew.append(track)
        if not anew:
            return  # before the flow is asked for, which may not be measured yet
        states, before = [track.state for track in anew], then
        for moment in later:
            assert moment.flow is not None
            around = {track: track.past[before.index] for track in self._tracks if before.index in track.past}
            seconds = max(0.0, moment.time_s - before.time_s)
            states = step(states, moment.flow, seconds, self._flow_gain.gain, self._order.hidden(around, anew))
            before = moment
            for track, state in zip(anew, states, strict=True):
                track.past[moment.index] = track.state = state

    def _shrink_history(self) -> None:
        """Drop the motion states that no expected detection needs."""
        kept = self._history.shrink()
        for track in self._tracks:
            for index in [index for index in track.past if index not in kept]:
                del track.past[index]
