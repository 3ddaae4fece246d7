"""Detectors that installed packages bring, by the names that they give them: the entry points ``streamer.detectors``.

They are listed and looked up by what is written about them; nothing of a package is imported before its detector is used.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from streamer.errors import ConfigError

GROUP = "streamer.detectors"
CLASS_SPEC = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
"""``package.module:Class``, or ``:Class.method``. That is no name: nobody has to look for it in each package that is
installed."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A name that a package declares."""

    name: str
    """As ``--detector`` takes it."""
    target: str
    """``package.module:Class``, or that of a function."""
    package: str
    """The package's name and version."""
    license: str
    """As the package declares it; empty where it does not."""
    wrong: str
    """Why it cannot be used, as far as that is known without importing it; empty where nothing is known."""


def installed(taken: frozenset[str] = frozenset()) -> dict[str, Installed]:
    """The declared detectors by name; ``taken`` are names that are streamer's own, which no package can have.

    Of several packages that declare one name, the first counts, and the name is said to be declared twice.
    """
    found: dict[str, Installed] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        wrong = _wrong(point, taken)
        if (other := found.get(point.name)) is not None:
            wrong = f"{other.package} and {_package(point)} both declare it"
        found[point.name] = Installed(point.name, point.value, _package(point), _license(point), wrong)
    return found


def target_of(name: str, taken: frozenset[str]) -> str | None:
    """What a declared name stands for, ``package.module:Class``; None for a name that no package declares.

    Raises ``ConfigError`` for one that cannot be used.
    """
    if name in taken or CLASS_SPEC.fullmatch(name):
        return None
    known = installed(taken).get(name)
    if known is None:
        return None
    if known.wrong:
        hint = "install that package again, or remove it"
        raise ConfigError(f"the detector {name} of {known.package} cannot be used: {known.wrong}", hint=hint)
    return known.target


def _wrong(point: EntryPoint, taken: frozenset[str]) -> str:
    if point.name in taken:
        return "that name is streamer's own"
    if CLASS_SPEC.fullmatch(point.name):
        return "a class is named like that"
    if not point.attr:
        return f"it declares {point.value!r}, which is no package.module:Class"
    # The top package alone: to look for what lies in it would import it.
    top = point.module.partition(".")[0]
    try:
        there = importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        there = False
    return "" if there else f"there is no module {top}"


def _package(point: EntryPoint) -> str:
    return "an unknown package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _license(point: EntryPoint) -> str:
    if point.dist is None:
        return ""
    about = point.dist.metadata
    named = next((about[key] for key in ("License-Expression", "License") if key in about), "")
    return named.splitlines()[0][:60] if named.strip() else ""
