"""The commands for cameras: ``live``, ``run``, ``config schema``. Imports of anything heavy stand inside them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.errors import Debug, guarded
from streamer.cli.options import ConfigFile, given, with_options_of

if TYPE_CHECKING:
    from streamer.config.live import CameraConfig, ProcessOptions, RunOptions

_LIVE_EPILOG = (
    "Examples:",
    "  streamer live 0",
    "  streamer live rtsp://camera.example/1 --show --record recordings --keep-hours 48",
    "  streamer live rtsp://camera.example/1 --publish rtsp://localhost:8554/annotated --metrics 9090",
    "Exit codes: 0 ended, 1 failed, 2 wrong arguments, 130 Ctrl-C; 0 after a SIGTERM that left outputs complete.",
)
_RUN_EPILOG = (
    "Examples:",
    "  streamer run --check cameras.yaml",
    "  streamer run cameras.yaml --metrics 9090 --log-format json",
    "  streamer run cameras.yaml --ray auto --metrics 9090",
    "Exit codes: 0 all ended, 1 one failed, 2 wrong configuration, 130 Ctrl-C; 0 after a SIGTERM that left outputs complete.",
)

config_app = typer.Typer(help="Configuration files.", no_args_is_help=True)


@guarded
def live(context: typer.Context, config: ConfigFile = None, debug: Debug = False) -> int:
    """Annotate a camera or stream while it runs: in a window, as a stream, into files.

    The picture never lags: what is too old is dropped and counted. A source that goes away is connected to again, for ever.
    q in the window, Ctrl-C or SIGTERM end it with every file playable; a second Ctrl-C abandons.
    """
    from streamer.config.live import load_live_config

    settings = load_live_config(config, given(context))
    _load_for_screens([settings.source])
    from streamer.live.run import camera_name

    return _run({camera_name(settings.source): settings}, settings, single=True)


@guarded
def run(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The cameras.", show_default=False)],
    check: Annotated[bool, typer.Option("--check", help="Only check the file; open nothing.", show_default=False)] = False,
    debug: Debug = False,
) -> int:
    """Run many cameras that share one detector. One bad camera never disturbs the rest.

    The options are those of the whole process; they win over the file.
    """
    from streamer.config.live import load_run_config

    settings = load_run_config(config, given(context))
    cameras = settings.resolved()
    _load_for_screens([camera.source for camera in cameras.values()])
    if check:
        from streamer.live.check import check_cameras
        from streamer.live.run import report

        check_cameras(cameras, settings, surroundings=settings.ray is None)
        if settings.ray is not None:
            from streamer.cluster.fleet import check_fleet

            check_fleet(cameras, settings)
        for line in report(cameras):
            typer.echo(line)
        return 0
    return _run(cameras, settings, single=False) if settings.ray is None else _run_fleet(cameras, settings)


@config_app.command("schema")
@guarded
def schema(
    command: Annotated[str, typer.Argument(metavar="[run|live|annotate]", help="Whose configuration file.")] = "run",
    debug: Debug = False,
) -> None:
    """Print the JSON schema of a configuration file, for editors."""
    import json

    from streamer.config.schema import FILES
    from streamer.config.schema import schema as schema_of
    from streamer.errors import ConfigError
    from streamer.suggest import did_you_mean

    if command not in FILES:
        raise ConfigError(f"no configuration file of {command!r}", hint=did_you_mean(command, FILES))
    typer.echo(json.dumps(schema_of(command), indent=2, ensure_ascii=False))


def _run(cameras: Mapping[str, CameraConfig], process: ProcessOptions, *, single: bool) -> int:
    """Run cameras with a log and a table for people."""
    from streamer.cli.live_table import LiveTable
    from streamer.live.run import run_cameras
    from streamer.runtime.log import set_up

    handler = set_up(process.log_format, level=logging.WARNING if process.quiet else logging.INFO)
    with LiveTable(quiet=process.quiet, log_handler=handler) as table:
        return run_cameras(cameras, process, single=single, observe=table.update, tell=lambda line: typer.echo(line, err=True))


def _run_fleet(cameras: Mapping[str, CameraConfig], process: RunOptions) -> int:
    """Run cameras on the machines of a cluster, with a log and a table for people."""
    from streamer.cli.live_table import LiveTable
    from streamer.cluster.fleet import run_fleet
    from streamer.runtime.log import set_up

    handler = set_up(process.log_format, level=logging.WARNING if process.quiet else logging.INFO)
    with LiveTable(quiet=process.quiet, log_handler=handler) as table:
        return run_fleet(cameras, process, observe=table.update)


@guarded
def status(
    ray: Annotated[str, typer.Option("--ray", metavar="ADDRESS", help="The cluster: auto, or HOST:PORT of its head.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)] = False,
    debug: Debug = False,
) -> None:
    """Show which camera of a fleet runs where: what `run --ray` has started on a Ray cluster."""
    from streamer.cluster.fleet import seen_in_fleet

    seen = seen_in_fleet(ray)
    if json:
        import json as encoder

        typer.echo(encoder.dumps([each.as_dict() for each in seen], indent=2, ensure_ascii=False))
    else:
        from streamer.cli.tables import print_fleet

        print_fleet(seen)


def _load_for_screens(sources: Sequence[str]) -> None:
    """A process that captures a screen needs PyAV loaded before OpenCV; all others the other way round."""
    if any(source.startswith("x11grab:") for source in sources):
        from streamer.runtime.import_order import screen_first

        screen_first()


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``streamer``."""
    app.command(cls=with_options_of("streamer.config.live:LiveConfig"), epilog="\n\n".join(_LIVE_EPILOG))(live)
    app.command(cls=with_options_of("streamer.config.live:RunOptions"), epilog="\n\n".join(_RUN_EPILOG))(run)
    app.command(epilog="Example:  streamer status --ray auto")(status)
    app.add_typer(config_app, name="config")
