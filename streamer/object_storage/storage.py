"""Object storage through fsspec: objects listed, fetched and put, each in one piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.errors import ConfigError, OutputWriteFailed, SourceUnavailable, StreamerError, in_one_line
from streamer.object_storage.addresses import PACKAGES
from streamer.redact import redact, remember, split_userinfo

_READ_AT_ONCE = 500
_MARKS = ("ETag", "etag", "md5Hash", "content_md5", "generation", "LastModified", "last_modified", "mtime")
"""What storages say of an object's content, the surest first."""
_CREDENTIALS = "give credentials as the storage's own programs take them: environment, configuration file, or role"
_ADDRESS = "check the address, and that the storage answers"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it is listed."""

    address: str
    name: str
    """Its path below the address that was listed."""
    size: int
    mark: str
    """Differs where the content does."""


class Storage:
    """The storage behind the addresses of one scheme. Methods take whole addresses, and may be called by any thread.

    They raise ``SourceUnavailable`` where something cannot be read, and ``OutputWriteFailed`` where it cannot be written.
    """

    def __init__(self, address: str) -> None:
        """Raises ``ConfigError`` where a package is missing, or the address holds a password."""
        self._scheme = address.partition("://")[0]
        _, userinfo, _ = split_userinfo(address)
        if userinfo is not None and userinfo.password is not None:
            remember(address)
            raise ConfigError(f"{redact(address)} holds a password", hint=_CREDENTIALS)
        try:
            import fsspec
        except ImportError as error:
            raise ConfigError(f"{redact(address)} needs fsspec", hint='pip install "streamer[object-storage]"') from error
        try:
            # A listing that was kept would not know what other processes have put there.
            self._files: Any = fsspec.filesystem(self._scheme, use_listings_cache=False)
        except ImportError as error:
            package = PACKAGES[self._scheme]
            raise ConfigError(f"{redact(address)} needs {package}", hint=f"pip install {package}") from error
        except Exception as error:  # its packages raise all kinds
            raise ConfigError(f"{redact(address)}: {_told(error)}", hint=_CREDENTIALS) from error

    def is_object(self, address: str) -> bool:
        """Whether there is an object of that very name."""
        with self._reading(address):
            return bool(self._files.isfile(address))

    def size(self, address: str) -> int | None:
        """In bytes; None where there is no object."""
        with self._reading(address):
            try:
                return int(self._files.info(address)["size"])
            except FileNotFoundError:
                return None

    def listed(self, address: str) -> list[StoredObject]:
        """All objects below ``address``, by name; none where there is nothing."""
        with self._reading(address):
            try:
                found = self._files.find(address, detail=True)
            except FileNotFoundError:
                return []
            root = str(self._files._strip_protocol(address)).rstrip("/")  # noqa: SLF001  # its only public way guesses the scheme
            below = [(path[len(root) + 1 :], told) for path, told in found.items() if path.startswith(root + "/")]
            return [
                StoredObject(f"{address}/{name}", name, int(told["size"] or 0), _mark(told))
                for name, told in sorted(below, key=lambda one: one[0])
                if name and not name.endswith("/")  # an empty object that stands for a folder
            ]

    def fetch(self, address: str, path: Path) -> None:
        """Bring an object to a file of this machine. Raises ``OutputWriteFailed`` where that disk is full."""
        with self._reading(address):
            self._files.get_file(address, str(path))

    def put(self, path: Path, address: str) -> None:
        """Make a file of this machine an object, which appears whole and replaces one that is there."""
        with self._writing(address):
            self._files.put_file(str(path), address)

    def read(self, addresses: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The contents of small objects, many at a time."""
        for first in range(0, len(addresses), _READ_AT_ONCE):
            some = list(addresses[first : first + _READ_AT_ONCE])
            with self._reading(some[0]):
                found = self._files.cat(some)
            # Of one address it gives the content alone.
            contents = [found] if isinstance(found, bytes) else [found[self._files._strip_protocol(one)] for one in some]  # noqa: SLF001  # as above
            yield from zip(some, contents, strict=True)

    def write(self, address: str, content: bytes) -> None:
        """Put a small object there, whole."""
        with self._writing(address):
            self._files.pipe_file(address, content)

    @contextmanager
    def _reading(self, address: str) -> Iterator[None]:
        try:
            yield
        except StreamerError:
            raise
        except Exception as error:  # its packages raise all kinds
            raise SourceUnavailable(f"{redact(address)} cannot be read: {_told(error)}", hint=_hint(error)) from error

    @contextmanager
    def _writing(self, address: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # as above
            raise OutputWriteFailed(f"{redact(address)} cannot be written: {_told(error)}", hint=_hint(error)) from error


def _mark(told: dict[str, Any]) -> str:
    found = next((str(told[key]) for key in _MARKS if told.get(key) is not None), "")
    return f"{told['size']}-{found.strip(chr(34))}"


def _hint(error: Exception) -> str:
    refused = isinstance(error, PermissionError) or "credential" in type(error).__name__.lower()
    return _CREDENTIALS if refused else _ADDRESS


def _told(error: Exception) -> str:
    return redact(in_one_line(error))
