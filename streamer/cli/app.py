"""The commands. Imports of anything heavy stand inside them, so that ``streamer --help`` answers at once."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.errors import INTERRUPTED, Debug, guarded
from streamer.cli.live import add_to
from streamer.runtime.signals import SIGNALS

app = typer.Typer(
    name="streamer",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Real-time video with instance segmentation: masks, outlines and labels on files, cameras and network streams.",
    epilog="Start with:  streamer annotate in.mp4 -o out.mp4",
)
models_app = typer.Typer(
    help="The detectors: where they lie, what they need; check and download them.", invoke_without_command=True
)
app.add_typer(models_app, name="models")


def _version(value: bool) -> None:
    if value:
        from streamer._version import __version__

        typer.echo(f"streamer {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.", show_default=False)
    ] = False,
) -> None:
    pass


@app.command(epilog="Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 interrupted (what was done is a playable file).")
@guarded
def annotate(
    input: Annotated[
        str | None, typer.Argument(metavar="INPUT", help="Recording or picture: anything FFmpeg reads.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Annotated copy (.mp4, .mkv, .mov, .webm, .jpg …). (default: INPUT-annotated)",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The same options from a YAML file; the command line wins.", show_default=False),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="people, mask-rcnn, hub:HANDLE, PATH of a SavedModel, package.module:Class. (default: people)",
            show_default=False,
            rich_help_panel="Detector",
        ),
    ] = None,
    score_threshold: Annotated[
        float | None,
        typer.Option(
            help="Least score, 0..1. (default: 0.4 for people, else 0.5)", show_default=False, rich_help_panel="Detector"
        ),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Only these classes: person,car", show_default=False, rich_help_panel="Detector")
    ] = None,
    max_instances: Annotated[
        int | None, typer.Option(help="At most so many of a frame, best first.", show_default=False, rich_help_panel="Detector")
    ] = None,
    inference_interval: Annotated[
        str | None,
        typer.Option(
            help="Run the detector on every N-th frame and follow in between, or auto. (default: 1)",
            show_default=False,
            rich_help_panel="Detector",
        ),
    ] = None,
    track: Annotated[
        bool,
        typer.Option(
            "--track", help="Identities also where every frame is inferred.", show_default=False, rich_help_panel="Detector"
        ),
    ] = False,
    labels: Annotated[
        Path | None, typer.Option(help="File of class names for a SavedModel.", show_default=False, rich_help_panel="Detector")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of the detector on a CPU.", show_default=False, rich_help_panel="Detector")
    ] = None,
    draw: Annotated[
        str | None,
        typer.Option(help="Any of masks,outlines,boxes,labels, or none.", show_default=False, rich_help_panel="Picture"),
    ] = None,
    mask_opacity: Annotated[
        float | None,
        typer.Option(help="How strongly masks cover the picture, 0..1.", show_default=False, rich_help_panel="Picture"),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="First moment: seconds or HH:MM:SS.", show_default=False, rich_help_panel="Picture")
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(help="Moment to stop before: seconds or HH:MM:SS.", show_default=False, rich_help_panel="Picture"),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="libx264, libx265, libvpx-vp9, libsvtav1, h264_nvenc … (default: libx264; libvpx-vp9 for .webm)",
            show_default=False,
            rich_help_panel="Encoding",
        ),
    ] = None,
    crf: Annotated[
        float | None, typer.Option(help="Quality: lower is better and larger.", show_default=False, rich_help_panel="Encoding")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="The encoder's effort, in its own words.", show_default=False, rich_help_panel="Encoding")
    ] = None,
    audio: Annotated[
        str | None, typer.Option(help="copy or none. (default: copy)", show_default=False, rich_help_panel="Encoding")
    ] = None,
    detections: Annotated[
        Path | None, typer.Option(help="Records as JSON Lines: FILE.jsonl", show_default=False, rich_help_panel="Records")
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option(
            help="Masks in the records: rle, polygon, none. (default: rle)", show_default=False, rich_help_panel="Records"
        ),
    ] = None,
    coco: Annotated[
        Path | None, typer.Option(help="Results in COCO's format: FILE.json", show_default=False, rich_help_panel="Records")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.", show_default=False)] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.", show_default=False)] = False,
    debug: Debug = False,
) -> int:
    """Annotate a recording or a picture: every frame once, at its own time, with audio and all else kept.

    OUTPUT appears whole or not at all. The first Ctrl-C finishes a playable file with what was done, the second abandons.
    """
    # The options are the settings by name; a switch that is not set leaves the word to the configuration file.
    overrides = {name: None if value is False else value for name, value in locals().items() if name not in {"config", "debug"}}
    from streamer.config.annotate import load_annotate_config

    settings = load_annotate_config(config, overrides)
    from streamer.annotation import annotate_with

    summary = annotate_with(settings)
    if not settings.quiet:
        summary.print()
    return INTERRUPTED if summary.interrupted else 0


@app.command()
@guarded
def probe(
    input: Annotated[str, typer.Argument(metavar="INPUT", help="Anything FFmpeg reads.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)] = False,
    debug: Debug = False,
) -> None:
    """Show what a recording holds: streams, sizes, declared and measured rates, rotation, colour, duration."""
    from streamer.sources.probe import probe as probe_input

    report = probe_input(input)
    if json:
        import json as encoder

        typer.echo(encoder.dumps(report.as_dict(), indent=2, ensure_ascii=False))
    else:
        from streamer.cli.tables import print_probe

        print_probe(report)


@models_app.callback()
def models(context: typer.Context, debug: Debug = False) -> None:
    if context.invoked_subcommand is None:
        guarded(_list_models)()


def _list_models() -> None:
    from streamer.cli.tables import print_models
    from streamer.detectors.registry import known_detectors

    print_models(known_detectors())


@models_app.command("check")
@guarded
def models_check(
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="As --detector of annotate.", show_default=False)],
    labels: Annotated[Path | None, typer.Option(help="File of class names for a SavedModel.", show_default=False)] = None,
    threads: Annotated[int | None, typer.Option(help="Threads on a CPU.", show_default=False)] = None,
    debug: Debug = False,
) -> None:
    """Load a detector, warm it up, print its contract, its device and milliseconds a frame."""
    from streamer.cli.tables import print_check
    from streamer.detectors.check import check
    from streamer.detectors.registry import load_detector

    loaded = load_detector(detector, score_threshold=0.5, threads=threads, labels_path=labels)
    try:
        print_check(check(loaded))
    finally:
        loaded.close()


@models_app.command("download")
@guarded
def models_download(
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="mask-rcnn or hub:HANDLE.", show_default=False)],
    debug: Debug = False,
) -> None:
    """Fetch a model into the persistent cache, whole and verified."""
    from streamer.cli.download import download_model

    typer.echo(f"{detector} is in {download_model(detector)}")


add_to(app)


def main() -> None:
    """Entry point of the ``streamer`` command.

    SIGTERM counts as Ctrl-C from the first moment, so that a model which is being loaded leaves nothing half done behind. Once
    the command is through, neither changes its exit code any more.
    """
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        app()
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
