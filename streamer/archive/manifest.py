"""What is done: a file of JSON lines in the folder of results, brought to the disk line by line."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from typing import Any, Self

from streamer._version import __version__
from streamer.archive.task import Task
from streamer.errors import ConfigError, OutputRefused, OutputWriteFailed

MANIFEST = ".streamer-archive.jsonl"
"""Its name in the folder of results: hidden, so that it is nobody's output and nobody's input."""
JOURNALS = ".streamer-journals"
"""Folder beside it of what detectors have found in recordings that are not finished."""
_SCHEMA = 1


def entry_of(content: bytes) -> dict[str, Any]:
    """The entry of a manifest that is written so. Raises ``ValueError`` where it is none."""
    entry = json.loads(content)
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not isinstance(entry.get("state"), str):
        raise ValueError("an entry has a name and a state")  # noqa: TRY004  # what is wrong is the text
    if not isinstance(entry.get("files", {}), dict):
        raise ValueError("the files of an entry have names")  # noqa: TRY004  # what is wrong is the text
    return entry


class Manifest:
    """The manifest of one folder, held by one process at a time; a context manager.

    A line says of a recording that its work has ``begun``, is ``done`` or has ``failed``, by which settings and version, from
    which content and into which files. A line that a kill has torn is removed; the last whole line of a recording counts.
    """

    def __init__(self, folder: Path, task: Task[Any]) -> None:
        """Raises ``OutputRefused`` where that folder cannot be used: there is earlier work and neither ``resume`` nor
        ``overwrite`` is set, or another process works there."""
        self.path: Path = folder / MANIFEST
        """A file that is held; journals lie beside it."""
        self.shared = True
        """Whether all machines that work on the archive must see its folders."""
        self._folder = folder
        self._entries: dict[str, dict[str, Any]] = {}
        self._late: list[dict[str, Any]] = []
        """Entries that could not be written yet."""
        self._settings = task.digest()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what a full disk does not take must not come later, behind something else.
            self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115, PTH123  # closed at the end
        except OSError as error:
            raise OutputRefused(f"{folder} cannot be written to ({error.strerror})", hint="give another folder") from error
        try:
            self._take(task)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # it is not there, or holds journals of what is not finished
            (self.path.parent / JOURNALS).rmdir()
        self._file.close()

    def is_done(self, name: str, content: str | None, results: Iterable[Path]) -> bool:
        """Whether that recording, of that fingerprint, was finished by these settings, and all that was written is there still,
        ``results`` as they were."""
        entry = self._entries.get(name)
        if entry is None or content is None or entry["state"] != "done":
            return False
        same = (entry.get("fingerprint"), entry.get("settings"), entry.get("version"))
        if same != (content, self._settings, __version__):
            return False
        sizes: dict[str, int] = dict(entry.get("files", {}))
        same_size = all(
            (size := self._size(path)) is not None and sizes.pop(self._relative(path), None) == size for path in results
        )
        # What is left grows when somebody looks at it, as a file of events may.
        return same_size and all((self.path.parent / name).exists() for name in sizes)

    def is_ours(self, name: str) -> bool:
        """Whether its results, if there are any, come from this archive: they may be replaced."""
        return name in self._entries

    def unfinished(self) -> set[str]:
        """Recordings that were begun, by this archive, and are not done."""
        return {name for name, entry in self._entries.items() if entry["state"] != "done"}

    def is_there(self, result: Path) -> bool:
        """Whether there is anything under the name of that result."""
        return os.path.lexists(result)

    def begun(self, name: str) -> None:
        """Work on it begins. Raises ``OutputWriteFailed``, and then it must not."""
        entry = self._complete({"state": "begun", "name": name})
        self._write_late()
        self._write(entry)
        self._entries[name] = entry

    def unseen(self, files: Iterable[str]) -> list[str]:
        """Those that are not there, as this process sees it."""
        return [file for file in files if not self._is_seen(Path(file))]

    def done(self, name: str, content: str | None, files: Iterable[str], frames: int) -> None:
        """It is finished: ``files`` were written. What cannot be written of that now is written later."""
        sizes = {self._relative(file): self._size(Path(file)) for file in files}
        self._append({"state": "done", "name": name, "fingerprint": content, "frames": frames, "files": sizes})

    def failed(self, name: str, reason: str) -> None:
        """It could not be finished; it is tried again the next time. As ``done``, it may be written later."""
        self._append({"state": "failed", "name": name, "reason": reason})

    def unsaid(self) -> list[tuple[str, str]]:
        """What is done, though the manifest cannot say so to the next run, each with the reason."""
        try:
            self._write_late()
        except OutputWriteFailed as error:
            return [(entry["name"], str(error)) for entry in self._late if entry["state"] == "done"]
        return []

    def journal(self, name: str) -> Path:
        """Where what the detector finds in that recording is kept until it is finished."""
        return self.path.parent / JOURNALS / hashlib.sha256(os.fsencode(name)).hexdigest()[:32]

    def about(self, content: str | None) -> dict[str, object]:
        """What the detector's answers for a recording of that fingerprint depend on."""
        return {"content": content, "settings": self._settings, "version": __version__}

    def remove_journal(self, name: str) -> None:
        """The recording is finished."""
        self.journal(name).unlink(missing_ok=True)

    def _relative(self, file: str | Path) -> str:
        """A result's path from the manifest's folder: that may be moved, and be named from elsewhere."""
        return os.path.relpath(os.path.realpath(file), os.path.realpath(self.path.parent))

    def _shown(self) -> str:
        """Where the results are, for people."""
        return str(self._folder)

    def _is_seen(self, file: Path) -> bool:
        # NFS remembers for a while that there is no such name; that its folder is opened makes it look.
        with suppress(OSError), os.scandir(file.parent):
            pass
        return self.is_there(file)

    def _size(self, result: Path) -> int | None:
        """In bytes, of a folder that of all its files; None where there is nothing."""
        try:
            if result.is_dir():
                return sum(file.stat().st_size for file in result.rglob("*") if file.is_file())
            return result.stat().st_size
        except OSError:
            return None

    def _take(self, task: Task[Any]) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputRefused(
                f"another process works on {self._shown()}", hint="wait for its end, or give another folder"
            ) from error
        self._read()
        settings = task.settings
        if self._entries and not (settings.resume or settings.overwrite):
            raise OutputRefused(
                f"{self._shown()} holds the results of an earlier run",
                hint=f"--resume goes on with it, {task.anew} begins anew",
            )
        if settings.overwrite and not settings.resume:
            # Entries stay known as ours; that they are done is forgotten.
            self._entries = {name: {"state": "begun", "name": name} for name in self._entries}

    def _read(self) -> None:
        """The entries that are there; a line that a kill has torn is removed."""
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._file.truncate(len(whole))
        for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
            try:
                entry = entry_of(line)
            except ValueError as error:
                raise ConfigError(
                    f"{self.path}: line {number} is no entry",
                    hint="remove the line, and the results that it was of, or give another folder",
                ) from error
            self._entries[entry["name"]] = entry

    def _complete(self, entry: dict[str, Any]) -> dict[str, Any]:
        return entry | {"schema": _SCHEMA, "settings": self._settings, "version": __version__}

    def _append(self, entry: dict[str, Any]) -> None:
        entry = self._complete(entry)
        self._late.append(entry)
        self._entries[entry["name"]] = entry
        with suppress(OutputWriteFailed):
            self._write_late()

    def _write_late(self) -> None:
        while self._late:
            self._write(self._late[0])
            del self._late[0]

    def _write(self, entry: Mapping[str, Any]) -> None:
        """Bring an entry to where it stays, whole or not at all."""
        try:
            self._restore()
            size = os.fstat(self._file.fileno()).st_size
            try:
                _put(self._file, json.dumps(entry).encode() + b"\n")
            except OSError:
                self._file.truncate(size)
                raise
        except OSError as error:
            raise OutputWriteFailed(f"{self.path} cannot be written ({error.strerror})", hint="check the disk") from error

    def _restore(self) -> None:
        """Bring the file back when it, or its folder, was removed meanwhile. Raises ``OSError``."""
        if os.fstat(self._file.fileno()).st_nlink:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo:
            file = undo.enter_context(open(self.path, "a+b", buffering=0))  # noqa: PTH123  # as the first one
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)  # what an earlier try has written
            self._file.seek(0)
            _put(file, self._file.read())
            undo.pop_all()
        self._file.close()
        self._file = file


def _put(file: FileIO, content: bytes) -> None:
    """Append to a file that has no buffer, and bring it to the disk. Raises ``OSError``."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())
