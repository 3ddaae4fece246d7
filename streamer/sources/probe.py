"""What is in a file: containers, streams, rates as declared and as measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What ``probe`` found."""

    path: str
    container: str
    duration_s: float | None = None
    start_s: float | None = None
    bit_rate: int | None = None
    streams: list[dict[str, Any]] = field(default_factory=list)
    chapters: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As plain types for JSON."""
        return asdict(self)


def probe(path: str) -> ProbeReport:
    """Read the whole of ``path``'s packets (no decoding). Raises a ``SourceError``."""
    return ProbeReport(path=path, container="")
