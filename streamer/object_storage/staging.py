"""The settings of one recording at addresses, as those of files of this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from streamer.config.annotate import AnnotateConfig
from streamer.errors import ConfigError, OutputRefused, OutputWriteFailed, StreamerError
from streamer.object_storage.addresses import address_of
from streamer.object_storage.scratch import WORK, scratch_root, work_folder
from streamer.object_storage.storage import Storage

log = logging.getLogger(__name__)

RESULTS = ("output", "detections", "coco", "counts")
"""Settings that name a file that is written."""


def has_addresses(config: AnnotateConfig) -> bool:
    """Whether the input or a result is at an address of object storage."""
    return any(address_of(getattr(config, name)) is not None for name in ("input", *RESULTS, "events"))


@dataclass(slots=True)
class Staged:
    """A recording that was fetched, and results that are made on this machine."""

    settings: AnnotateConfig
    """Those of this machine's files."""
    _results: list[tuple[Path, str]] = field(default_factory=list)
    """Files of results, and the addresses that they are for."""
    _fetched: tuple[Path, str] | None = None

    def _put(self) -> None:
        """Bring the results that are there to their addresses, each whole. Raises ``OutputWriteFailed``."""
        for path, address in self._results:
            # A failed write leaves what was done beside it, under another name.
            for made in sorted(path.parent.iterdir()):
                if not made.name.startswith("."):
                    Storage(address).put(made, str(address.removesuffix(path.name)) + made.name)

    def named(self, text: str) -> str:
        """A text for people, with addresses in place of this machine's files."""
        for path, address in (*self._results, *([self._fetched] if self._fetched is not None else [])):
            text = text.replace(str(path.parent), address.rpartition("/")[0])
        return text


@contextmanager
def staged(config: AnnotateConfig, *, keep: bool) -> Iterator[Staged]:
    """Fetch the input where it is at an address, and give the results that are for addresses files of this machine.

    What is there already is refused before anything is fetched. After the block the results are brought to their addresses,
    also those that were completed before it failed with a ``StreamerError``, whose text then names addresses. In the end
    nothing is left on this machine, but, with ``keep``, results that are not brought there: they are told of.

    Raises ``ConfigError``, ``OutputRefused``, ``SourceUnavailable`` and ``OutputWriteFailed``.
    """
    if address_of(config.events) is not None:
        raise ConfigError(
            f"{address_of(config.events)}: a folder of events is a file that grows, and clips",
            hint="give --events a folder of this machine",
        )
    addresses = {name: address for name in RESULTS if (address := address_of(getattr(config, name))) is not None}
    used = {address_of(config.input)}
    for address in addresses.values():
        if address in used:
            raise OutputRefused(f"{address} is the input, or another output", hint="give every file a name of its own")
        used.add(address)
        if Storage(address).size(address) is not None and not config.overwrite:
            raise OutputRefused(f"{address} exists", hint="give another name, or --overwrite")
    with work_folder(scratch_root(config.scratch)) as folder:
        stage = Staged(config)
        update: dict[str, object] = {}
        for name, address in addresses.items():
            path = folder / name / PurePosixPath(address).name
            path.parent.mkdir()
            update[name] = path
            stage._results.append((path, address))  # noqa: SLF001  # its own maker
        source = address_of(config.input)
        if source is not None:
            path = folder / "input" / PurePosixPath(source).name
            path.parent.mkdir()
            Storage(source).fetch(source, path)
            update["input"] = str(path)
            stage._fetched = path, source  # noqa: SLF001  # as above
        stage.settings = config.model_copy(update=update)
        try:
            yield stage
        except StreamerError as error:
            error.message, error.hint = stage.named(error.message), stage.named(error.hint)
            error.args = (error.message,)
            try:
                _bring(stage, folder, keep=keep)
            except OutputWriteFailed as second:
                error.hint = f"{error.hint}; {second}"
            raise
        _bring(stage, folder, keep=keep)


def _bring(stage: Staged, folder: Path, *, keep: bool) -> None:
    try:
        stage._put()  # noqa: SLF001  # as above
    except (OutputWriteFailed, KeyboardInterrupt) as error:
        if keep:
            kept = folder.rename(folder.with_name(folder.name.replace(WORK, "kept-", 1)))
            if isinstance(error, OutputWriteFailed):
                error.hint = f"{error.hint}; what was made is in {kept}"
            else:
                log.warning("interrupted: what was made is in %s", kept)
        raise
