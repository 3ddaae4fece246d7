"""CVAT for video 1.1: ``annotations.xml`` with a track of polygons or boxes for each object."""

from __future__ import annotations

from collections import Counter
from itertools import count
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from streamer.datasets.dataset import DatasetInfo
from streamer.datasets.stored_frame import OTHER_BOX, StoredFrame, StoredObject
from streamer.datasets.waiting_shapes import TrackKey, TrackKeys, WaitingShapes
from streamer.sinks.coco_masks import has_hole, polygons

_ATTRIBUTES = ("track_id", "score")
"""CVAT numbers tracks anew when it reads them: ours stand in an attribute."""


class CvatDataset:
    """Implements ``Dataset``. Frames are counted from 0: those of the pictures where they come along, else those of the
    recording, as in a task that is made of it with a frame step.

    Every frame of an object is a key frame, since CVAT would draw something of its own between two; after its last one, and
    before a gap, it is marked as outside. An object is drawn as the outline of its largest part, without holes, or as its box
    where there is no mask. Each class of a track is a track of its own, as CVAT has one label for each.
    """

    def __init__(self, info: DatasetInfo) -> None:
        self.lost: Counter[str] = Counter()
        self._info = info
        self._step = 1 if info.pictures else info.every
        self._frames = 0
        self._shapes = WaitingShapes[tuple[TrackKey, str]](info.folder)
        """By track and kind of shape."""
        self._keys = TrackKeys()

    def picture(self, frame: StoredFrame) -> Path:
        """In ``images``."""
        return self._info.folder / "images" / f"{frame.name}.jpg"

    def add(self, frame: StoredFrame) -> None:
        """Keep the shapes of a frame: they are joined to tracks at the end."""
        alone = self._keys.alone
        for one, key in self._keys.of(frame.objects):
            kind, shape = self._shape(one)
            self._shapes.add((key, kind), self._frames, f"{one.score:.4f} {shape}")
        if self._keys.alone > alone:
            self.lost["a track of one frame each, since they have no track of their own"] += self._keys.alone - alone
        self._frames += 1

    def finish(self) -> None:
        """Write the file."""
        with (self._info.folder / "annotations.xml").open("x", encoding="utf-8") as file:
            file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
            file.write(self._meta())
            for key, number in self._numbers().items():
                (class_id, track_id, _), kind = key
                label = quoteattr(self._info.labels[class_id])
                file.write(f'<track id="{number}" label={label} source="auto">\n')
                frames = self._shapes.frames(key)
                for index, (frame, line) in enumerate(self._shapes.of(key)):
                    score, shape = line.split(" ", 1)
                    attributes = self._attributes(track_id or 0, score)
                    file.write(_element(kind, self._step * frame, shape, attributes))
                    following = frames[index + 1] if index + 1 < len(frames) else self._frames
                    if following > frame + 1:
                        file.write(_element(kind, self._step * (frame + 1), shape, attributes, outside=True))
                file.write("</track>\n")
            file.write("</annotations>\n")
        self._shapes.remove()

    def close(self) -> None:
        """Close the file of shapes."""
        self._shapes.close()

    def _shape(self, one: StoredObject) -> tuple[str, str]:
        crop = one.crop()
        outlines = [] if crop is None else polygons(crop)
        if not outlines:
            self.lost["boxes, since they have no mask"] += 1
            left, top, right, bottom = one.box_xyxy
            return "box", f'xtl="{left:.2f}" ytl="{top:.2f}" xbr="{right:.2f}" ybr="{bottom:.2f}"'
        self.lost["outlines, at most 0.75 pixel beside those of their masks"] += 1
        if crop is not None and has_hole(crop):
            self.lost["without their holes"] += 1
        if crop is not None and one.has_other_box(crop):
            self.lost[OTHER_BOX] += 1
        if len(outlines) > 1:
            self.lost["without their smaller parts"] += 1
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in zip(outlines[0][::2], outlines[0][1::2], strict=True))
        return "polygon", f'points="{points}"'

    def _numbers(self) -> dict[tuple[TrackKey, str], int]:
        """Ids of all tracks: our own, which readers other than CVAT keep, and new ones for what has none that is free."""
        following = count(max((track_id or 0 for (_, track_id, _), _ in self._shapes), default=0) + 1)
        numbers: dict[tuple[TrackKey, str], int] = {}
        given: set[int] = set()
        for key in self._shapes:
            (_, own, alone), _ = key
            numbers[key] = own if own and not alone and own not in given else next(following)
            given.add(numbers[key])
        return numbers

    def _attributes(self, track_id: int, score: str) -> str:
        values = zip(_ATTRIBUTES, (str(track_id), score), strict=True)
        return "".join(f'<attribute name="{name}">{value}</attribute>' for name, value in values)

    def _meta(self) -> str:
        info = self._info
        attributes = "".join(
            f"<attribute><name>{name}</name><mutable>True</mutable><input_type>text</input_type>"
            "<default_value></default_value><values></values></attribute>"
            for name in _ATTRIBUTES
        )
        used = {class_id for (class_id, _, _), _ in self._shapes}
        labels = "".join(
            f"<label><name>{escape(name)}</name><type>any</type><attributes>{attributes}</attributes></label>"
            for class_id, name in sorted(info.labels.items())
            if class_id in used
        )
        step = f"step={self._step}" if self._step > 1 else ""
        last = self._step * max(0, self._frames - 1)
        return (
            f"<meta><task><name>{escape(Path(info.source).name)}</name><size>{self._frames}</size>"
            f"<mode>interpolation</mode><start_frame>0</start_frame><stop_frame>{last}</stop_frame>"
            f"<frame_filter>{step}</frame_filter><labels>{labels}</labels>"
            f"<original_size><width>{info.width}</width><height>{info.height}</height></original_size></task></meta>\n"
        )


def _element(kind: str, frame: int, shape: str, attributes: str, *, outside: bool = False) -> str:
    place = f'frame="{frame}" keyframe="1" outside="{int(outside)}" occluded="0" z_order="0"'
    return f"<{kind} {place} {shape}>{attributes}</{kind}>\n"
