"""The commands for cameras: ``live``, ``run``, ``config schema``. Imports of anything heavy stand inside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.errors import Debug, guarded
from streamer.cli.options import ConfigFile, given, with_options_of

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
    from streamer.live.run import live_with

    return live_with(settings)


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
    _load_for_screens([camera.source for camera in settings.cameras.values()])
    from streamer.live.run import report, run_with

    if check:
        for line in report(settings):
            typer.echo(line)
        return 0
    return run_with(settings)


@config_app.command("schema")
@guarded
def schema(
    command: Annotated[str, typer.Argument(metavar="[run|live]", help="Whose configuration file.")] = "run",
    debug: Debug = False,
) -> None:
    """Print the JSON schema of a configuration file, for editors."""
    import json

    from streamer.config.live import schema as schema_of
    from streamer.errors import ConfigError
    from streamer.suggest import did_you_mean

    if command not in ("run", "live"):
        raise ConfigError(f"no configuration file of {command!r}", hint=did_you_mean(command, ["run", "live"]))
    typer.echo(json.dumps(schema_of("live" if command == "live" else "run"), indent=2, ensure_ascii=False))


def _load_for_screens(sources: Sequence[str]) -> None:
    """Whoever captures a screen needs PyAV loaded before OpenCV; all others the other way round."""
    if any(source.startswith("x11grab:") for source in sources):
        from streamer.runtime.import_order import screen_first

        screen_first()


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``streamer``."""
    app.command(cls=with_options_of("streamer.config.live:LiveConfig"), epilog="\n\n".join(_LIVE_EPILOG))(live)
    app.command(cls=with_options_of("streamer.config.live:ProcessOptions"), epilog="\n\n".join(_RUN_EPILOG))(run)
    app.add_typer(config_app, name="config")
