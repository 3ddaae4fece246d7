"""Ids of tracks, and what is remembered of those that have ended."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from streamer.follow.tracks import Track, TrackSummary

SUMMARIES_KEPT = 10_000
"""Ended tracks that are remembered for the summary: an endless stream must not grow."""


class Identities:
    """Gives ids in order from ``next_id``, none of them twice."""

    def __init__(self, next_id: int = 1) -> None:
        self._next_id = next_id
        self._current: dict[int, Track] = {}
        self._ended: OrderedDict[int, TrackSummary] = OrderedDict()

    def name(self, track: Track) -> None:
        """Give a track its id, unless it has one."""
        if not track.track_id:
            track.track_id, self._next_id = self._next_id, self._next_id + 1
            self._current[track.track_id] = track

    def retire(self, alive: Iterable[Track]) -> None:
        """Of named tracks that are not among ``alive`` keep no more than the summary."""
        kept = {track.track_id for track in alive}
        for track_id in [track_id for track_id in self._current if track_id not in kept]:
            self._ended[track_id] = self._current.pop(track_id).summary()
        while len(self._ended) > SUMMARIES_KEPT:
            self._ended.popitem(last=False)

    def summary(self) -> list[TrackSummary]:
        """All tracks that were ever named (of those that have ended the last 10,000), by id."""
        current = {track_id: track.summary() for track_id, track in self._current.items()}
        return [summary for _, summary in sorted({**self._ended, **current}.items())]
