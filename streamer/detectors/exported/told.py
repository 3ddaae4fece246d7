"""What a small YAML beside a model file says of it: ``model.yaml`` for ``model.onnx``."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from streamer.detectors.exported import places
from streamer.detectors.exported.answers import Answers
from streamer.detectors.exported.description import Description
from streamer.detectors.exported.finished_rows import COLUMNS, SIDES, FinishedRows
from streamer.detectors.exported.found import Reader
from streamer.detectors.exported.picture_input import IMAGENET_DEVIATION, IMAGENET_MEAN, Preparation, Resize
from streamer.detectors.exported.places import Places, Sides
from streamer.detectors.exported.queries import Queries, Scores
from streamer.detectors.exported.yolo import Form, Yolo
from streamer.detectors.label_file import read_labels
from streamer.errors import ConfigError
from streamer.suggest import nearest

log = logging.getLogger(__name__)

FAMILIES = ("yolo", "yolox", "nanodet", "rf-detr", "answers", "queries", "places", "rows")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "family": FAMILIES,
    "colour": ("rgb", "bgr"),
    "scaling": ("0..1", "0..255", "imagenet", "-1..1"),
    "resize": ("letterbox", "corner", "stretch", "none"),
    "layout": ("columns", "rows", "objectness", "final"),
    "boxes": ("xyxy", "yxyx", "cxcywh"),
    "unit": ("pixels", "fractions"),
    "scores": ("sigmoid", "softmax", "probabilities"),
}
"""Keys that take one of a few words."""
KEYS = (*CHOICES, "labels", "padding", "outputs", "columns", "overlap")
ROLES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "answers": (("boxes", "scores", "classes"), ("masks", "count")),
    "queries": (("boxes", "scores"), ("masks",)),
    "yolo": (("rows",), ("prototypes",)),
    "places": (("boxes", "scores"), ()),
    "rows": (("rows",), ("classes", "masks", "count")),
}
"""By family the outputs that must be named and those that may be."""
_LEVELS = {
    "0..1": ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
    "0..255": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "-1..1": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    "imagenet": (IMAGENET_MEAN, IMAGENET_DEVIATION),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What the YAML says; empty where there is none."""

    file: Path | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    """The choices, by key."""
    labels: Mapping[int, str] | None = None
    padding: int | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Names of outputs by their role."""
    columns: Sequence[str] = ()
    """What the columns of rows of finished objects hold."""
    overlap: float = places.IOU

    def added(self, description: Description) -> Description:
        """The description with what is said of scaling, as metadata: files of some families leave that open."""
        if (scaling := self.words.get("scaling")) is None:
            return description
        mean, deviation = (json.dumps([value / 255.0 for value in values]) for values in _LEVELS[scaling])
        return replace(description, metadata={**description.metadata, "image_mean": mean, "image_std": deviation})

    def prepared(self, usual: Preparation) -> Preparation:
        """How pictures are prepared: as the family does it, where nothing else is said."""
        changed = usual
        if (resize := self.words.get("resize")) is not None:
            changed = replace(changed, resize=cast("Resize", resize))
        if (scaling := self.words.get("scaling")) is not None:
            changed = replace(changed, mean=_LEVELS[scaling][0], deviation=_LEVELS[scaling][1])
        if (colour := self.words.get("colour")) is not None:
            changed = replace(changed, bgr=colour == "bgr")
        return changed if self.padding is None else replace(changed, padding=self.padding)

    def reader(self, description: Description) -> Reader | None:
        """The reader of the outputs that are named; None where none are. Raises ``ConfigError`` where they do not fit."""
        if not self.outputs:
            return None
        at = {role: self._place(name, description) for role, name in self.outputs.items()}
        usual = "rows" if self.columns else "answers" if "classes" in at else "queries" if "boxes" in at else "yolo"
        family = self.words.get("family", usual)
        if family not in ROLES:
            raise self.wrong(f"outputs: the family {family} has one output, which needs no name")
        needed, possible = ROLES[family]
        if missing := [role for role in needed if role not in at]:
            raise self.wrong(f"outputs: {', '.join(missing)} missing for the family {family}")
        if strange := [role for role in at if role not in (*needed, *possible)]:
            raise self.wrong(f"outputs: the family {family} has no {', '.join(strange)}")
        shapes = [tensor.shape for tensor in description.outputs]
        if family == "answers":
            return Answers(
                "answers",
                at["boxes"],
                at["scores"],
                at["classes"],
                at.get("masks"),
                Preparation("stretch"),
                count_at=at.get("count"),
                fractions=self.words.get("unit") == "fractions",
                y_first=self.words.get("boxes") == "yxyx",
            )
        if family == "rows":
            return self._finished(at, shapes[at["rows"]])
        if family == "places":
            return Places(
                at["boxes"],
                at["scores"],
                (shapes[at["scores"]] or (0,))[-1] or 0,
                Preparation("stretch"),
                cast("Scores", self.words.get("scores", "probabilities")),
                cast("Sides", self.words.get("boxes", "xyxy")),
                self.words.get("unit") == "fractions",
                self.overlap,
            )
        if family == "queries":
            scores = cast("Scores", self.words.get("scores", "sigmoid"))
            classes = (shapes[at["scores"]] or (0,))[-1] or 0
            return Queries(
                at["boxes"], at["scores"], at.get("masks"), classes - (scores == "softmax"), scores, family="queries"
            )
        form = cast("Form", self.words.get("layout", "columns"))
        prototypes = shapes[at["prototypes"]] if "prototypes" in at else ()
        last = len(prototypes) == 4 and (prototypes[3] or 0) < (prototypes[1] or 0)
        mixing = (prototypes[3 if last else 1] or 0) if len(prototypes) == 4 else 0
        rows = shapes[at["rows"]]
        width = (rows[1] if form == "columns" else rows[2]) if len(rows) == 3 else None
        if width is None or width - mixing < 5:
            raise self.wrong(f"outputs: rows: {description.outputs[at['rows']]} cannot be {form} of boxes and scores")
        known = None if form == "final" else width - mixing - (5 if form == "objectness" else 4)
        fractions = self.words.get("unit") == "fractions"
        return Yolo(form, at["rows"], at.get("prototypes"), known, mixing, last, fractions)

    def _finished(self, at: Mapping[str, int], shape: tuple[int | None, ...]) -> Reader:
        if shape[-1:] != (len(self.columns),):
            raise self.wrong(f"columns: there are {shape[-1] if shape else 0}, and {len(self.columns)} names for them")
        needed = [*SIDES, "score", *(() if "classes" in at else ("class",))]
        if missing := [column for column in needed if column not in self.columns]:
            raise self.wrong(f"columns: {', '.join(missing)} missing")
        fractions = self.words.get("unit") == "fractions"
        others = (at.get(role) for role in ("classes", "masks", "count"))
        return FinishedRows("rows", at["rows"], self.columns, Preparation("stretch"), fractions, *others)

    def wrong(self, what: str) -> ConfigError:
        """The error of something that is wrong in it."""
        return ConfigError(f"{self.file}: {what}", hint="docs/models.md says what may stand in it")

    def _place(self, name: str, description: Description) -> int:
        names = [tensor.name for tensor in description.outputs]
        if name not in names:
            raise self.wrong(f"outputs: {description.file.name} has no output {name!r}; it has: {', '.join(names)}")
        return names.index(name)


def told_of(model: Path) -> Told:
    """What stands beside the model file. Raises ``ConfigError`` for a YAML that is not understood."""
    file = next((path for end in (".yaml", ".yml") if (path := model.with_suffix(end)).is_file()), None)
    if file is None:
        return Told()
    data = _read(file)
    unknown = [str(key) for key in data if key not in KEYS]
    if unknown and len(unknown) == len(data):
        # Frameworks write such files, too: the plan of a network, or what it was trained on.
        log.warning("%s is not used: it says none of: %s", file, ", ".join(KEYS))
        return Told()
    told = Told(file)
    if unknown:
        near = nearest(unknown[0], KEYS, most=1)
        raise told.wrong(f"there is no {unknown[0]!r}" + (f"; did you mean {near[0]}?" if near else ""))
    words = {key: str(data[key]) for key in CHOICES if key in data}
    for key, word in words.items():
        if word not in CHOICES[key]:
            raise told.wrong(f"{key}: expected {', '.join(CHOICES[key])}, got {word!r}")
    padding = data.get("padding")
    if padding is not None and not (type(padding) is int and 0 <= padding <= 255):
        raise told.wrong(f"padding: expected a gray level 0..255, got {padding!r}")
    outputs = data.get("outputs", {})
    roles = {role for needed, possible in ROLES.values() for role in (*needed, *possible)}
    if not isinstance(outputs, dict) or not all(role in roles and isinstance(name, str) for role, name in outputs.items()):
        raise told.wrong(f"outputs: expected names of outputs by {', '.join(sorted(roles))}, got {outputs!r}")
    columns = data.get("columns", [])
    if not isinstance(columns, list) or not all(column in COLUMNS for column in columns):
        raise told.wrong(f"columns: expected a list of {', '.join(COLUMNS)}, got {columns!r}")
    overlap = data.get("overlap", places.IOU)
    if type(overlap) not in (int, float) or not 0 <= overlap <= 1:
        raise told.wrong(f"overlap: expected a fraction 0..1, got {overlap!r}")
    return Told(file, words, _labels(told, data.get("labels")), padding, outputs, columns, overlap)


def _read(file: Path) -> dict[Any, Any]:
    import yaml

    try:
        data = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeError, ValueError, RecursionError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"{file} cannot be read: {said}", hint="docs/models.md says what may stand in it") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{file}: expected names and values", hint="docs/models.md says what may stand in it")
    return data


def _labels(told: Told, given: object) -> Mapping[int, str] | None:
    if given is None:
        return None
    if isinstance(given, str) and told.file is not None:
        return read_labels(path if (path := told.file.parent / given).exists() else Path(given))
    pairs: Collection[tuple[object, object]] = (
        list(enumerate(given)) if isinstance(given, list) else list(given.items()) if isinstance(given, dict) else []
    )
    if not pairs or not all(type(number) is int and isinstance(name, str) for number, name in pairs):
        raise told.wrong("labels: expected a list of names from class 0 on, names by number, or a label file")
    return {cast("int", number): cast("str", name) for number, name in pairs}
