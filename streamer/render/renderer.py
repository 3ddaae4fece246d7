"""Draws what was found on the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.analysis.facts import SceneFacts
from streamer.frame import Plane
from streamer.instances import NO_TRACK, Floats, Instances
from streamer.render.canvas import Canvas
from streamer.render.copies import upright_canvas, writable
from streamer.render.cover import Cover
from streamer.render.labels import is_low, painted, place, tag
from streamer.render.masks import FIELD_END, Box, Region, edge_field, extent, pixels_of
from streamer.render.palette import Rgb, Yuv, color, identity_of, readable_on, yuv_of
from streamer.render.places import PlacesDrawing
from streamer.stages import Annotated

DRAWABLE = ("masks", "outlines", "boxes", "labels", "zones")
WIDEST_LABEL = 0.4
"""Part of the picture's width from which a label is shortened to its name."""
SMALLEST_TEXT_PX = 8.0
"""Nominal size of letters below which they cannot be read."""
CRAMPED_TEXT_PX = 9.0
"""Nominal size below which a label that is wider than its box is shortened to its name."""
SMALL_TEXT = 0.8
"""Size of the letters at small objects, times that of the others."""
SURE = 0.5
"""Least score of what gets its label before the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What is drawn, and how. Raises ``ValueError`` naming what was expected."""

    draw: frozenset[str] = frozenset({"masks", "outlines", "labels", "zones"})
    """Any of ``masks`` (filled), ``outlines``, ``boxes``, ``labels`` and ``zones`` (and lines, where there are any). An object
    without a mask, or with an empty one, gets its box where masks or outlines are asked for; ``boxes`` draws all boxes."""
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

    def __init__(
        self,
        labels: Mapping[int, str],
        *,
        style: Style | None = None,
        sample_aspect_ratio: Fraction = Fraction(1),
        places: PlacesDrawing | None = None,
    ) -> None:
        """``sample_aspect_ratio`` is the width over the height of a stored pixel: text will show undistorted.

        ``places`` are the zones and lines to draw, until the facts of a frame name others.
        """
        if sample_aspect_ratio <= 0:
            raise ValueError(f"sample_aspect_ratio: expected a positive ratio, got {sample_aspect_ratio}")
        self._sample_aspect_ratio = sample_aspect_ratio
        self._labels = labels
        self._style = style or Style()
        self._places = places if "zones" in self._style.draw else None

    def __call__(self, item: Annotated) -> None:
        """Set ``item.picture``: a drawn copy, or the picture without drawing when there is nothing to draw."""
        frame = item.frame
        instances = item.instances.usable(frame.width, frame.height)
        places = self._places_with(item.facts)
        if (len(instances) == 0 or not self._style.draw) and places is None:
            item.picture = item.clean()
            return
        picture = writable(frame) if item.cover is None else item.clean()
        ratio = self._sample_aspect_ratio
        aspect = float(1 / ratio if frame.orientation.sideways else ratio)
        with upright_canvas(picture, frame.orientation) as canvas:
            self._draw(canvas, picture, item, instances, places, aspect)
        item.picture = picture

    def _places_with(self, facts: SceneFacts | None) -> PlacesDrawing | None:
        """What draws the zones and lines that ``facts`` are of, which may be others than before; None where there are none."""
        places = self._places
        if places is None:
            return None
        if facts is not None and facts.places is not None and facts.places != places.places:
            places = self._places = PlacesDrawing(*facts.places)
        return places if places.places else None

    def _draw(
        self,
        canvas: Canvas,
        picture: av.VideoFrame,
        item: Annotated,
        instances: Instances,
        places: PlacesDrawing | None,
        aspect: float,
    ) -> None:
        style = self._style
        reference = (canvas.width * canvas.height * 9 / 16) ** 0.5  # the height of a 16:9 picture of as many pixels
        line_px = max(1.4, 0.0026 * reference) * style.scale
        identities = zip(instances.track_ids.tolist(), instances.class_ids.tolist(), strict=True)
        colors = [color(identity_of(track_id, class_id)) for track_id, class_id in identities]
        yuv = yuv_of(picture)
        text_px = max(SMALLEST_TEXT_PX, min(CRAMPED_TEXT_PX, 0.045 * reference), 4 + 0.0155 * reference)
        if places is not None:
            places.draw(canvas, yuv, line_px)
        boxes, opacities = instances.boxes_xyxy.tolist(), instances.opacity.tolist()
        masks: list[Floats | None] = [None] * len(boxes)
        if instances.masks is not None:
            masks = [mask if has else None for mask, has in zip(instances.masks, instances.has_mask.tolist(), strict=True)]
        shapes, framed = not style.draw.isdisjoint(("masks", "outlines")), "boxes" in style.draw
        for row in np.argsort(instances.scores, kind="stable").tolist() if shapes or framed else ():  # the surest on top
            mask, box, sample, opacity = masks[row], boxes[row], yuv(colors[row]), opacities[row]
            solid = None if mask is None else extent(mask, box)
            if mask is not None and solid is not None and shapes:
                region = pixels_of(solid, line_px / 2 + 1, canvas.width, canvas.height)
                self._draw_shape(canvas, mask, box, region, sample, opacity, line_px)
            if framed or solid is None:
                _draw_box(canvas, box, sample, opacity, line_px if solid is None else max(1.0, line_px / 2))
        taken = item.cover.write(canvas, picture) if isinstance(item.cover, Cover) else []
        if places is not None:
            places.label(canvas, yuv, item.facts, taken, text_px=round(text_px * style.scale), stretch=1 / aspect)
        if "labels" in style.draw:
            self._draw_labels(canvas, yuv, instances, colors, text_px, aspect, taken)

    def _draw_shape(
        self, canvas: Canvas, mask: Floats, box: Box, region: Region, sample: Yuv, opacity: float, line_px: float
    ) -> None:
        if region.empty or not (box[2] > box[0] and box[3] > box[1]):
            return
        region = canvas.aligned(region)
        reach_px = max(8.0, line_px / 2 + 2)
        field = edge_field(mask, box, region, reach_px)
        fill = self._style.mask_opacity * opacity if "masks" in self._style.draw else 0.0
        if "outlines" in self._style.draw:
            kept = cv2.LUT(
                cv2.convertScaleAbs(field, alpha=128 / FIELD_END, beta=128), _profile(fill, opacity, line_px, reach_px)
            )
        else:
            kept = _filled(field, fill, reach_px)
        canvas.blend(np.asarray(kept, np.uint8), region.x0, region.y0, sample)

    def _draw_labels(
        self,
        canvas: Canvas,
        yuv: Callable[[Rgb], Yuv],
        instances: Instances,
        colors: list[Rgb],
        text_px: float,
        aspect: float,
        taken: list[Region],
    ) -> None:
        size_px = round(text_px * self._style.scale)
        small_px = round(max(SMALLEST_TEXT_PX, SMALL_TEXT * text_px) * self._style.scale)
        cramped, stretch = text_px < CRAMPED_TEXT_PX, 1 / aspect
        opacities, texts = instances.opacity.tolist(), self._texts(instances)
        boxes = [pixels_of(box, 0, canvas.width, canvas.height) for box in instances.boxes_xyxy.tolist()]
        low = [is_low(box, tag("", size_px, stretch).height) for box in boxes]
        small = [box for box, is_small in zip(boxes, low, strict=True) if is_small and not box.empty]
        for row in _steady_order(instances):
            box, opacity, px = boxes[row], opacities[row], small_px if low[row] else size_px
            if box.empty or opacity <= 0:
                continue
            width = tag(texts[row][0], px, stretch).width
            narrow = width > canvas.width * WIDEST_LABEL or (cramped and width > box.x1 - box.x0)
            for text in texts[row][1:] if narrow else texts[row]:
                label = tag(text, px, stretch)
                spot = place((label.width, label.height), box, taken, canvas.width, canvas.height, small)
                if spot is not None:
                    taken.append(spot)
                    x, y = canvas.aligned(spot)[:2]
                    layer = painted((text, px, stretch), yuv(colors[row]), yuv(readable_on(colors[row])))
                    canvas.lay(layer if opacity >= 1 else layer.faded(opacity), x, y)
                    break

    def _texts(self, instances: Instances) -> list[list[str]]:
        """For each row the label, and what it says where there is less and less room."""
        texts: list[list[str]] = []
        columns = instances.class_ids, instances.track_ids, instances.scores, instances.followed, instances.mask_age_s
        for class_id, track_id, score, followed, age_s in zip(*(column.tolist() for column in columns), strict=True):
            name, number = self._labels.get(class_id) or f"class {class_id}", f"#{track_id}"
            named = self._style.show_track and track_id != NO_TRACK
            short = f"{name} {number}" if named else name
            text = f"{short} {score:.2f}"
            if self._style.show_age and followed:
                text = f"{text} · {age_s * 1000:.0f} ms"
            texts.append([text, short, number] if named else [text, short])
        return texts


def _filled(field: NDArray[np.int16], opacity: float, reach_px: float) -> Plane:
    """How much of the picture stays, 0..255, under a fill that ends in a ramp of one pixel."""
    half = FIELD_END / reach_px / 2
    _, inner = cv2.threshold(field, half, 0, cv2.THRESH_TRUNC)
    # The ramp's other end needs no cut: it is where bytes saturate.
    kept = cv2.convertScaleAbs(inner, alpha=-255 * opacity / (2 * half), beta=255 * (1 - opacity / 2))
    return np.asarray(kept, np.uint8)


@lru_cache(maxsize=256)
def _profile(fill: float, line: float, line_px: float, reach_px: float) -> Plane:
    """How much of the picture stays, 0..255, for each distance to the outline: from 128 / 128 ``reach_px`` outside to inside.

    A line ``line_px`` wide along the outline, ``line`` strong with anti-aliased sides, and a fill within it.
    """
    distance_px = (np.arange(256) - 128) * (reach_px / 128)
    on_line = line * np.clip(line_px / 2 + 0.5 - np.abs(distance_px), 0, 1)
    within = fill * np.clip(distance_px + 0.5, 0, 1)
    kept: Plane = np.rint(255 * (1 - np.maximum(on_line, within))).astype(np.uint8)
    return kept


def _steady_order(instances: Instances) -> list[int]:
    """The order in which labels take their places: old tracks, then what is sure, then left to right.

    In the order of scores they would jump between frames. What comes late in a crowd may stay without a label.
    """
    tracks, left, scores = instances.track_ids.tolist(), instances.boxes_xyxy[:, 0].tolist(), instances.scores.tolist()
    return sorted(range(len(instances)), key=lambda row: (tracks[row] == NO_TRACK, tracks[row], scores[row] < SURE, left[row]))


def _draw_box(canvas: Canvas, box: Box, sample: Yuv, opacity: float, line_px: float) -> None:
    """A frame along the inner side of a box. Its edges snap to the chroma grid: crisp lines without colour fringes."""
    inside = canvas.snapped(box)
    if inside is not None and opacity > 0:
        canvas.frame(inside, 2 * max(1, round(line_px / 2)), sample, opacity)
