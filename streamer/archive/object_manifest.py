"""What is done, in object storage: an object for each recording, since nothing can be appended there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from streamer.archive.manifest import Manifest, entry_of
from streamer.archive.task import Task
from streamer.errors import ConfigError
from streamer.object_storage.addresses import address_of
from streamer.object_storage.scratch import scratch_root
from streamer.object_storage.storage import Storage
from streamer.redact import redact

FOLDER = ".streamer-archive"
"""Its entries lie below this name in OUTPUT: hidden, so that they are nobody's input."""


class ObjectManifest(Manifest):
    """The manifest of an address: an entry is an object, which is replaced whole when the recording's state changes.

    Journals, and the lock that keeps other runs off, lie in a folder of this machine: runs of other machines are not kept off.
    """

    def __init__(self, addresses: Sequence[str], task: Task[Any]) -> None:
        """``addresses`` are those of the results, OUTPUT first. Raises as that of a folder, and ``SourceUnavailable``."""
        self._output = addresses[0]
        self._storage = Storage(self._output)
        # As they were at the start: one listing in place of a question for each result.
        self._sizes = {one.address: one.size for address in addresses for one in Storage(address).listed(address)}
        own = hashlib.sha256(self._output.encode()).hexdigest()[:32]
        super().__init__(scratch_root(task.scratch) / own, task)
        self.shared = False

    def is_there(self, result: Path) -> bool:
        """Whether there was an object of that name when this began."""
        return address_of(result) in self._sizes

    def unseen(self, files: Iterable[str]) -> list[str]:
        """As of a folder. Raises ``SourceUnavailable`` besides."""
        missing = []
        for file in files:
            if (size := self._storage.size(file)) is None:
                missing.append(redact(file))
            else:
                self._sizes[file] = size
        return missing

    def _shown(self) -> str:
        return redact(self._output)

    def _size(self, result: Path) -> int | None:
        return self._sizes.get(address_of(result) or "")

    def _relative(self, file: str | Path) -> str:
        return str(address_of(file)).removeprefix(self._output + "/")

    def _read(self) -> None:
        folder = f"{self._output}/{FOLDER}/"
        for address, content in self._storage.read([address for address in self._sizes if address.startswith(folder)]):
            try:
                entry = entry_of(content)
            except ValueError as error:
                raise ConfigError(f"{redact(address)} is no entry", hint="remove that object") from error
            self._entries[entry["name"]] = entry

    def _write(self, entry: Mapping[str, Any]) -> None:
        name = hashlib.sha256(entry["name"].encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._storage.write(f"{self._output}/{FOLDER}/{name}.json", json.dumps(entry).encode())
