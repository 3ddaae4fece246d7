from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from streamer.errors import ConfigError
from streamer.events.ownership import Ownership


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    first = Ownership(tmp_path)
    with pytest.raises(ConfigError, match="another process makes events in"):
        Ownership(tmp_path)
    first.close()
    Ownership(tmp_path).close()


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write in the folder"):
        Ownership(tmp_path / "no")


def test_where_there_are_no_locks_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_file: object, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    Ownership(tmp_path).close()
    assert "No locks available; see that no other process makes events there" in caplog.text
