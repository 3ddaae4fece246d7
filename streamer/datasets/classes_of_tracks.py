"""Of which class a track is in the records, frame by frame, for formats that do not say so."""

from __future__ import annotations

from bisect import bisect_right

from streamer.datasets.class_names import ClassNames
from streamer.sinks.stored import StoredRecords


class ClassesOfTracks:
    """Memory holds the frames in which a track changes its class, no others."""

    def __init__(self, stored: StoredRecords) -> None:
        """Reads all records."""
        self.names = ClassNames(stored.labels)
        self._changes: dict[int, tuple[list[int], list[tuple[int, ...]]]] = {}
        for place, line in enumerate(stored.frames()):
            here: dict[int, tuple[int, ...]] = {}
            for one in sorted(line["instances"], key=lambda one: -one["score"]):
                self.names.add(one["class_id"], one["class"])
                if (track := one.get("track_id")) is not None:
                    here[track] = (*here.get(track, ()), one["class_id"])
            for track, classes in here.items():
                places, told = self._changes.setdefault(track, ([], []))
                if not told or told[-1] != classes:
                    places.append(place)
                    told.append(classes)

    def at(self, place: int, track: int | None) -> tuple[int, ...]:
        """The id of the class that a track has at a place of the records, or had last before, else its first; the surest first
        where a frame has the track twice. Empty for a track that is not there."""
        if track is None or track not in self._changes:
            return ()
        places, told = self._changes[track]
        return told[max(0, bisect_right(places, place) - 1)]
