"""The newest packets of a camera in memory: what was before something happened."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from streamer.recording.times import Times
from streamer.recording.tracks import Tracks
from streamer.sources.packets import CameraPacket

AWAY_S = 5.0
"""A picture that was taken so much earlier does not show what was there at a moment: the camera was away meanwhile."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A packet, where it stands on the time line of its connection, and what a file that holds it is made of."""

    packet: CameraPacket
    times: Times
    tracks: Tracks


@dataclass(slots=True)
class _Group:
    """A key frame and what comes before the next one."""

    items: list[Placed] = field(default_factory=list)
    size_bytes: int = 0


class Preroll:
    """Keeps whole groups of pictures, at least ``seconds`` back from the newest packet; fewer where ``size_bytes`` is less.

    Nothing can be shown without the key frame before it: so a group is kept as long as any of it is wanted. What came before a
    new connection or size is kept like anything else.
    """

    def __init__(self, seconds: float, size_bytes: int) -> None:
        self.cut_short = False
        """Whether the last ``seconds`` did not fit into ``size_bytes``."""
        self._seconds = seconds
        self._most_bytes = size_bytes
        self._groups: deque[_Group] = deque()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """How much it holds."""
        return self._bytes

    def add(self, placed: Placed) -> None:
        """Keep a packet; older ones go."""
        packet = placed.packet
        if packet.key:
            self._groups.append(_Group())
        if not self._groups:
            return  # nothing before the first key frame can be shown
        group = self._groups[-1]
        group.items.append(placed)
        group.size_bytes += len(packet.data)
        self._bytes += len(packet.data)
        limit_s = packet.utc_s - self._seconds
        while len(self._groups) > 1:
            old = self._groups[1].items[0].packet.utc_s <= limit_s
            if not old and self._bytes <= self._most_bytes:
                break
            self.cut_short = not old
            self._bytes -= self._groups.popleft().size_bytes
        if self._bytes > self._most_bytes:
            # One group alone is too large: what is left of it could not be shown.
            self.cut_short = True
            self.clear()

    def since(self, utc_s: float) -> list[Placed]:
        """Everything from the last key frame at or before ``utc_s`` on, or all there is; of groups that ended long before,
        as when the camera was away meanwhile, nothing.
        """
        first = 0
        for index, group in enumerate(self._groups):
            if group.items[0].packet.utc_s <= utc_s:
                first = index if group.items[-1].packet.utc_s >= utc_s - AWAY_S else index + 1
        return [placed for group in list(self._groups)[first:] for placed in group.items]

    def clear(self) -> None:
        """Forget everything."""
        self._groups.clear()
        self._bytes = 0
