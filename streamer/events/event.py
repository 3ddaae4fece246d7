"""One event: an object, or several that overlap in time, before one camera."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from streamer.runtime.utc import iso_utc

Kind = Literal["new", "update", "end"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32, which sorts as the numbers do."""


@dataclass(frozen=True, slots=True)
class EventObject:
    """One object of an event, as it is now."""

    track_id: int
    class_name: str
    score: float
    """Best score so far, 0..1."""
    zones: tuple[str, ...] = ()
    """Names of the zones that it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What is known of an event at one of its changes. Each change holds all, so that the last one is enough."""

    id: str
    """ULID: sorts by the time of the start."""
    camera: str
    kind: Kind
    """Which change this is: the first, one on the way, or the last."""
    start_utc: float
    """Seconds since 1970 at which the event began."""
    end_utc: float | None = None
    """The same of its end; None while it goes on."""
    start_s: float
    """Stream time of the start, in seconds."""
    end_s: float | None = None
    seen_utc: float | None = None
    """When one of its objects was seen last, as far as the file of events knows."""
    classes: tuple[str, ...]
    """Names of the classes of all its objects so far, without repeats."""
    scores: tuple[float, ...]
    """Best score of each of ``classes``, 0..1."""
    zones: tuple[str, ...] = ()
    """Names of all zones that its objects have been in."""
    track_ids: tuple[int, ...] = ()
    """All its objects so far."""
    objects: tuple[EventObject, ...] = ()
    """The objects that are there now; none at the end."""
    snapshot: Path | None = None
    """JPEG of the best view, with drawings."""
    clean_snapshot: Path | None = None
    """The same picture without drawings."""
    clip: Path | None = None
    """The recording of the event, once it is there."""

    def __post_init__(self) -> None:
        if len(self.scores) != len(self.classes):
            raise ValueError(f"expected a score for each of {len(self.classes)} classes, got {len(self.scores)}")
        if (self.kind == "end") != (self.end_utc is not None):
            raise ValueError(f"expected end_utc at the end and only there, got {self.end_utc} in {self.kind!r}")

    def as_json(self) -> dict[str, Any]:
        """As JSON has it: paths as text, scores with four digits, and start and end also as ``2026-01-31T12:00:00.250Z``."""
        return {
            "id": self.id,
            "camera": self.camera,
            "kind": self.kind,
            "start_time": iso_utc(self.start_utc),
            "end_time": None if self.end_utc is None else iso_utc(self.end_utc),
            "start_utc": self.start_utc,
            "end_utc": self.end_utc,
            "start_s": self.start_s,
            "end_s": self.end_s,
            "seen_utc": self.seen_utc,
            "classes": list(self.classes),
            "scores": [round(score, 4) for score in self.scores],
            "zones": list(self.zones),
            "track_ids": list(self.track_ids),
            "objects": [
                {"track_id": item.track_id, "class": item.class_name, "score": round(item.score, 4), "zones": list(item.zones)}
                for item in self.objects
            ],
            "snapshot": _text(self.snapshot),
            "clean_snapshot": _text(self.clean_snapshot),
            "clip": _text(self.clip),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The event of which :meth:`as_json` made ``data``."""
        return cls(
            id=data["id"],
            camera=data["camera"],
            kind=data["kind"],
            start_utc=data["start_utc"],
            end_utc=data["end_utc"],
            start_s=data["start_s"],
            end_s=data["end_s"],
            seen_utc=data.get("seen_utc"),
            classes=tuple(data["classes"]),
            scores=tuple(data["scores"]),
            zones=tuple(data["zones"]),
            track_ids=tuple(data["track_ids"]),
            objects=tuple(
                EventObject(item["track_id"], item["class"], item["score"], tuple(item["zones"])) for item in data["objects"]
            ),
            snapshot=_path(data["snapshot"]),
            clean_snapshot=_path(data["clean_snapshot"]),
            clip=_path(data["clip"]),
        )

    def ended(self, end_utc: float, end_s: float | None) -> Self:
        """This event at its end."""
        return replace(self, kind="end", end_utc=end_utc, end_s=end_s, objects=())


def new_id(utc_s: float, random_bits: int | None = None) -> str:
    """A ULID: 48 bits of milliseconds since 1970 and 80 random bits, as 26 characters."""
    number = (int(utc_s * 1000) & (1 << 48) - 1) << 80 | (secrets.randbits(80) if random_bits is None else random_bits)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
