"""The nearest names to one that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LISTED = 12


def nearest(name: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """The known names that look most like ``name``, best first, without regard to case; perhaps none."""
    by_folded: dict[str, str] = {}
    for candidate in known:
        by_folded.setdefault(candidate.casefold(), candidate)
    close = difflib.get_close_matches(name.casefold(), by_folded, n=most, cutoff=0.6)
    begun = [folded for folded in by_folded if name and folded.startswith(name.casefold()) and folded not in close]
    return [by_folded[folded] for folded in [*close, *begun][:most]]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for an error: ``did you mean 'person'?``, or the names that there are when none is near."""
    names = sorted(known)
    close = nearest(name, names)
    if close:
        return f"did you mean {' or '.join(repr(candidate) for candidate in close)}?"
    if not names:
        return "none is known"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"known: {', '.join(names[:_LISTED])}{more}"
