"""What one check has found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from streamer.errors import in_one_line
from streamer.redact import redact


class Verdict(StrEnum):
    """How something is."""

    OK = "ok"
    MISSING = "missing"
    """It is not here. What does without goes on."""
    BROKEN = "broken"
    """It is here, and does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report."""

    name: str
    """What was looked at, in a word or two."""
    verdict: Verdict
    text: str
    """What was found."""
    remedy: str = ""
    """The one thing to do about it; empty where all is well."""
    needed: bool = False
    """Whether nothing goes without it."""

    @property
    def fatal(self) -> bool:
        """Whether something needed does not work."""
        return self.needed and self.verdict is not Verdict.OK

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "verdict": str(self.verdict)}


def ok(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(name=name, verdict=Verdict.OK, text=text)


def missing(name: str, text: str, remedy: str, *, needed: bool = False) -> Finding:
    """It is not here."""
    return Finding(name=name, verdict=Verdict.MISSING, text=text, remedy=remedy, needed=needed)


def broken(name: str, text: str, remedy: str, *, needed: bool = False) -> Finding:
    """It is here, and does not work."""
    return Finding(name=name, verdict=Verdict.BROKEN, text=text, remedy=remedy, needed=needed)


Check = Callable[[], Iterable[Finding]]


def findings_of(name: str, check: Check) -> list[Finding]:
    """What ``check`` finds; one that raises has found that ``name`` is broken."""
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001  # a machine may be broken in any way, and this is what tells
        return [
            broken(name, redact(in_one_line(error)), "install streamer again, into a fresh virtual environment", needed=True)
        ]
