"""The commands for cameras: ``live``, ``run``, ``config schema``. Imports of anything heavy stand inside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.errors import Debug, guarded

_SOURCE, _OUTPUT, _DETECTOR, _PICTURE, _PROCESS = "Source", "Outputs", "Detector", "Picture", "Process"

config_app = typer.Typer(help="Configuration files.", no_args_is_help=True)


@guarded
def live(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="0 or /dev/video0, rtsp://…, http://…, rtmp://…, udp://…, a file, x11grab:…, lavfi:… or test:",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The same options from a YAML file; the command line wins.", show_default=False)
    ] = None,
    show: Annotated[
        bool | None,
        typer.Option("--show/--no-show", help="A window; h shows its keys.", show_default=False, rich_help_panel=_OUTPUT),
    ] = None,
    publish: Annotated[
        list[str] | None,
        typer.Option(
            help="Send it to rtsp://…, rtmp://… or udp://…; may be repeated.", show_default=False, rich_help_panel=_OUTPUT
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="One annotated recording.", show_default=False, rich_help_panel=_OUTPUT),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="Folder of an endless recording in segments.", show_default=False, rich_help_panel=_OUTPUT),
    ] = None,
    segment: Annotated[
        str | None, typer.Option(help="Seconds of a segment. (default: 60)", show_default=False, rich_help_panel=_OUTPUT)
    ] = None,
    keep_hours: Annotated[
        float | None, typer.Option(help="Remove segments after so long.", show_default=False, rich_help_panel=_OUTPUT)
    ] = None,
    keep_gb: Annotated[
        float | None,
        typer.Option(help="Remove the oldest segments beyond so much.", show_default=False, rich_help_panel=_OUTPUT),
    ] = None,
    record_buffer: Annotated[
        str | None,
        typer.Option(
            help="Seconds of video that may wait for the files. (default: 5)", show_default=False, rich_help_panel=_OUTPUT
        ),
    ] = None,
    detections: Annotated[
        Path | None, typer.Option(help="Records as JSON Lines: FILE.jsonl", show_default=False, rich_help_panel=_OUTPUT)
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option(
            help="Masks in the records: rle, polygon, none. (default: rle)", show_default=False, rich_help_panel=_OUTPUT
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.", show_default=False, rich_help_panel=_OUTPUT)
    ] = False,
    is_live: Annotated[
        bool | None,
        typer.Option(
            "--live/--no-live",
            help="Frames come at the world's pace, or all are worked on. (default: guessed)",
            show_default=False,
            rich_help_panel=_SOURCE,
        ),
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop", help="Play a file with --live for ever.", show_default=False, rich_help_panel=_SOURCE)
    ] = False,
    transport: Annotated[
        str | None,
        typer.Option(help="RTSP over tcp, udp or auto. (default: auto)", show_default=False, rich_help_panel=_SOURCE),
    ] = None,
    open_timeout: Annotated[
        str | None, typer.Option(help="Seconds to connect. (default: 5)", show_default=False, rich_help_panel=_SOURCE)
    ] = None,
    read_timeout: Annotated[
        str | None,
        typer.Option(
            help="Seconds without a frame until it reconnects. (default: 5)", show_default=False, rich_help_panel=_SOURCE
        ),
    ] = None,
    reconnect_attempts: Annotated[
        int | None,
        typer.Option(help="Attempts to reconnect; 0 for ever. (default: 0)", show_default=False, rich_help_panel=_SOURCE),
    ] = None,
    reconnect_initial_delay: Annotated[
        str | None,
        typer.Option(help="Seconds before the first attempt. (default: 0.5)", show_default=False, rich_help_panel=_SOURCE),
    ] = None,
    reconnect_max_delay: Annotated[
        str | None,
        typer.Option(help="Most seconds between attempts. (default: 30)", show_default=False, rich_help_panel=_SOURCE),
    ] = None,
    damaged: Annotated[
        str | None,
        typer.Option(help="Damaged frames: show or drop. (default: show)", show_default=False, rich_help_panel=_SOURCE),
    ] = None,
    max_staleness: Annotated[
        str | None,
        typer.Option(
            help="Do not show frames older than so many seconds. (default: 0.5)", show_default=False, rich_help_panel=_SOURCE
        ),
    ] = None,
    max_fps: Annotated[
        float | None, typer.Option(help="Most frames a second. (default: all)", show_default=False, rich_help_panel=_SOURCE)
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="people, mask-rcnn, hub:HANDLE, PATH of a SavedModel, package.module:Class. (default: people)",
            show_default=False,
            rich_help_panel=_DETECTOR,
        ),
    ] = None,
    score_threshold: Annotated[
        float | None,
        typer.Option(
            help="Least score, 0..1. (default: 0.4 for people, else 0.5)", show_default=False, rich_help_panel=_DETECTOR
        ),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Only these classes: person,car", show_default=False, rich_help_panel=_DETECTOR)
    ] = None,
    max_instances: Annotated[
        int | None, typer.Option(help="At most so many of a frame, best first.", show_default=False, rich_help_panel=_DETECTOR)
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="File of class names for a SavedModel.", show_default=False, rich_help_panel=_DETECTOR)
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of the detector on a CPU.", show_default=False, rich_help_panel=_DETECTOR)
    ] = None,
    follow: Annotated[
        bool | None,
        typer.Option(
            "--follow/--no-follow",
            help="Carry masks along between detections, or wait for the detector. (default: follow)",
            show_default=False,
            rich_help_panel=_DETECTOR,
        ),
    ] = None,
    max_mask_age: Annotated[
        str | None, typer.Option(help="Seconds until a mask is not shown.", show_default=False, rich_help_panel=_DETECTOR)
    ] = None,
    draw: Annotated[
        str | None,
        typer.Option(help="Any of masks,outlines,boxes,labels, or none.", show_default=False, rich_help_panel=_PICTURE),
    ] = None,
    mask_opacity: Annotated[
        float | None,
        typer.Option(help="How strongly masks cover the picture, 0..1.", show_default=False, rich_help_panel=_PICTURE),
    ] = None,
    show_mask_age: Annotated[
        bool,
        typer.Option(
            "--show-mask-age", help="Write each mask's age on its label.", show_default=False, rich_help_panel=_PICTURE
        ),
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS:]PORT",
            help="Serve /metrics, /healthz and /status. (default address: 127.0.0.1)",
            show_default=False,
            rich_help_panel=_PROCESS,
        ),
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(help="human or json. (default: human)", show_default=False, rich_help_panel=_PROCESS)
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Warnings only, no table.", show_default=False, rich_help_panel=_PROCESS)
    ] = False,
    debug: Debug = False,
) -> int:
    """Annotate a camera or stream while it runs: in a window, as a stream, into files.

    The picture never lags: what is too old is dropped and counted. A source that goes away is connected to again, for ever.
    q in the window, Ctrl-C or SIGTERM end it with every file playable; a second Ctrl-C abandons.
    """
    # The options are the settings by name; a switch that is not set leaves the word to the configuration file.
    overrides: dict[str, object] = {
        name: None if value is False and name in {"overwrite", "show_mask_age", "quiet", "loop"} else value
        for name, value in locals().items()
        if name not in {"config", "debug", "is_live"}
    }
    overrides["live"] = is_live
    from streamer.config.live import load_live_config

    settings = load_live_config(config, overrides)
    _load_for_screens([settings.source])
    from streamer.live.run import live_with

    return live_with(settings)


@guarded
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The cameras.", show_default=False)],
    check: Annotated[bool, typer.Option("--check", help="Only check the file; open nothing.", show_default=False)] = False,
    metrics: Annotated[
        str | None, typer.Option(metavar="[ADDRESS:]PORT", help="Instead of what the file says.", show_default=False)
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(help="human or json; instead of what the file says.", show_default=False)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Warnings only, no table.", show_default=False)] = False,
    debug: Debug = False,
) -> int:
    """Run many cameras that share one detector. One bad camera never disturbs the rest."""
    from streamer.config.live import load_run_config

    settings = load_run_config(config, {"metrics": metrics, "log_format": log_format, "quiet": quiet or None})
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
    app.command(epilog="Exit codes: 0 ended, 1 failed, 2 wrong arguments, 130 interrupted.")(live)
    app.command(epilog="Exit codes: 0 all ended, 1 one failed, 2 wrong configuration, 130 interrupted.")(run)
    app.add_typer(config_app, name="config")
