"""A folder of recordings in, a folder of annotated ones out: the function behind ``annotate`` for many recordings."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from streamer.archive.inputs import find
from streamer.archive.manifest import Manifest
from streamer.archive.messages import Failed, Finished, Work
from streamer.archive.pool import Job, Pool
from streamer.archive.results import folders, remove_unfinished, settings_for, written
from streamer.config.annotate import AnnotateConfig
from streamer.config.zones import places_of
from streamer.detectors.from_settings import DEFAULT_SCORE, threads_each
from streamer.detectors.preparing import fetch
from streamer.runtime.signals import Interrupts
from streamer.sources.fingerprint import fingerprint


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


def annotate_archive(config: AnnotateConfig, on_change: Callable[[ArchiveStatus], object] = lambda _: None) -> ArchiveStatus:
    """Annotate all recordings that the settings' input stands for, and say what became of each.

    ``on_change`` is called several times a second, in this thread. One that cannot be annotated does not end the others. Ctrl-C
    ends within seconds: what is finished stays, what is not is removed.

    Raises ``ConfigError`` for wrong settings, and ``DetectorError`` for a detector that cannot be used at all.
    """
    targets = folders(config)
    places_of(config)
    found = find(config.input, targets)
    status = ArchiveStatus(len(found.recordings) + len(found.problems), failed=found.problems, left_out=found.left_out)
    with Manifest(targets[0], config) as manifest:
        contents: dict[str, str | None] = {}
        jobs: deque[Job] = deque()
        taken: dict[str, str] = {}
        shared = config.model_copy(update={"workers": 1})
        if config.workers > 1 and config.threads is None and config.detector in DEFAULT_SCORE:
            shared = shared.model_copy(update={"threads": threads_each(config.workers)})

        def end(job: Job, answer: Finished | Failed) -> None:
            if isinstance(answer, Finished):
                manifest.done(job.name, contents[job.name], answer.files, answer.frames)
                manifest.remove_journal(job.name)
                status.done += 1
                status.frames += answer.frames
                status.notes += [(job.name, note) for note in answer.notes]
            else:
                manifest.failed(job.name, answer.reason)
                status.failed.append((job.name, answer.reason))

        def change() -> None:
            status.under_way = pool.under_way()
            on_change(status)

        def again(job: Job) -> None:
            remove_unfinished(job.work.settings)

        pool = Pool(shared, config.workers, jobs, lambda job: manifest.begun(job.name), end, change, again)
        try:
            for recording in found.recordings:
                ours = manifest.is_ours(recording.name)
                settings = settings_for(shared, recording, overwrite=config.overwrite or ours)
                content = contents[recording.name] = fingerprint(recording.path)
                other = taken.setdefault(str(settings.output), recording.name)
                if other != recording.name:
                    status.failed.append((recording.name, f"{settings.output} is the result of {other}; rename one of them"))
                elif manifest.is_done(recording.name, content, written(settings)):
                    manifest.remove_journal(recording.name)  # killed between both
                    status.skipped += 1
                    on_change(status)
                elif not settings.overwrite and (there := [path for path in written(settings) if os.path.lexists(path)]):
                    # Not begun by us: the manifest must not say so, or the next run would take the file for a result.
                    status.failed.append((recording.name, f"{there[0]} exists and is no result of this command; move it away"))
                else:
                    if ours:
                        remove_unfinished(settings)
                    jobs.append(Job(recording.name, Work(settings, manifest.journal(recording.name), manifest.about(content))))
            if jobs:
                fetch(config)
                with Interrupts(pool.stop, pool.stop):
                    pool.run()
                status.interrupted = pool.stopped
        except KeyboardInterrupt:
            status.interrupted = True
    status.under_way = []
    on_change(status)
    return status
