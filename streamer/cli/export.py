"""``streamer export``: records for other tools. Imports of anything heavy stand inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.errors import Debug, guarded


@guarded
def export(
    records: Annotated[
        Path, typer.Argument(metavar="FOUND.jsonl", help="Records of annotate, live or run.", show_default=False)
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
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="A new folder.", show_default=False)],
    video: Annotated[
        str | None,
        typer.Option(
            "--video", metavar="INPUT", help="The recording: its pictures, or a copy of it, come along.", show_default=False
        ),
    ] = None,
    every: Annotated[int, typer.Option("--every", metavar="N", min=1, help="Of so many frames write one.")] = 1,
    debug: Debug = False,
) -> None:
    """Write records in the format of another tool. What the format cannot hold is counted and told."""
    from streamer.datasets.export import export as export_records

    done = export_records(records, output, to, video=video, every=every)
    typer.echo(f"{done.frames} frames, {done.objects} objects: {output}", err=True)
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
