"""A folder of recordings in, a folder of results out: the function behind ``annotate`` and ``export`` for many recordings."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from streamer.archive.inputs import Recording
from streamer.archive.manifest import Manifest
from streamer.archive.messages import Failed, Finished
from streamer.archive.object_manifest import ObjectManifest
from streamer.archive.pool import Job, Pool, Workforce
from streamer.archive.processes import Processes
from streamer.archive.task import Task, Work
from streamer.errors import StreamerError
from streamer.object_storage.addresses import address_of, shown_path
from streamer.runtime.signals import Interrupts


@dataclass(slots=True)
class ArchiveStatus:
    """How far an archive has come, and at the end what became of it."""

    total: int = 0
    """Recordings that it holds."""
    skipped: int = 0
    """Recordings that an earlier run has finished."""
    done: int = 0
    """Recordings that this run has finished."""
    frames: int = 0
    """Frames of those."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Recordings, and folders, that could not be annotated or read, each with the reason."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What was not taken for a recording: how many, by kind."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """What a person should know of a recording: streams left out, say."""
    under_way: list[Job] = field(default_factory=list)
    interrupted: bool = False

    @property
    def to_do(self) -> int:
        """Recordings that nothing has become of yet."""
        return max(0, self.total - self.skipped - self.done - len(self.failed))


Employ = Callable[[Task[Any], Sequence[Path]], AbstractContextManager[Workforce[Any]]]
"""Gives those who work, for the task and the folders that they must share with this process, until the context ends."""


def work_on_archive(
    task: Task[Any],
    on_change: Callable[[ArchiveStatus], object] = lambda _: None,
    *,
    employ: Employ | None = None,
) -> ArchiveStatus:
    """Do the task for all recordings that its settings' input stands for, and say what became of each.

    ``on_change`` is called several times a second, in this thread. One that cannot be done does not end the others. Ctrl-C
    ends within seconds: what is finished stays, what is not is removed. ``employ``: those who work, in place of processes of
    this machine; one of them that is given up may go on, and then two do the same work.

    Raises ``ConfigError`` for wrong settings, and ``DetectorError`` for a detector that cannot be used at all.
    """
    targets = task.folders()
    found = task.find(targets)
    status = ArchiveStatus(len(found.recordings) + len(found.problems), failed=found.problems, left_out=found.left_out)
    with _manifest(targets, task) as manifest:
        contents: dict[str, str | None] = {}
        jobs: deque[Job] = deque()
        taken: dict[str, str] = {}
        apart: set[str] = set()

        def end(job: Job, answer: Finished | Failed) -> None:
            if isinstance(answer, Finished) and (lost := manifest.unseen(answer.files)):
                answer = Failed(
                    f"{answer.machine or 'a worker'} has written {lost[0]}, which is not seen here: it must be shared"
                )
            if isinstance(answer, Finished):
                manifest.done(job.name, contents[job.name], answer.files, answer.frames)
                manifest.remove_journal(job.name)
                status.done += 1
                status.frames += answer.frames
                status.notes += [(job.name, note) for note in answer.notes]
                for machine, reason in job.refusals.items():
                    if machine not in apart:  # one line for each is enough
                        apart.add(machine)
                        status.notes.append((job.name, f"done elsewhere: {reason}"))
                if job.moves:
                    # Of the machines that were lost with it. Should one go on, its results would be these.
                    job.work.task.remove_unfinished()
            else:
                manifest.failed(job.name, answer.reason)
                status.failed.append((job.name, answer.reason))

        def again(job: Job, ended: bool) -> None:
            if ended:
                job.work.task.remove_unfinished()
            # It may have died after its last file was in place.
            job.work = replace(job.work, task=job.work.task.changed(overwrite=True))

        def unusable(error: StreamerError) -> None:
            # Each worker of a machine says the same.
            if (note := ("a worker that is not used", str(error))) not in status.notes:
                status.notes.append(note)

        try:
            for name in manifest.unfinished() - {recording.name for recording in found.recordings}:
                # Renamed or gone since then, or of another pattern. What was found in it is kept for that.
                task.of(Recording("", name), overwrite=True).remove_unfinished()
            for recording in found.recordings:
                ours = manifest.is_ours(recording.name)
                replaces = task.settings.overwrite or ours
                # Two that do the same work replace each other's results, which are equal.
                own = task.of(recording, overwrite=replaces or employ is not None)
                content = contents[recording.name] = own.content(recording)
                place = shown_path(own.settings.output)
                other = taken.setdefault(place, recording.name)
                if other != recording.name:
                    status.failed.append((recording.name, f"{place} is the result of {other}; rename one of them"))
                elif manifest.is_done(recording.name, content, own.results()):
                    manifest.remove_journal(recording.name)  # killed between both
                    status.skipped += 1
                    on_change(status)
                elif not replaces and (there := [path for path in own.results() if manifest.is_there(path)]):
                    # Not begun by us: the manifest must not say so, or the next run would take the file for a result.
                    told = f"{shown_path(there[0])} exists and is no result of this command; move it away"
                    status.failed.append((recording.name, told))
                else:
                    if ours:
                        own.remove_unfinished()
                    # Those of other machines do not see the journals of this one.
                    unseen = employ is not None and not manifest.shared
                    journal = manifest.journal(recording.name) if task.keeps_journal and not unseen else None
                    jobs.append(Job(recording.name, Work(own, journal, manifest.about(content))))
            if jobs:
                if employ is None:
                    task.prepare()
                with (employ or _processes)(task, targets if manifest.shared else []) as workforce:
                    pool = Pool(
                        workforce,
                        jobs,
                        on_begin=lambda job: manifest.begun(job.name),
                        on_end=end,
                        on_change=lambda: _change(status, pool, on_change),
                        clean_up=again,
                        on_unusable=unusable,
                    )
                    with Interrupts(pool.stop, pool.stop):
                        pool.run()
                status.interrupted = pool.stopped
        except KeyboardInterrupt:
            status.interrupted = True
        for name, reason in manifest.unsaid():
            status.done -= 1
            status.failed.append((name, f"it is finished, but the next run will not know: {reason}"))
    status.under_way = []
    on_change(status)
    return status


def _change(status: ArchiveStatus, pool: Pool[Any], on_change: Callable[[ArchiveStatus], object]) -> None:
    status.under_way = pool.under_way()
    on_change(status)


def _manifest(targets: Sequence[Path], task: Task[Any]) -> Manifest:
    """That of the folder, or the address, that results go to."""
    addresses = [address for target in targets if (address := address_of(target)) is not None]
    return ObjectManifest(addresses, task) if addresses else Manifest(targets[0], task)


def _processes(task: Task[Any], _: Sequence[Path]) -> AbstractContextManager[Processes]:
    """Processes of this machine."""
    return nullcontext(Processes(task.for_processes()))
