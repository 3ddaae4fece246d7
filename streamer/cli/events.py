"""``streamer events``: what happened, and who is told. Imports of anything heavy stand inside the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.errors import Debug, guarded
from streamer.cli.options import given, with_options_of

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
Json = Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)]


@events_app.command("list", epilog="Example:  streamer events list events --camera gate")
@guarded
def list_events(
    folder: Folder,
    camera: Annotated[str | None, typer.Option(help="Of one camera only.", show_default="all")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most events, the newest first.")] = 50,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List what happened, newest first. Times are in the local time zone."""
    from streamer.events.store import open_existing

    with open_existing(folder) as store:
        found = store.events(camera, limit)
    if json:
        _print_json([event.as_json() for event in found])
    else:
        from streamer.cli.tables import print_events

        print_events(found)


@events_app.command("show", epilog="Example:  streamer events show events 01KH0Z6V7QH2M3N4P5R6S7T8V9")
@guarded
def show_event(
    folder: Folder,
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The event, as list shows it.", show_default=False)],
    debug: Debug = False,
) -> None:
    """Print all that is known of an event, as JSON."""
    from streamer.errors import ConfigError
    from streamer.events.store import open_existing

    with open_existing(folder) as store:
        event = store.get(event_id)
    if event is None:
        raise ConfigError(f"there is no event {event_id} in {folder}", hint="streamer events list shows them")
    _print_json(event.as_json())


def _print_json(data: object) -> None:
    import json

    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
