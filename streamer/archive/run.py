"""A folder of recordings in, a folder of annotated ones out: the function behind ``annotate`` for many recordings."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from streamer.annotation import worker_devices
from streamer.archive.inputs import Recording, find
from streamer.archive.manifest import Manifest
from streamer.archive.messages import Failed, Finished, Work
from streamer.archive.object_manifest import ObjectManifest
from streamer.archive.pool import Job, Pool, Workforce
from streamer.archive.processes import Processes
from streamer.archive.results import RECORDS, ArchiveConfig, folders, remove_unfinished, settings_for, written
from streamer.config.annotate import AnnotateConfig
from streamer.config.export import ExportConfig
from streamer.config.zones import places_of
from streamer.datasets.export import check_format
from streamer.detectors.from_settings import DEFAULT_SCORE, threads_each
from streamer.detectors.preparing import fetch
from streamer.object_storage.addresses import address_of, shown_path
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


Employ = Callable[[Any, Path | None], AbstractContextManager[Workforce[Any]]]
"""Gives those who work, for the settings of the archive and a file that they must see, until the context ends."""


def work_on_archive(
    config: ArchiveConfig,
    on_change: Callable[[ArchiveStatus], object] = lambda _: None,
    *,
    employ: Employ | None = None,
) -> ArchiveStatus:
    """Annotate all recordings that the settings' input stands for, or export all records, and say what became of each.

    ``on_change`` is called several times a second, in this thread. One that cannot be annotated does not end the others. Ctrl-C
    ends within seconds: what is finished stays, what is not is removed. ``employ``: those who work, in place of processes of
    this machine; one of them that is given up may go on, and then two do the same work.

    Raises ``ConfigError`` for wrong settings, and ``DetectorError`` for a detector that cannot be used at all.
    """
    targets = folders(config)
    if isinstance(config, ExportConfig):
        check_format(config.to)
        found = find(config.input, targets, frozenset({RECORDS}))
    else:
        places_of(config)
        found = find(config.input, targets)
    status = ArchiveStatus(len(found.recordings) + len(found.problems), failed=found.problems, left_out=found.left_out)
    with _manifest(targets, config) as manifest:
        contents: dict[str, str | None] = {}
        jobs: deque[Job] = deque()
        taken: dict[str, str] = {}

        def end(job: Job, answer: Finished | Failed) -> None:
            if isinstance(answer, Finished):
                manifest.done(job.name, contents[job.name], answer.files, answer.frames)
                manifest.remove_journal(job.name)
                status.done += 1
                status.frames += answer.frames
                status.notes += [(job.name, note) for note in answer.notes]
                if job.moves:
                    # Of the machines that were lost with it. Should one go on, its results would be these.
                    remove_unfinished(job.work.settings)
            else:
                manifest.failed(job.name, answer.reason)
                status.failed.append((job.name, answer.reason))

        def again(job: Job, ended: bool) -> None:
            if ended:
                remove_unfinished(job.work.settings)
            # It may have died after its last file was in place.
            job.work = replace(job.work, settings=job.work.settings.model_copy(update={"overwrite": True}))

        try:
            for recording in found.recordings:
                ours = manifest.is_ours(recording.name)
                replaces = config.overwrite or ours
                # Two that do the same work replace each other's results, which are equal.
                settings = settings_for(config, recording, overwrite=replaces or employ is not None)
                content = contents[recording.name] = _content(recording, settings)
                place = shown_path(settings.output)
                other = taken.setdefault(place, recording.name)
                if other != recording.name:
                    status.failed.append((recording.name, f"{place} is the result of {other}; rename one of them"))
                elif manifest.is_done(recording.name, content, written(settings)):
                    manifest.remove_journal(recording.name)  # killed between both
                    status.skipped += 1
                    on_change(status)
                elif not replaces and (there := [path for path in written(settings) if manifest.is_there(path)]):
                    # Not begun by us: the manifest must not say so, or the next run would take the file for a result.
                    told = f"{shown_path(there[0])} exists and is no result of this command; move it away"
                    status.failed.append((recording.name, told))
                else:
                    if ours:
                        remove_unfinished(settings)
                    # Those of other machines do not see the journals of this one.
                    unseen = employ is not None and manifest.shared is None
                    detects = isinstance(settings, AnnotateConfig)
                    journal = manifest.journal(recording.name) if detects and not unseen else None
                    jobs.append(Job(recording.name, Work(settings, journal, manifest.about(content))))
            if jobs:
                if employ is None and isinstance(config, AnnotateConfig):
                    fetch(config)
                with (employ or _processes)(config, manifest.shared) as workforce:
                    pool = Pool(
                        workforce,
                        jobs,
                        on_begin=lambda job: manifest.begun(job.name),
                        on_end=end,
                        on_change=lambda: _change(status, pool, on_change),
                        clean_up=again,
                        on_unusable=lambda error: status.notes.append(("a worker that is not used", str(error))),
                    )
                    with Interrupts(pool.stop, pool.stop):
                        pool.run()
                status.interrupted = pool.stopped
        except KeyboardInterrupt:
            status.interrupted = True
    status.under_way = []
    on_change(status)
    return status


def _change(status: ArchiveStatus, pool: Pool[Any], on_change: Callable[[ArchiveStatus], object]) -> None:
    status.under_way = pool.under_way()
    on_change(status)


def _content(recording: Recording, settings: ArchiveConfig) -> str | None:
    """What that recording, or those records and their video, are known again by; None where one cannot be read."""
    content = recording.mark or fingerprint(recording.path)
    if content is None or not isinstance(settings, ExportConfig) or settings.video is None:
        return content
    video = fingerprint(settings.video)
    return None if video is None else f"{content} {video}"


def _manifest(targets: Sequence[Path], config: ArchiveConfig) -> Manifest:
    """That of the folder, or the address, that results go to."""
    addresses = [address for target in targets if (address := address_of(target)) is not None]
    if addresses and isinstance(config, AnnotateConfig):
        return ObjectManifest(addresses, config)
    return Manifest(targets[0], config)


def _processes(config: ArchiveConfig, _: Path | None) -> AbstractContextManager[Processes]:
    """Processes of this machine, as many as the settings say."""
    if isinstance(config, ExportConfig):
        return nullcontext(Processes([config] * config.workers))
    devices = worker_devices(config)
    settings = config.model_copy(update={"workers": 1})
    if len(devices) > 1 and config.threads is None and config.detector in DEFAULT_SCORE:
        settings = settings.model_copy(update={"threads": threads_each(len(devices))})
    return nullcontext(Processes([settings.model_copy(update={"device": device}) for device in devices]))
