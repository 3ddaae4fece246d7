"""``streamer models``: list, check, download, verify and remove detectors."""

from __future__ import annotations

import dataclasses
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.errors import Debug, guarded

models_app = typer.Typer(
    help="The detectors: what there is, where it lies, whether it is whole and how fast; fetch and remove them.",
    invoke_without_command=True,
    epilog="Without a command: list.",
)

Detector = Annotated[str, typer.Argument(metavar="DETECTOR", help="As --detector of annotate.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)]


@models_app.callback()
def models(context: typer.Context, debug: Debug = False) -> None:
    if context.invoked_subcommand is None:
        guarded(_list)(as_json=False)


@models_app.command("list")
@guarded
def models_list(json: Json = False, debug: Debug = False) -> None:
    """Show the built-in models and those in the cache: sizes, licences, where they lie."""
    _list(as_json=json)


def _list(*, as_json: bool) -> None:
    from streamer.detectors.catalog import known_models

    known = known_models()
    if as_json:
        _print_json([dataclasses.asdict(model) for model in known])
    else:
        from streamer.cli.tables import print_models

        print_models(known)


@models_app.command("check")
@guarded
def models_check(
    detector: Detector,
    labels: Annotated[Path | None, typer.Option(help="File of class names for a SavedModel.", show_default=False)] = None,
    threads: Annotated[int | None, typer.Option(help="Threads on a CPU.", show_default=False)] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="As --device of annotate.")] = "auto",
    precision: Annotated[str, typer.Option(metavar="full|mixed", help="As --precision of annotate.")] = "full",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Load a detector, warm it up, print its contract, its device, milliseconds a frame and peak memory.

    Of an ONNX file of no known family it prints inputs, outputs and metadata.
    """
    from streamer.detectors.check import check
    from streamer.detectors.registry import exported_file_of, load_detector, saved_model_of
    from streamer.errors import ModelRefused

    # What it sees in noise scores next to nothing, but its masks take as long as any.
    least = 0.5 if saved_model_of(detector) is None else 0.0
    try:
        loaded = load_detector(
            detector, score_threshold=least, threads=threads, labels_path=labels, device=device, precision=precision
        )
    except ModelRefused:
        if (file := exported_file_of(detector)) is not None:
            _show_what_it_has(file)
        raise
    try:
        report = check(loaded)
    finally:
        loaded.close()
    if json:
        _print_json(dataclasses.asdict(report))
    else:
        from streamer.cli.tables import print_check

        print_check(report)


@models_app.command(
    "download",
    epilog="\n\n".join(
        [
            "Examples:",
            "  streamer models download mask-rcnn",
            "  streamer models download hub:https://tfhub.dev/tensorflow/ssd_mobilenet_v2/2",
            "  streamer models download kaggle:tensorflow/mask-rcnn-inception-resnet-v2/tensorFlow2/1024x1024/1",
        ]
    ),
)
@guarded
def models_download(
    detector: Annotated[
        str, typer.Argument(metavar="DETECTOR", help="mask-rcnn, hub:HANDLE or kaggle:HANDLE.", show_default=False)
    ],
    again: Annotated[
        bool, typer.Option("--again", help="Fetch it also where a whole one is there.", show_default=False)
    ] = False,
    accept_changed: Annotated[
        bool,
        typer.Option(
            "--accept-changed",
            help="Fetch it again, take what differs from the lock file of models, and note it there.",
            show_default=False,
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Fetch a model into the persistent cache, whole and verified. What broke off before goes on."""
    from streamer.cli.download import download_model

    _say_what_is_done()
    folder = download_model(detector, again=again or accept_changed, accept_changed=accept_changed)
    typer.echo(f"{detector} is in {folder}")


@models_app.command("verify")
@guarded
def models_verify(
    detectors: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DETECTOR]...", help="As streamer models list names them; none: all.", show_default=False),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Compare models with their checksums and the lock file. Exit code 1 when one is damaged, or absent though named."""
    from streamer.detectors.catalog import known_models, verify

    present = [model.name for model in known_models() if model.size_bytes is not None]
    findings = [verify(name) for name in detectors or present]
    if json:
        _print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        for finding in findings:
            typer.echo(f"{finding.name}: {finding.condition}{f' ({finding.wrong})' if finding.wrong else ''}, {finding.where}")
    return int(any(finding.condition in ("damaged", "absent") for finding in findings))


@models_app.command("remove")
@guarded
def models_remove(
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="As streamer models list names it.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", show_default=False)] = False,
    debug: Debug = False,
) -> int:
    """Remove a model from the cache. The lock file of models keeps what it was made of."""
    from streamer.detectors import cut_cache, hub_cache
    from streamer.detectors.catalog import cached_folder
    from streamer.errors import ConfigError

    folder = cached_folder(detector)
    megabytes = hub_cache.size_bytes(folder) / 1e6
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"not removing {folder} unasked", hint="give --yes")
        if not typer.confirm(f"Remove {detector} ({megabytes:.1f} MB) from {folder.parent}?"):
            return 1
    cut_cache.forget(folder)
    hub_cache.remove(folder)
    typer.echo(f"removed {detector}: {megabytes:.1f} MB, {folder}")
    return 0


def _show_what_it_has(file: Path) -> None:
    """Print inputs, outputs and metadata of a file that is of no known family; nothing where it does not load."""
    from streamer.cli.tables import print_model_file
    from streamer.detectors.exported.detector import opened
    from streamer.errors import DetectorUnavailable

    try:
        network = opened(file)
    except DetectorUnavailable:
        return
    print_model_file(network.description)
    network.close()


def _say_what_is_done() -> None:
    """Show on stderr which address is asked, which otherwise only logs at ``info`` say."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("streamer")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def _print_json(data: object) -> None:
    import json

    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
