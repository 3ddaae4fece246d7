"""``streamer import``: corrected annotations as records. Imports of anything heavy stand inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.errors import Debug, guarded


@guarded
def import_annotations(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What another tool wrote: a file, or a folder.", show_default=False)
    ],
    from_: Annotated[
        str, typer.Option("--from", metavar="NAME", help="coco, cvat, mot, mots, yolo, youtube-vis.", show_default=False)
    ],
    records: Annotated[
        Path,
        typer.Option("--records", metavar="FOUND.jsonl", help="The records that were exported: times.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.jsonl", help="New records.", show_default=False)],
    every: Annotated[
        int, typer.Option("--every", metavar="N", min=1, help="As in the export; of CVAT, in one with pictures.")
    ] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.", show_default=False)] = False,
    debug: Debug = False,
) -> None:
    """Read corrected annotations back as records, with the times of the records that were exported."""
    from streamer.cli.progress import ReadingProgress
    from streamer.datasets.importing import import_annotations as read

    with ReadingProgress("importing") as progress:
        done = read(file, records, output, from_, every=every, overwrite=overwrite, on_progress=progress.update)
    typer.echo(f"{done.frames} frames, {done.objects} objects: {output}", err=True)
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
