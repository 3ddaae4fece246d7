"""Whether two names lead to the same file, so that nothing that is read gets overwritten under another name."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

from streamer.errors import OutputRefused

_DESCRIPTOR = re.compile(r"(?:pipe|fd):(\d*)")
_FILE_ADDRESS = re.compile(r"file:(?://(?:localhost)?(?=/))?(.*)", re.DOTALL)

Identity = tuple[int, int] | str
"""Device and inode of a file that is there, the place of one that is not."""


def identity(name: str | os.PathLike[str]) -> Identity | None:
    """What file ``name`` leads to: links are followed, ``file:`` and ``pipe:`` addresses too; None for other addresses.

    Hard links, bind mounts, names in other case and ``/dev/fd/N`` all lead to the device and inode of the file itself. Special
    files (terminals, ``/dev/null``, pipes) have none: several may write to them.
    """
    text = os.fspath(name)
    try:
        if (descriptor := _DESCRIPTOR.fullmatch(text)) is not None:
            text = f"/dev/fd/{descriptor[1] or 0}"
        elif (address := _FILE_ADDRESS.fullmatch(text)) is not None and not Path(text).exists():
            text = address[1] if Path(address[1]).exists() else unquote(address[1])
        elif re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text) and not Path(text).exists():
            return None
        found = os.stat(text)  # noqa: PTH116  # as given: a Path would drop a trailing slash
    except FileNotFoundError:
        return os.path.realpath(text)
    except (OSError, ValueError):
        # It cannot be looked at: opening it will tell why.
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def refuse_clashes(read: Mapping[str, str | os.PathLike[str] | None], written: Iterable[str | os.PathLike[str] | None]) -> None:
    """Raise ``OutputRefused`` when two of ``written``, or one of them and one of ``read``, are the same file.

    ``read`` has what each is for people ("the input") to its name. None stands for what was not asked for.
    """
    seen = {identity(name): what for what, name in read.items() if name is not None}
    seen.pop(None, None)
    for name in written:
        if name is None or (key := identity(name)) is None:
            continue
        if key in seen:
            raise OutputRefused(f"{os.fspath(name)} is {seen[key]}", hint="give every file a name of its own")
        seen[key] = f"the same file as {os.fspath(name)}, another output"
