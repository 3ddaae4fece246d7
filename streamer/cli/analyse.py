"""The command for stored records: ``analyse``. Imports of anything heavy stand inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.errors import Debug, guarded


@guarded
def analyse(
    records: Annotated[
        Path, typer.Argument(metavar="FOUND.jsonl", help="Records of annotate, live or run.", show_default=False)
    ],
    zones: Annotated[Path, typer.Option("--zones", metavar="FILE.yaml", help="File with zones and lines.", show_default=False)],
    counts: Annotated[
        Path | None,
        typer.Option("--counts", metavar="FILE.csv", help="Write the counts of each minute and in total.", show_default=False),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.", show_default=False)] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)] = False,
    debug: Debug = False,
) -> None:
    """Count in zones and across lines, from records, without the video.

    The figures are those that the run with the same zones gave. The records must have tracks: those of live and run have
    them, and those of annotate with --track, --zones or an --inference-interval.
    """
    from streamer.cli.progress import ReadingProgress
    from streamer.config.zones import load_places
    from streamer.stored_analysis import analyse as analyse_records

    with ReadingProgress("analysing") as progress:
        report = analyse_records(records, load_places(zones), counts, overwrite=overwrite, on_progress=progress.update)
    if json:
        import json as encoder

        typer.echo(encoder.dumps(report.totals, indent=2, ensure_ascii=False))
    else:
        from streamer.cli.tables import print_places

        print_places(report.totals)
    for note in report.notes:
        typer.echo(f"note: {note}", err=True)
