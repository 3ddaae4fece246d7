"""The commands. Imports of anything heavy stand inside them, so that ``streamer --help`` answers at once."""

from __future__ import annotations

import io
import signal
import sys
from copy import copy
from typing import TYPE_CHECKING, Annotated

import typer
from typer.main import get_command_name
from typer.models import CommandInfo

from streamer.cli.analyse import analyse
from streamer.cli.cameras import cameras_app
from streamer.cli.compare import compare
from streamer.cli.errors import Debug, guarded
from streamer.cli.events import events_app
from streamer.cli.export import export
from streamer.cli.importing import import_annotations
from streamer.cli.live import add_to
from streamer.cli.models import models_app
from streamer.cli.options import ConfigFile, given, with_options_of
from streamer.cli.serve import EPILOG as SERVE_EPILOG
from streamer.cli.serve import serve
from streamer.cli.web import EPILOG as WEB_EPILOG
from streamer.cli.web import web
from streamer.runtime.blas_threads import sleep_when_idle
from streamer.runtime.garbage import not_while_starting
from streamer.runtime.own_thread import end_process
from streamer.runtime.pydantic_plugins import look_for_no_plugins
from streamer.runtime.signals import INTERRUPTED, SIGNALS, exit_code, lose_no_interrupt, raise_interrupt
from streamer.runtime.standard_streams import open_closed_streams, redact_stderr

if TYPE_CHECKING:
    from streamer.summary import Summary

app = typer.Typer(
    name="streamer",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Real-time video with instance segmentation: masks, outlines and labels on files, cameras and network streams.",
    epilog="Start with:  streamer annotate in.mp4 -o out.mp4",
)
app.add_typer(models_app, name="models")
app.add_typer(events_app, name="events")
app.add_typer(cameras_app, name="cameras")


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


@app.command(
    cls=with_options_of("streamer.config.annotate:AnnotateConfig"),
    epilog="\n\n".join(
        [
            "Examples:",
            "  streamer annotate holiday.mov -o annotated.mp4",
            "  streamer annotate talk.mkv -o talk.webm --encoder libvpx-vp9 --start 1:30 --end 2:00 --classes person",
            "  streamer annotate match.mp4 -o out.mp4 --inference-interval 5 --detections out.jsonl --masks none",
            "  streamer annotate videos -o annotated --workers 4 --resume",
            "  streamer annotate videos -o annotated --ray auto",
            "  streamer annotate s3://bucket/videos -o s3://bucket/annotated --resume",
            "Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 Ctrl-C, 0 SIGTERM (what was done plays).",
        ]
    ),
)
@guarded
def annotate(context: typer.Context, config: ConfigFile = None, debug: Debug = False) -> int:
    """Annotate a recording or a picture: every frame once, at its own time, with audio and all else kept.

    OUTPUT appears whole or not at all. The first Ctrl-C finishes a playable file with what was done, the second abandons.
    INPUT may be a folder, a pattern or a list (.txt) of recordings, OUTPUT is a folder then: what is finished is kept there.
    Both may be addresses of object storage (s3://bucket/videos).
    """
    from streamer.config.annotate import load_annotate_config

    settings = load_annotate_config(config, given(context))
    from streamer.archive.inputs import is_archive

    if is_archive(settings.input):
        from streamer.archive.annotation_task import AnnotationTask
        from streamer.cli.archive import do_all

        return do_all(AnnotationTask(settings))
    from streamer.annotation import annotate_with

    if settings.quiet:
        return _exit_code(annotate_with(settings), settings.input)
    from streamer.cli.progress import Progress
    from streamer.cli.tables import print_summary

    with Progress() as progress:
        summary = annotate_with(settings, on_progress=progress.update, on_wait=progress.wait)
    print_summary(summary)
    return _exit_code(summary, settings.input)


def _exit_code(summary: Summary, recording: str) -> int:
    """The exit code after a run on a recording. Raises ``SourceError`` where not one frame of it came."""
    if summary.interrupted:
        return exit_code(complete=summary.frames_out > 0)
    if not summary.frames_out:
        from streamer.errors import SourceError

        raise SourceError(
            f"no frame of {recording} came, so that no picture was written",
            hint="compare --start and --end with its length, which streamer probe prints",
        )
    return 0


@app.command(
    cls=with_options_of("streamer.config.render:RenderConfig"),
    epilog="\n\n".join(
        [
            "Examples:",
            "  streamer annotate match.mp4 -o first.mp4 --detections found.jsonl",
            "  streamer render match.mp4 -o second.mp4 --from found.jsonl --draw outlines,labels --classes person",
            "Exit codes: 0 done, 1 failed, 2 wrong arguments or records of another recording, 130 Ctrl-C, 0 SIGTERM.",
        ]
    ),
)
@guarded
def render(context: typer.Context, config: ConfigFile = None, debug: Debug = False) -> int:
    """Draw stored records onto their recording, without a detector: with other classes, another style, or as it was.

    With the drawing options of the run that wrote the records, the picture is the very same. OUTPUT appears whole or not at
    all. The first Ctrl-C finishes a playable file with what was done, the second abandons.
    """
    from streamer.config.render import load_render_config

    settings = load_render_config(config, given(context))
    from streamer.redrawing import render_with

    if settings.quiet:
        return _exit_code(render_with(settings), settings.input)
    from streamer.cli.progress import Progress
    from streamer.cli.tables import print_summary

    with Progress(title="drawing") as progress:
        summary = render_with(settings, on_progress=progress.update)
    print_summary(summary)
    return _exit_code(summary, settings.input)


@app.command()
@guarded
def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)] = False, debug: Debug = False
) -> int:
    """Examine this machine: packages, models, GPU, video, window, network protocols, disk. Needs no network.

    Exit code 0 when everything that is needed works, 1 when something is missing or broken without which nothing goes.
    """
    from streamer.doctor.examination import examine

    findings = examine()
    if json:
        import json as encoder

        typer.echo(encoder.dumps([finding.as_dict() for finding in findings], indent=2, ensure_ascii=False))
    else:
        from streamer.cli.tables import print_findings

        print_findings(findings)
    return 1 if any(finding.fatal for finding in findings) else 0


@app.command()
@guarded
def probe(
    input: Annotated[str, typer.Argument(metavar="INPUT", help="Anything FFmpeg reads.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Accept any certificate of an https or rtsps server.", show_default=False)
    ] = False,
    debug: Debug = False,
) -> None:
    """Show what a recording holds: streams, sizes, declared and measured rates, rotation, colour, duration."""
    from streamer.runtime import tls
    from streamer.sources.probe import probe as probe_input

    if insecure:
        tls.leave_unchecked(input)
    report = probe_input(input)
    if json:
        import json as encoder

        typer.echo(encoder.dumps(report.as_dict(), indent=2, ensure_ascii=False))
    else:
        from streamer.cli.tables import print_probe

        print_probe(report)


app.command(no_args_is_help=True)(analyse)
app.command(
    no_args_is_help=True,
    epilog="\n\n".join(
        [
            "Examples:",
            "  streamer export found.jsonl --to coco -o dataset --video match.mp4 --every 10",
            "  streamer export found --to cvat -o datasets --video videos --workers 4 --resume",
        ]
    ),
)(export)
app.command(
    "import",
    no_args_is_help=True,
    epilog="Example:  streamer import annotations.xml --from cvat --records found.jsonl -o corrected.jsonl",
)(import_annotations)
app.command(
    no_args_is_help=True,
    epilog="Example:  streamer compare corrected.jsonl found.jsonl --video match.mp4 --worst 10 -o worst",
)(compare)
add_to(app)
app.command(cls=with_options_of("streamer.config.demo:DemoConfig"), epilog="\n\n".join(WEB_EPILOG))(web)
app.command(cls=with_options_of("streamer.config.serve:ServeConfig"), no_args_is_help=True, epilog="\n\n".join(SERVE_EPILOG))(
    serve
)


def main() -> None:
    """Entry point of the ``streamer`` command.

    SIGTERM counts as Ctrl-C from the first moment, so that a model which is being loaded leaves nothing half done behind. Once
    the command is through, neither changes its exit code any more. A thread that was left in a long call delays nothing.
    """
    not_while_starting()
    sleep_when_idle()
    look_for_no_plugins()
    open_closed_streams()
    redact_stderr()
    for number in SIGNALS:
        signal.signal(number, raise_interrupt)
    lose_no_interrupt()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name may hold bytes that are not UTF-8: shown as \\xNN, as stderr does by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        application(sys.argv[1:2])()
    except SystemExit as end:
        _ignore_signals()
        code = end.code if isinstance(end.code, int) else 1
        # Typer, which reads the arguments, takes every interrupt for Ctrl-C.
        code = exit_code(complete=False) if code == INTERRUPTED else code
        end_process(code)
        raise SystemExit(code) from end
    except KeyboardInterrupt:
        _ignore_signals()
        raise SystemExit(exit_code(complete=False)) from None  # nothing was begun
    finally:
        _ignore_signals()


def application(names: list[str]) -> typer.Typer:
    """All commands, or the named one alone: typer makes the options of each command at each start."""
    commands = [command for command in app.registered_commands if _name(command) in names]
    if not commands:
        return app
    small = copy(app)
    small.registered_commands, small.registered_groups = commands, []
    return small


def _name(command: CommandInfo) -> str | None:
    return command.name or (get_command_name(command.callback.__name__) if command.callback else None)


def _ignore_signals() -> None:
    """Leave the exit code as it is, whatever comes now."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # Python notes that Ctrl-C went through a text that was executed, as the methods of a dataclass are when its module is
    # loaded, and then ends by SIGINT, though it was caught. The next text takes the note back.
    exec("")
