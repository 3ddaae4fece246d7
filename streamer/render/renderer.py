"""Draws what was found on the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import av
import av.filter
import cv2
import numpy as np

from streamer.frame import Frame, Orientation, Plane, plane_views
from streamer.instances import NO_TRACK, Floats, Instances
from streamer.render.canvas import Canvas
from streamer.render.labels import painted, place, tag
from streamer.render.masks import FIELD_PER_PX, FIELD_ZERO, Box, Region, edge_field, extent, pixels_of
from streamer.render.palette import Rgb, Yuv, color, identity_of, readable_on, yuv_for
from streamer.stages import Annotated

DRAWABLE = ("masks", "outlines", "boxes", "labels")
FORMATS = ("yuv420p", "yuvj420p")
WIDEST_LABEL = 0.4
"""Part of the picture's width from which a label is shortened to its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What is drawn, and how. Raises ``ValueError`` naming what was expected."""

    draw: frozenset[str] = frozenset({"masks", "outlines", "labels"})
    """Any of ``masks`` (filled), ``outlines``, ``boxes`` and ``labels``. An object without a mask, or
    with an empty one, gets its box where masks or outlines are asked for; ``boxes`` draws the boxes of all."""
    mask_opacity: float = 0.45
    """0..1: how much of the picture a mask covers."""
    show_age: bool = False
    """Whether the label says how old a followed mask is."""
    show_track: bool = True
    """Whether the label names the track."""
    scale: float = 1.0
    """Size of text and lines, times what suits the picture."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "draw", frozenset(self.draw))
        if unknown := self.draw - set(DRAWABLE):
            raise ValueError(f"draw: expected any of {', '.join(DRAWABLE)}, got {', '.join(sorted(unknown))}")
        if not 0 <= self.mask_opacity <= 1:
            raise ValueError(f"mask_opacity: expected 0..1, got {self.mask_opacity}")
        if not 0.1 <= self.scale <= 10:
            raise ValueError(f"scale: expected 0.1..10, got {self.scale}")


class Renderer:
    """Draws the instances of each frame on a copy of its picture; for one thread at a time.

    >>> renderer = Renderer({1: "person"})
    >>> renderer(item)  # item.picture is now the drawn picture
    """

    def __init__(self, labels: Mapping[int, str], *, style: Style | None = None) -> None:
        self._labels = dict(labels)
        self._style = style or Style()
        self._copier: _Copier | None = None

    def __call__(self, item: Annotated) -> None:
        """Set ``item.picture``: a drawn copy, or the frame's own picture when there is nothing to draw."""
        frame, instances = item.frame, item.instances
        if len(instances) == 0 or not self._style.draw:
            item.picture = frame.picture
            return
        if frame.picture.format.name not in FORMATS:
            raise ValueError(f"picture: expected format {' or '.join(FORMATS)}, got {frame.picture.format.name}")
        picture = self._copy(frame)
        stored = plane_views(picture)
        turn = frame.orientation
        upright = stored if turn == Orientation() else tuple(turn.upright(plane) for plane in stored)
        shift_x, shift_y = _chroma_shift(turn, frame.width, frame.height)
        luma, cb, cr = upright
        self._draw(Canvas(luma, cb, cr, shift_x, shift_y), picture, instances)
        if upright is not stored:
            for target, plane in zip(stored, upright, strict=True):
                np.copyto(target, turn.stored(plane))
        item.picture = picture

    def _copy(self, frame: Frame) -> av.VideoFrame:
        if self._copier is None or not self._copier.fits(frame.picture):
            self._copier = _Copier(frame.picture)
        picture = self._copier.copy(frame.picture)
        picture.pts, picture.time_base = frame.pts, frame.time_base
        return picture

    def _draw(self, canvas: Canvas, picture: av.VideoFrame, instances: Instances) -> None:
        style = self._style
        reference = (canvas.width * canvas.height * 9 / 16) ** 0.5  # the height of a 16:9 picture of as many pixels
        line_px = max(1.4, 0.0026 * reference) * style.scale
        identities = zip(instances.track_ids.tolist(), instances.class_ids.tolist(), strict=True)
        colors = [color(identity_of(track_id, class_id)) for track_id, class_id in identities]
        samples = [yuv_for(picture, rgb) for rgb in colors]
        shapes = style.draw & {"masks", "outlines"}
        boxes, opacities = instances.boxes_xyxy.tolist(), instances.opacity.tolist()
        for row in np.argsort(instances.scores, kind="stable").tolist():  # the surest last, on top
            box, opacity = boxes[row], opacities[row]
            mask = None if instances.masks is None or not instances.has_mask[row] else instances.masks[row]
            solid = None if mask is None else extent(mask, box)
            if mask is not None and solid is not None and shapes:
                region = pixels_of(solid, line_px / 2 + 1, canvas.width, canvas.height)
                self._draw_shape(canvas, mask, box, region, samples[row], opacity, line_px)
            if "boxes" in style.draw or (solid is None and shapes):
                _draw_box(canvas, box, samples[row], opacity, line_px if solid is None else max(1.0, line_px / 2))
        if "labels" in style.draw:
            self._draw_labels(canvas, picture, instances, colors, samples, reference)

    def _draw_shape(
        self, canvas: Canvas, mask: Floats, box: Box, region: Region, sample: Yuv, opacity: float, line_px: float
    ) -> None:
        if region.empty or not (box[2] > box[0] and box[3] > box[1]):
            return
        region = canvas.aligned(region)
        field = edge_field(mask, box, region)
        alpha: Plane | None = None
        outlined = "outlines" in self._style.draw
        if "masks" in self._style.draw:
            alpha = _fill(field, self._style.mask_opacity * opacity, smooth=not outlined)
        if outlined:
            line = _line(field, line_px, opacity)
            alpha = line if alpha is None else np.asarray(cv2.max(alpha, line), np.uint8)
        if alpha is not None:
            canvas.blend(alpha, region.x0, region.y0, sample)

    def _draw_labels(
        self,
        canvas: Canvas,
        picture: av.VideoFrame,
        instances: Instances,
        colors: list[Rgb],
        samples: list[Yuv],
        reference: float,
    ) -> None:
        size_px = round(max(9.0, 4 + 0.0155 * reference) * self._style.scale)
        taken: list[Region] = []
        for row in _steady_order(instances):
            box = pixels_of(instances.boxes_xyxy[row], 0, canvas.width, canvas.height)
            opacity = float(instances.opacity[row])
            if box.empty or opacity <= 0:
                continue
            text, shorter = self._texts(instances, int(row))
            label = tag(text, size_px)
            if label.width > canvas.width * WIDEST_LABEL:
                text, label = shorter, tag(shorter, size_px)
            spot = place((label.width, label.height), box, taken, canvas.width, canvas.height)
            taken.append(spot)
            x, y = canvas.aligned(spot)[:2]
            body, letters = samples[row], yuv_for(picture, readable_on(colors[row]))
            if opacity >= 1:
                canvas.lay(painted(text, size_px, body, letters), x, y)
            else:
                canvas.blend(_faded(label.body, opacity), x, y, body)
                canvas.blend(_faded(label.text, opacity), x, y, letters)

    def _texts(self, instances: Instances, row: int) -> tuple[str, str]:
        """The label, and what it says where there is little room."""
        class_id, track_id = int(instances.class_ids[row]), int(instances.track_ids[row])
        name = self._labels.get(class_id, f"class {class_id}")
        if self._style.show_track and track_id != NO_TRACK:
            name = f"{name} #{track_id}"
        text = f"{name} {float(instances.scores[row]):.2f}"
        if self._style.show_age and bool(instances.followed[row]):
            text = f"{text} · {float(instances.mask_age_s[row]) * 1000:.0f} ms"
        return text, name


class _Copier:
    """Makes writable copies of pictures of one size and format, with all that FFmpeg keeps beside the samples.

    An empty filter graph hands back another reference to the same samples, with side data (captions, HDR) and flags; only
    then does ``make_writable`` copy: of a frame with a single reference it makes no copy at all.
    """

    def __init__(self, picture: av.VideoFrame) -> None:
        self._key = (picture.width, picture.height, picture.format.name)
        self._graph = av.filter.Graph()
        width, height, name = self._key
        source = self._graph.add_buffer(
            width=width, height=height, format=av.VideoFormat(name), time_base=Fraction(1, 1000), name="in"
        )
        source.link_to(self._graph.add("buffersink"))
        self._graph.configure()

    def fits(self, picture: av.VideoFrame) -> bool:
        return self._key == (picture.width, picture.height, picture.format.name)

    def copy(self, picture: av.VideoFrame) -> av.VideoFrame:
        self._graph.push(picture)
        copied = self._graph.pull()
        if not isinstance(copied, av.VideoFrame):
            raise TypeError(f"filter graph: expected a VideoFrame, got {type(copied).__name__}")
        copied.make_writable()
        return copied


def _chroma_shift(turn: Orientation, width: int, height: int) -> tuple[int, int]:
    """How far, 0 or 1 pixels, the chroma grid of the upright width x height picture is shifted (see ``Canvas``)."""
    corner = np.zeros((height % 2 + 2, width % 2 + 2), np.uint8)
    corner[0, 0] = 1
    row, column = np.argwhere(turn.stored(corner))[0]
    stored_height, stored_width = turn.stored(corner).shape
    flipped_x, flipped_y = column != 0, row != 0
    shift_x, shift_y = stored_width % 2 * int(flipped_x), stored_height % 2 * int(flipped_y)
    return (shift_y, shift_x) if turn.sideways else (shift_x, shift_y)


def _fill(field: Plane, opacity: float, *, smooth: bool) -> Plane:
    """Strength of a mask's fill: ``opacity`` inside, 0 outside; a ramp of one pixel between, or, under an outline, a step."""
    if not smooth:
        return np.asarray(cv2.threshold(field, FIELD_ZERO - 1, round(255 * opacity), cv2.THRESH_BINARY)[1], np.uint8)
    half = FIELD_PER_PX // 2
    _, capped = cv2.threshold(field, FIELD_ZERO + half, 0, cv2.THRESH_TRUNC)
    foot = 255 - (FIELD_ZERO - half)
    _, upside_down = cv2.threshold(cv2.bitwise_not(capped), foot, 0, cv2.THRESH_TRUNC)
    slope = 255 * opacity / FIELD_PER_PX
    return np.asarray(cv2.convertScaleAbs(upside_down, alpha=-slope, beta=slope * foot), np.uint8)


def _line(field: Plane, width_px: float, opacity: float) -> Plane:
    """Strength of a line along the outline, ``width_px`` wide with anti-aliased sides."""
    reach_px = width_px / 2 + 0.5
    scale = 255 / (FIELD_PER_PX * reach_px)
    distance = cv2.convertScaleAbs(field, alpha=scale, beta=-scale * FIELD_ZERO)
    return _faded(np.asarray(cv2.convertScaleAbs(cv2.bitwise_not(distance), alpha=reach_px), np.uint8), opacity)


def _steady_order(instances: Instances) -> list[int]:
    """Who chooses the place of its label first: old tracks, then left to right. By score, labels would jump between frames."""
    tracks, left = instances.track_ids.tolist(), instances.boxes_xyxy[:, 0].tolist()
    return sorted(range(len(instances)), key=lambda row: (tracks[row] == NO_TRACK, tracks[row], left[row]))


def _faded(alpha: Plane, opacity: float) -> Plane:
    return alpha if opacity >= 1 else np.asarray(cv2.convertScaleAbs(alpha, alpha=max(0.0, opacity)), np.uint8)


def _draw_box(canvas: Canvas, box: Box, sample: Yuv, opacity: float, line_px: float) -> None:
    """A frame along the inner side of a box. Its edges snap to the chroma grid: crisp lines without colour fringes."""
    inside = canvas.snapped(box)
    if inside is not None and opacity > 0:
        canvas.frame(inside, 2 * max(1, round(line_px / 2)), sample, opacity)
