"""What killed processes leave beside an output, and what the next run does with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamer.sinks.atomic import PendingFile
from streamer.sinks.leftovers import hold, remove_partial, temporary_name, working_folder
from streamer.sinks.together import Together

FILE = "from streamer.sinks.atomic import PendingFile; writing = PendingFile({path!r})"
FOLDER = (
    "from pathlib import Path; from streamer.sinks.leftovers import working_folder;"
    "writing = working_folder(Path({path!r})); writing.__enter__()"
)


@contextmanager
def writer(code: str, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that writes ``path``, until it is killed."""
    code = f"{code.format(path=str(path))}; print('begun', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        try:
            yield process
        finally:
            process.kill()


def killed(code: str, path: Path) -> Path:
    """What a process that was killed has left."""
    before = set(path.parent.iterdir())
    with writer(code, path):
        pass
    (left,) = set(path.parent.iterdir()) - before
    return left


def test_the_next_run_names_what_is_left_and_removes_it_at_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "o [1].mp4"
    left = [killed(FILE, out) for _ in range(2)]
    other = killed(FILE, tmp_path / "o.mp4")
    caplog.clear()
    pending = PendingFile(out)
    (told,) = caplog.messages
    assert all(path.name in told for path in left)
    assert other.name not in told
    pending.sibling().discard()
    pending.discard()
    assert all(path.exists() for path in left), "until there is a new one they are all that there is"
    PendingFile(out).commit()
    assert sorted(tmp_path.iterdir()) == sorted([out, other])
    caplog.clear()
    PendingFile(out, overwrite=True).commit()
    assert caplog.messages == []


def test_what_was_made_and_not_held_yet_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    theirs = temporary_name(out)
    theirs.touch()
    pending = PendingFile(out)
    with theirs.open("wb") as file:
        hold(file.fileno())
        pending.commit()
    assert theirs.exists()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    os.mkfifo(temporary_name(out))
    PendingFile(out).commit()
    assert out.exists()


def test_what_another_process_writes_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "out.mp4"
    with writer(FILE, out):
        (theirs,) = tmp_path.iterdir()
        PendingFile(out).commit()
        assert theirs.exists()
    assert caplog.messages == []


def test_a_file_whose_folder_was_removed_is_still_held(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "folder" / "out.mp4"
    out.parent.mkdir()
    first = PendingFile(out)
    first.temporary.unlink()
    out.parent.rmdir()
    first.restore()
    PendingFile(out, overwrite=True).commit()
    assert caplog.messages == []
    assert first.temporary.exists()
    first.discard()


def test_of_another_machine_nobody_knows_whether_it_is_dead(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "out.mp4"
    mark = temporary_name(out).suffixes[0]
    elsewhere = f"{(int(mark[9:13], 16) + 1) % 0x10000:04x}{mark[13:]}"
    left = [tmp_path / f".out.partial-{digits}.mp4" for digits in (elsewhere, "0123abcd")]
    for path in left:
        path.touch()
    PendingFile(out).commit()
    (told,) = caplog.messages
    assert f"{', '.join(sorted(path.name for path in left))}, which you can remove unless another machine is writing it" in told
    assert all(path.exists() for path in left)
    remove_partial(out)
    assert list(tmp_path.iterdir()) == [out]


def test_folders_are_no_other_than_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "data.1"
    left = killed(FOLDER, out)
    (left / "dataset").mkdir()
    with pytest.raises(OSError, match="full"), working_folder(out):
        raise OSError("full")
    assert left.name in caplog.messages[0]
    assert list(tmp_path.iterdir()) == [left]
    with working_folder(out) as first:
        with working_folder(out):
            pass
        assert list(tmp_path.iterdir()) == [first]
    assert first.name not in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_what_waits_for_other_files_is_known(tmp_path: Path) -> None:
    together = Together([tmp_path / "found.json"], overwrite=False)
    PendingFile(together.places[tmp_path / "found.json"], overwrite=True)
    assert len(list(tmp_path.iterdir())) == 2
    remove_partial(tmp_path / "found.json")
    assert list(tmp_path.iterdir()) == []


def test_of_a_name_that_had_to_be_cut_off_nothing_is_removed_unseen(tmp_path: Path) -> None:
    out = tmp_path / f"{'n' * 200}.mp4"
    temporary = temporary_name(out)
    assert len(os.fsencode(temporary.name)) < 200
    temporary.touch()
    remove_partial(out)
    assert temporary.exists()
