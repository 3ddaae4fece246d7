"""``streamer events``: what happened, and who is told. Imports of anything heavy stand inside the commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.errors import Debug, guarded
from streamer.cli.options import given, with_options_of

if TYPE_CHECKING:
    from streamer.events.query import EventQuery

events_app = typer.Typer(help="Events: what happened before the cameras, and who is told of it.", no_args_is_help=True)


@events_app.callback()
def events() -> None:
    pass


@events_app.command(
    "test-delivery",
    cls=with_options_of("streamer.config.delivery:TargetOptions"),
    epilog="\n\n".join(
        [
            "Examples:",
            "  streamer events test-delivery targets.yaml",
            "  streamer events test-delivery --webhook https://example.org/hook",
            "  streamer events test-delivery --mqtt 'mqtt://cameras:${MQTT_PASSWORD}@broker.lan'",
        ]
    ),
)
@guarded
def send_trial(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE.yaml]", help="File that names the targets.", show_default=False)
    ] = None,
    debug: Debug = False,
) -> int:
    """Send one event of the camera "test-delivery" to each target, and say whether it was taken.

    Exit code 0 when every target took it, 1 when one did not, 2 when none is named or a setting is wrong.
    """
    from streamer.config.delivery import load_targets
    from streamer.errors import ConfigError
    from streamer.events.targets.from_settings import make_targets
    from streamer.events.trial import try_targets

    settings = load_targets(file, given(context))
    if not settings.target_names:
        raise ConfigError("no target is named", hint="name one with --mqtt or --webhook, or in a file")
    trials = try_targets(make_targets(settings, Path("test-delivery"), presence=False))
    for trial in trials:
        typer.echo(f"{trial.target}: {trial.problem or f'took {trial.key} in {1000 * trial.seconds:.0f} ms'}")
    return int(any(trial.problem for trial in trials))


Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of events of a run.", show_default=False)]
EventId = Annotated[str, typer.Argument(metavar="ID", help="The event, as list shows it.", show_default=False)]
Footage = Annotated[
    Path, typer.Option("--record", metavar="FOLDER", help="The folder that record of the run named.", show_default=False)
]
SecondsBefore = Annotated[float, typer.Option("--before", min=0, help="Seconds before the event.")]
SecondsAfter = Annotated[float, typer.Option("--after", min=0, help="Seconds after the event.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)]


Camera = Annotated[str | None, typer.Option("--camera", help="Of one camera only.", show_default="all")]
ClassName = Annotated[str | None, typer.Option("--class", metavar="NAME", help="With such an object.", show_default="all")]
Zone = Annotated[str | None, typer.Option("--zone", metavar="NAME", help="In that zone.", show_default="anywhere")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From then on: 2026-01-31, 2026-01-31T12:00 or 24h ago.", show_default=False),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Up to then.", show_default=False)]


@events_app.command("list", epilog="Example:  streamer events list events --camera gate --since 24h")
@guarded
def list_events(
    folder: Folder,
    camera: Camera = None,
    class_name: ClassName = None,
    zone: Zone = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="Most events, the newest first.")] = 50,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List what happened, newest first. Times are in the local time zone."""
    from streamer.events.store import open_existing

    query = _query(camera, class_name, zone, since, until)
    with open_existing(folder) as store:
        found = store.events(query, limit)
    if json:
        _print_json([event.as_json() for event in found])
    else:
        from streamer.cli.tables import print_events

        print_events(found)


@events_app.command(
    "export", epilog="Example:  streamer events export events -o january.csv --since 2026-01-01 --until 2026-02-01"
)
@guarded
def export_events(
    folder: Folder,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="A table (.csv), or JSON lines (.jsonl).", show_default=False),
    ],
    camera: Camera = None,
    class_name: ClassName = None,
    zone: Zone = None,
    since: Since = None,
    until: Until = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.", show_default=False)] = False,
    debug: Debug = False,
) -> None:
    """Write events into a file for other programs, oldest first. Times are in UTC."""
    from streamer.errors import OutputRefused, OutputWriteFailed
    from streamer.events.export import csv_lines, json_lines
    from streamer.events.store import open_existing
    from streamer.sinks.atomic import PendingFile

    lines = {".csv": csv_lines, ".jsonl": json_lines}.get(output.suffix.lower())
    if lines is None:
        raise OutputRefused(f"{output}: events are written as .csv or .jsonl", hint="give the file one of these endings")
    query = _query(camera, class_name, zone, since, until)
    with open_existing(folder) as store:
        pending = PendingFile(output, overwrite=overwrite)
        try:
            with pending.temporary.open("w", encoding="utf-8", newline="") as file:
                file.writelines(lines(store.all_events(query)))
            pending.commit()
        except OSError as error:
            raise OutputWriteFailed(f"{output} cannot be written ({error.strerror})", hint="check the disk") from error
        finally:
            pending.discard()


@events_app.command(
    "clip", epilog="Example:  streamer events clip events 01KH0Z6V7QH2M3N4P5R6S7T8V9 --record recordings -o thief.mp4"
)
@guarded
def cut_event(
    folder: Folder,
    event_id: EventId,
    record: Footage,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The clip: an .mp4.", show_default=False)],
    before: SecondsBefore = 5.0,
    after: SecondsAfter = 10.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.", show_default=False)] = False,
    debug: Debug = False,
) -> None:
    """Cut the clip of an event out of the footage again, with more or less around it. Nothing is encoded anew."""
    from streamer.events.footage import cut_again
    from streamer.events.store import open_existing

    with open_existing(folder) as store:
        event = store.wanted(event_id)
    for note in cut_again(event, record, output, before_s=before, after_s=after, overwrite=overwrite):
        typer.echo(f"note: {note}", err=True)


@events_app.command(
    "render",
    cls=with_options_of("streamer.config.render:EventRenderConfig"),
    epilog="Example:  streamer events render events 01KH0Z6V7QH2M3N4P5R6S7T8V9 --record files --from gate.jsonl -o thief.mp4",
)
@guarded
def render_event(
    context: typer.Context,
    folder: Folder,
    event_id: EventId,
    record: Footage,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The drawn clip.", show_default=False)],
    before: SecondsBefore = 5.0,
    after: SecondsAfter = 10.0,
    debug: Debug = False,
) -> None:
    """Draw what was found onto the footage of an event. Needs the footage (record) and the records (detections) of the run."""
    from streamer.config.render import load_event_render_config
    from streamer.event_drawing import render_event as draw
    from streamer.events.store import open_existing

    config = load_event_render_config(given(context))
    with open_existing(folder) as store:
        event = store.wanted(event_id)
    for note in draw(event, record, output, config, before_s=before, after_s=after):
        typer.echo(f"note: {note}", err=True)


@events_app.command("show", epilog="Example:  streamer events show events 01KH0Z6V7QH2M3N4P5R6S7T8V9")
@guarded
def show_event(
    folder: Folder,
    event_id: EventId,
    debug: Debug = False,
) -> None:
    """Print all that is known of an event, as JSON."""
    from streamer.events.store import open_existing

    with open_existing(folder) as store:
        event = store.wanted(event_id)
    _print_json(event.as_json())


def _query(camera: str | None, class_name: str | None, zone: str | None, since: str | None, until: str | None) -> EventQuery:
    from streamer.events.query import EventQuery, parse_moment

    return EventQuery(
        camera=camera,
        class_name=class_name,
        zone=zone,
        since_utc=None if since is None else parse_moment(since),
        until_utc=None if until is None else parse_moment(until),
    )


def _print_json(data: object) -> None:
    import json

    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
