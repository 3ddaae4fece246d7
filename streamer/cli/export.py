"""``streamer export``: records for other tools. Imports of anything heavy stand inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.errors import Debug, guarded


@guarded
def export(
    records: Annotated[
        Path,
        typer.Argument(
            metavar="FOUND.jsonl",
            help="Records of annotate, live or run; or a folder, a pattern or a list (.txt) of them.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="NAME",
            help="coco, cvat, yolo-detect, yolo-seg, mot, mots, youtube-vis, datumaro, label-studio, fiftyone.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="A new folder; of many records, the folder of their datasets.",
            show_default=False,
        ),
    ],
    video: Annotated[
        str | None,
        typer.Option(
            "--video",
            metavar="INPUT",
            help="The recording: its pictures, or a copy of it, come along. Of many records, the folder of the recordings.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[int, typer.Option("--every", metavar="N", min=1, help="Of so many frames write one.")] = 1,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Of many records, processes side by side.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Of many records, leave what an earlier run has finished.", show_default=False)
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Of many records, work on the machines of a Ray cluster: auto, HOST:PORT or local.",
            show_default=False,
        ),
    ] = None,
    debug: Debug = False,
) -> int:
    """Write records in the format of another tool. What the format cannot hold is counted and told.

    Of a folder, a pattern or a list of records, each becomes a dataset in OUTPUT, which goes on after a kill with --resume.
    """
    from streamer.object_storage.addresses import address_of

    if address_of(records) is None:
        from streamer.archive.inputs import is_archive

        if is_archive(str(records)):
            return _export_all(records, to, output, video=video, every=every, workers=workers, resume=resume, ray=ray)
    if workers > 1 or resume or ray is not None:
        from streamer.errors import ConfigError

        raise ConfigError(
            "--workers, --resume and --ray are for a folder, a pattern or a list of records", hint="leave them out for one"
        )
    from streamer.cli.progress import ReadingProgress
    from streamer.datasets.export import export as export_records

    with ReadingProgress("exporting") as progress:
        done = export_records(records, output, to, video=video, every=every, on_progress=progress.update)
    typer.echo(f"{done.frames} frames, {done.objects} objects: {output}", err=True)
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    return 0


def _export_all(records: Path, to: str, output: Path, **more: object) -> int:
    from streamer.archive.export_task import ExportTask
    from streamer.cli.archive import do_all
    from streamer.config.export import load_export_config

    return do_all(ExportTask(load_export_config({"input": str(records), "to": to, "output": str(output), **more})))
