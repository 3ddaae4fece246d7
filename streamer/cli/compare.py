"""``streamer compare``: how well records agree with the truth. Imports of anything heavy stand inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.errors import Debug, guarded


@guarded
def compare(
    truth: Annotated[
        Path, typer.Argument(metavar="TRUTH.jsonl", help="Records that are right: corrected ones, say.", show_default=False)
    ],
    judged: Annotated[Path, typer.Argument(metavar="FOUND.jsonl", help="Records to judge by them.", show_default=False)],
    video: Annotated[
        str | None,
        typer.Option("--video", metavar="INPUT", help="The recording, to draw the worst frames.", show_default=False),
    ] = None,
    worst: Annotated[int, typer.Option("--worst", metavar="N", min=0, help="Frames to name and draw.")] = 10,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="A new folder for the drawn frames.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)] = False,
    debug: Debug = False,
) -> None:
    """Judge records by others of the same recording: precision of boxes and masks, identities, confused classes.

    Frames that both have are judged, by the rules of COCO (AP), motmetrics (IDF1, MOTA, switches) and TrackEval (HOTA).
    """
    from streamer.cli.progress import ReadingProgress
    from streamer.comparison.comparing import compare as compare_records

    with ReadingProgress("comparing") as progress:
        done = compare_records(truth, judged, video=video, output=output, worst=worst, on_progress=progress.update)
    if json:
        import json as encoder

        typer.echo(encoder.dumps(done.as_dict(), indent=2, ensure_ascii=False))
    else:
        from streamer.cli.tables import print_comparison

        print_comparison(done)
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
