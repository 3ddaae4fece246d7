"""What was found, as JSON Lines: one line for the stream, one for each frame, one at the end. See ``docs/records.md``."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamer._version import __version__
from streamer.analysis.facts import Crossing, Entry, Exit
from streamer.analysis.observation import CELLS, Observations, observe
from streamer.errors import ConfigError, OutputRefused, OutputWriteFailed, SourceNotFound, StreamerError
from streamer.frame import StreamInfo
from streamer.instances import NO_TRACK, Instances, class_name
from streamer.render.cover import Cover
from streamer.render.rounding import rounded
from streamer.runtime.utc import iso_utc
from streamer.sinks.coco_masks import crops, mask_rles, polygons
from streamer.sinks.packed import pack_cover, pack_masks
from streamer.sinks.record_check import wrong_in
from streamer.stages import Annotated

SCHEMA = 2
"""Goes up when a field changes its meaning or goes away; new fields do not change it."""

MaskKind = Literal["rle", "polygon", "none"]


class Records:
    """Writes what was found in each frame to a JSON Lines file, one system call a line.

    The file grows under its final name: unlike a video, every prefix of it is usable, others may follow it while it grows,
    and a kill loses at most its last line. A file with an ``end`` line is whole. Nothing is written before the first frame:
    a run that fails earlier leaves no file, and one that was to be replaced stays as it was. A run that fails later leaves
    the lines that it had written, which are true, and no ``end`` line.

    Without ``positions`` it does not say where anything was: no boxes, feet, masks or covered parts; ``masks`` is then
    ``none``.
    ``about`` are more fields of the ``stream`` line, and ``totals`` is asked at the end for more of the ``end`` line. Raises
    ``OutputRefused`` at construction when the file exists (pipes and devices may) or cannot be written.
    """

    name = "records"

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: StreamInfo,
        labels: Mapping[int, str],
        detector_name: str,
        *,
        masks: MaskKind = "rle",
        positions: bool = True,
        overwrite: bool = False,
        about: Mapping[str, object] | None = None,
        totals: Callable[[], Mapping[str, object]] | None = None,
    ) -> None:
        self.path = Path(path)
        self._info = info
        self._labels = labels
        self._detector_name = detector_name
        if masks != "none" and not positions:
            raise ValueError(f"masks are positions, got {masks} without positions")
        self._masks = masks
        self._positions = positions
        self._about = dict(about or {})
        self._totals = totals
        self._frames = 0
        self._named: dict[int, str] = {}
        """What classes were called when the file began, or, where nobody knew, when somebody did."""
        self._by_class: Counter[int] = Counter()
        self._first_s: float | None = None
        self._end_s = 0.0
        self._written_bytes = 0
        self._begun = False
        self._fd: int | None
        self._fd, self._created = open_new(self.path, overwrite=overwrite, what="detections")
        self._regular = stat.S_ISREG(os.fstat(self._fd).st_mode)

    @property
    def renamed(self) -> bool:
        """Whether a class has another name than it had in this file: what is written now would be of another detector."""
        return any(self._labels.get(class_id) != name for class_id, name in self._named.items())

    def write(self, item: Annotated) -> None:
        """Append the frame's line. Raises ``OutputWriteFailed``."""
        self._begin()
        frame, instances = item.frame, rounded(item.instances, self._info.width, self._info.height)
        if not self._named:
            self._named = dict(self._labels)
        self._put(self._frame_line(item, instances))
        self._frames += 1
        self._by_class.update(instances.class_ids.tolist())
        self._first_s = frame.time_s if self._first_s is None else self._first_s
        self._end_s = float((frame.pts + frame.duration) * frame.time_base)

    def finish(self) -> None:
        """Append the ``end`` line and close the file. Raises ``OutputWriteFailed``."""
        self._begin()
        by_class: Counter[str] = Counter()
        names = {**self._labels, **self._named}
        for class_id, n in self._by_class.most_common():
            by_class[class_name(names, class_id)] += n
        self._put(
            {
                "type": "end",
                "frames": self._frames,
                "instances": self._by_class.total(),
                "by_class": dict(by_class),
                "seconds": 0.0 if self._first_s is None else round(self._end_s - self._first_s, 6),
                **(self._totals() if self._totals is not None else {}),
            }
        )
        self._close()

    def abandon(self) -> None:
        """Close the file; keep the lines that are there, or remove it when there are none."""
        if self._fd is None:
            return
        if self._written_bytes:
            if self._regular:
                with suppress(OSError):  # a cut last line is part of the format: readers skip it
                    os.ftruncate(self._fd, self._written_bytes)
        elif self._created:
            with suppress(OSError):  # gone already, or the folder is: nothing half done is left either way
                self.path.unlink()
        self._close()

    def _begin(self) -> None:
        if self._begun:
            return
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        self._begun = True
        self._named = dict(self._labels)
        if self._regular:
            os.ftruncate(self._fd, 0)
        info = self._info
        self._put(
            {
                "type": "stream",
                "schema": SCHEMA,
                "source": info.source,
                "width": info.width,
                "height": info.height,
                "time_base": f"{info.time_base.numerator}/{info.time_base.denominator}",
                "detector": self._detector_name,
                "streamer": __version__,
                "rate": None if info.rate is None else f"{info.rate.numerator}/{info.rate.denominator}",
                "live": info.live,
                "masks": self._masks,
                **({} if self._positions else {"positions": False}),
                "labels": {str(class_id): name for class_id, name in self._named.items()},
                **self._about,
            }
        )

    def _frame_line(self, item: Annotated, instances: Instances) -> dict[str, object]:
        frame, facts = item.frame, item.facts
        line: dict[str, object] = {"type": "frame", "frame": frame.index, "pts": frame.pts, "time_s": round(frame.time_s, 6)}
        if frame.utc_s is not None:
            line["utc"] = iso_utc(frame.utc_s)
        if item.cut:
            line["cut"] = True
        if item.looked_s is not None:
            line["looked_s"] = item.looked_s
        if isinstance(item.cover, Cover) and self._positions:
            line["cover"] = pack_cover(item.cover)
        found: list[dict[str, object]] = [
            {
                "class": class_name(self._labels, class_id),
                "class_id": class_id,
                "score": round(score, 4),
                "track_id": None if track_id == NO_TRACK else track_id,
                "state": "followed" if followed else "inferred",
                "mask_age_s": round(age, 4),
            }
            for class_id, score, track_id, followed, age in zip(
                instances.class_ids.tolist(),
                instances.scores.tolist(),
                instances.track_ids.tolist(),
                instances.followed.tolist(),
                instances.mask_age_s.tolist(),
                strict=True,
            )
        ]
        if self._positions and found:
            self._place(found, instances)
        if facts is not None:
            for instance, zones in zip(found, facts.zones, strict=True):
                instance["zones"] = list(zones)
            for name in ("crossings", "entries", "exits"):
                line[name] = [self._fact(fact) for fact in getattr(facts, name)]
        line["instances"] = found
        return line

    def _place(self, found: Sequence[dict[str, object]], instances: Instances) -> None:
        """Say in each of ``found`` where it was."""
        seen = observe(instances, self._info.width, self._info.height)
        for instance, box, foot in zip(found, seen.boxes_xyxy.tolist(), seen.feet_xy.tolist(), strict=True):
            instance["box_xyxy"] = box
            instance["foot_xy"] = foot
        for instance, full, opacity in zip(found, instances.boxes_xyxy.tolist(), instances.opacity.tolist(), strict=True):
            if (box := [round(edge, 2) for edge in full]) != instance["box_xyxy"]:
                instance["full_box_xyxy"] = box
            if opacity < 1:
                instance["opacity"] = round(opacity, 4)
        if self._masks != "none":
            cells = [""] * len(instances) if instances.masks is None else pack_masks(instances.masks)
            shapes = np.packbits(seen.shapes.reshape(-1, CELLS * CELLS), axis=1)
            columns = self._mask_fields(instances), instances.mask_carried.tolist(), shapes, cells
            for instance, mask, carried, shape, packed in zip(found, *columns, strict=True):
                instance["mask"] = mask
                instance["mask_carried"] = carried
                instance["shape"] = None if mask is None else shape.tobytes().hex()
                if mask is not None:
                    instance["cells"] = packed

    def _fact(self, fact: Crossing | Entry | Exit) -> dict[str, object]:
        return {**asdict(fact), "class": class_name(self._labels, fact.class_id)}

    def _mask_fields(self, instances: Instances) -> list[object]:
        width, height = self._info.width, self._info.height
        if self._masks == "rle":
            return list(mask_rles(instances, width, height))
        size, placed = [height, width], crops(instances, width, height)
        return [None if crop is None else {"size": size, "polygons": polygons(crop)} for crop in placed]

    def _put(self, line: Mapping[str, object]) -> None:
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        text = json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        # Bytes of a path that are no UTF-8 come as lone surrogates, which no JSON reader takes.
        data = text.encode("utf-8", "replace") + b"\n"
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise OutputWriteFailed(
                f"cannot write detections to {self.path}: {error.strerror}",
                hint="make room or write elsewhere; the lines before are complete",
            ) from error
        self._written_bytes += len(data)

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


def read_records(path: str | os.PathLike[str], *, on_read: Callable[[float], None] | None = None) -> Iterator[dict[str, Any]]:
    """The lines of a records file as dictionaries, in order; a last line that was cut short by a kill is left out.

    ``on_read`` is told after each line how much of the file was read, 0..1.

    Raises ``SourceNotFound`` when there is no such file, and ``StreamerError`` when it is no records file, is of a newer
    schema, or is damaged in the middle.
    """
    try:
        file = Path(path).open("rb")  # noqa: SIM115  # closed by the with below: only opening it may raise SourceNotFound
    except OSError as error:
        raise SourceNotFound(f"cannot read records from {os.fspath(path)}: {error.strerror}", hint="check the path") from error
    with file:
        placed, read, size = True, 0, os.fstat(file.fileno()).st_size
        for number, raw in enumerate(file, start=1):
            read += len(raw)
            try:
                line = json.loads(raw)
            except ValueError as error:
                if not raw.endswith(b"\n"):
                    return
                raise StreamerError(f"{os.fspath(path)}:{number}: not JSON: {error}", hint="the file is damaged") from error
            if number == 1:
                _check_first(path, line)
                placed = has_positions(line)
            if wrong := wrong_in(line, placed=placed):
                raise StreamerError(f"{os.fspath(path)}:{number}: {wrong}", hint="the file is damaged, or was edited")
            yield line
            if on_read is not None:
                on_read(min(1.0, read / max(size, 1)))  # of a pipe nothing is known, and a live run writes on


def has_positions(stream: Mapping[str, Any]) -> bool:
    """Whether the records with this ``stream`` line say where objects were."""
    return stream.get("positions") is not False


def refuse_without_positions(path: str | os.PathLike[str], stream: Mapping[str, Any]) -> None:
    """Raise ``ConfigError`` for records that do not say where objects were."""
    if not has_positions(stream):
        raise ConfigError(
            f"{os.fspath(path)} does not say where objects were: it was written without positions",
            hint="what it says, classes, tracks, zones and crossings by time, is for your own programs: see docs/records.md",
        )


def observed(line: Mapping[str, Any], size: tuple[int, int]) -> Observations:
    """What analysis saw of the objects of a frame's line, of a displayed picture of ``size`` (width, height).

    Where a line does not say, an object stands at the middle of its box's lower side, and fills its box.
    """
    found = line["instances"]
    boxes = np.array([one["box_xyxy"] for one in found], np.float64).reshape(-1, 4)
    feet = [one.get("foot_xy") or [(x0 + x1) / 2, y1] for one, (x0, _, x1, y1) in zip(found, boxes.tolist(), strict=True)]
    shapes = np.ones((len(found), CELLS, CELLS), np.bool_)
    for row, one in enumerate(found):
        if one.get("shape"):
            bits = np.frombuffer(bytes.fromhex(one["shape"]), np.uint8)
            shapes[row] = np.unpackbits(bits).reshape(CELLS, CELLS)
    return Observations(
        size=size,
        class_ids=np.array([one["class_id"] for one in found], np.int64),
        track_ids=np.array([NO_TRACK if one["track_id"] is None else one["track_id"] for one in found], np.int64),
        mask_age_s=np.array([one.get("mask_age_s", 0.0) for one in found], np.float64),
        boxes_xyxy=boxes,
        feet_xy=np.array(feet, np.float64).reshape(-1, 2),
        shapes=shapes,
    )


def _check_first(path: str | os.PathLike[str], line: object) -> None:
    schema = line.get("schema") if isinstance(line, dict) and line.get("type") == "stream" else None
    if not isinstance(schema, int):
        raise StreamerError(f"{os.fspath(path)} is no records file: its first line is not of type 'stream'")
    if schema > SCHEMA:
        raise StreamerError(
            f"{os.fspath(path)} is of schema {schema}, this version reads up to {SCHEMA}", hint="update streamer"
        )


def open_new(path: Path, *, overwrite: bool, what: str) -> tuple[int, bool]:
    """Open a file for writing without truncating it. Returns its descriptor and whether it is new.

    Raises ``OutputRefused`` when a regular file is there already and may not be overwritten, or when it cannot be opened.
    """
    flags = os.O_WRONLY | os.O_CLOEXEC
    try:
        try:
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:
            if not overwrite and path.is_file():
                raise OutputRefused(
                    f"{path} exists already", hint=f"choose another name for the {what}, or allow it with --overwrite"
                ) from None
            return os.open(path, flags | os.O_CREAT, 0o666), False
    except OSError as error:
        hint = "create the folder first" if isinstance(error, FileNotFoundError) else "choose another place"
        raise OutputRefused(f"cannot write the {what} to {path}: {error.strerror}", hint=hint) from error
