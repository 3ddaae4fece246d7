"""Which recordings a folder, a pattern or a list names, and where the results of each stand."""

from __future__ import annotations

import fnmatch
import os
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from streamer.config.fields import path_of
from streamer.errors import ConfigError
from streamer.object_storage.addresses import address_of, is_below
from streamer.object_storage.storage import Storage

_SUFFIXES = (
    ".3g2 .3gp .asf .avi .dav .divx .dv .f4v .flv .gif .h264 .h265 .hevc .264 .265 .ivf .m1v .m2t .m2ts .m2v .m4v .mjpeg .mjpg "
    ".mkv .mov .mp4 .mpe .mpeg .mpg .mpv .mts .mxf .nut .ogm .ogv .qt .rm .rmvb .ts .vob .webm .wmv .y4m"
)
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())
"""Endings by which a recording is known in a folder, in small letters: opening every file would take hours."""
_NO_VIDEO = "not video, by their names"
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of an archive."""

    path: str
    """Where it is read."""
    name: str
    """Its path within the archive, with ``/``: results stand under the same one."""
    mark: str | None = None
    """What the storage says of its content, by which that is known again; None for a file."""


@dataclass(slots=True)
class Found:
    """What an archive holds."""

    recordings: list[Recording]
    """By name, each once."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What was not taken for a recording: how many, by kind."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """Names that cannot be looked at, each with the reason."""


def is_archive(text: str) -> bool:
    """Whether an input stands for many recordings: a folder, a list (``.txt``), or a pattern that is no file's name.

    Raises ``ConfigError``, or ``SourceUnavailable``, for an address of object storage that cannot be looked at.
    """
    if address_of(text) is not None:
        return _is_folder_of_objects(str(address_of(text)))
    text = path_of(text)
    if "://" in text:
        return False
    path = Path(text)
    return path.is_dir() or (path.suffix.lower() == ".txt" and path.is_file()) or _is_pattern(text)


def find(text: str, results: Sequence[Path], suffixes: frozenset[str] = VIDEO_SUFFIXES) -> Found:
    """The recordings that ``text`` stands for, or other files that end in one of ``suffixes``.

    Nothing below ``results``, the folders that are written to, is one of them.

    A folder is searched with all that is in it; a folder that a link leads to, too, but each folder once, so that no loop is
    endless. A pattern has ``*``, ``?``, ``[…]``, and ``**`` for any number of folders. A list has one path a line, or ends each
    with a zero byte; they count from the list's own folder. Raises ``ConfigError`` where nothing can be read or found, and for
    a folder that holds the results. ``text`` and ``results`` may be addresses of object storage.
    """
    places = [address for folder in results if (address := address_of(folder)) is not None]
    results = [folder for folder in results if address_of(folder) is None]
    if (address := address_of(text)) is not None:
        return _of_objects(address, places)
    text = path_of(text)
    path = Path(text)
    written = [Path(os.path.realpath(folder)) for folder in results]
    if path.is_dir():
        root = Path(os.path.realpath(path))
        for given, place in zip(results, written, strict=True):
            if place.is_relative_to(root):
                raise ConfigError(
                    f"{given} lies in {path}, which is the input", hint="results would be taken for input: name another folder"
                )
        found = _search(path, None, written, suffixes)
    elif _is_pattern(text):
        parts = Path(text).parts
        fixed = next(index for index, part in enumerate(parts) if _WILD.search(part))
        found = _search(Path(*parts[:fixed]), parts[fixed:], written, suffixes)
    else:
        found = _listed(path)
    return _not_empty(text, found, "recordings" if suffixes is VIDEO_SUFFIXES else "records")


def _not_empty(text: str, found: Found, what: str = "recordings") -> Found:
    if not found.recordings and not found.problems:
        told = ", ".join(f"{count} {kind}" for kind, count in found.left_out.items())
        raise ConfigError(f"{text}: there are no {what}" + (f" (left out: {told})" if told else ""), hint="check the path")
    return found


def _is_folder_of_objects(address: str) -> bool:
    return not Storage(address).is_object(address)


def _of_objects(address: str, results: Sequence[str]) -> Found:
    """The recordings at an address: all below it, or those that match, where it is a pattern."""
    parts = address.split("/")
    first = next((place for place, part in enumerate(parts) if _WILD.search(part)), None)
    pattern = None if first is None else parts[first:]
    root = address if first is None else "/".join(parts[:first])
    if root.endswith(":/"):
        raise ConfigError(f"{address} names no bucket", hint="a pattern may begin behind the bucket's name")
    if pattern is None and any(is_below(place, root) for place in results):
        raise ConfigError(
            f"results are to lie in {root}, which is the input", hint="they would be taken for input: name another"
        )
    found = Found([])
    for one in Storage(root).listed(root):
        if any(is_below(one.address, place) for place in results):
            found.left_out["results"] += 1
        elif any(part.startswith(".") for part in one.name.split("/")):
            found.left_out["hidden"] += 1
        elif pattern is not None and not _matches(one.name.split("/"), pattern):
            continue
        elif PurePosixPath(one.name).suffix.lower() not in VIDEO_SUFFIXES:
            found.left_out[_NO_VIDEO] += 1
        else:
            found.recordings.append(Recording(one.address, one.name, one.mark))
    return _not_empty(address, found)


def _is_pattern(text: str) -> bool:
    return _WILD.search(text) is not None and not os.path.lexists(text)


def _search(root: Path, pattern: Sequence[str] | None, written: Sequence[Path], suffixes: frozenset[str]) -> Found:
    found = Found([])
    folders: deque[tuple[Path, str]] = deque([(root, "")])
    linked: deque[tuple[Path, str]] = deque()
    seen: set[tuple[int, int]] = set()
    # Links come last, so that a folder has the name of its own place rather than that of a link to it.
    while folders or linked:
        folder, name = folders.popleft() if folders else linked.popleft()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                found.left_out["folders that stand there twice, by links"] += 1
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            found.problems.append((name or str(root), f"the folder cannot be read ({error.strerror})"))
            continue
        if any(Path(os.path.realpath(folder)) == place for place in written):
            found.left_out["folders of results"] += 1
            continue
        for entry in inside:
            below = f"{name}/{entry.name}" if name else entry.name
            if entry.name.startswith("."):
                found.left_out["hidden"] += 1
            elif os.path.isdir(entry.path):  # noqa: PTH112  # a Path, as the entry itself, raises for some links
                (linked if entry.is_symlink() else folders).append((folder / entry.name, below))
            elif pattern is not None and not _matches(below.split("/"), pattern):
                continue
            elif Path(entry.name).suffix.lower() not in suffixes:
                found.left_out[_NO_VIDEO if suffixes is VIDEO_SUFFIXES else "of other names"] += 1
            elif not os.path.exists(entry.path):  # noqa: PTH110  # as above
                found.problems.append((below, "the link leads nowhere, or where nothing may be read"))
            elif not os.path.isfile(entry.path):  # noqa: PTH113  # as above
                found.left_out["no files (pipes, devices)"] += 1
            else:
                found.recordings.append(Recording(entry.path, below))
    found.recordings.sort(key=lambda recording: recording.name)
    return found


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skipped:], pattern[1:] or ["*"]) for skipped in range(len(parts)))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _listed(path: Path) -> Found:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", hint="check its permissions") from error
    found: dict[str, Recording] = {}
    twice = 0
    for line in _lines(content):
        file = path.parent / line
        # What lies elsewhere has all of its path below the results: two folders' a.mp4 stay apart, whatever else is listed.
        plain = os.path.normpath(line)
        if Path(plain).is_absolute() or plain.startswith(".."):
            plain = os.path.abspath(file).lstrip("/")  # noqa: PTH100  # a Path leaves .. in it
        twice += plain in found
        found[plain] = Recording(str(file), plain)
    recordings = sorted(found.values(), key=lambda recording: recording.name)
    return Found(recordings, Counter({"listed twice": twice}) if twice else Counter())


def _lines(content: bytes) -> Iterator[str]:
    """Names may hold any byte but zero; one that holds a line's end can stand in a list with zeros only."""
    ended = (
        content.split(b"\0") if b"\0" in content else content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n")
    )
    return (os.fsdecode(line) for line in ended if line.strip())
