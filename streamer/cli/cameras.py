"""``streamer cameras``: find those of the network. Imports of anything heavy stand inside the commands."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.errors import Debug, guarded

cameras_app = typer.Typer(help="The cameras of the network: find them.", no_args_is_help=True)

PASSWORD = "CAMERA_PASSWORD"


@cameras_app.callback()
def cameras() -> None:
    pass


@cameras_app.command(
    "find",
    epilog="\n\n".join(
        [
            "Examples:",
            "  streamer cameras find",
            "  CAMERA_PASSWORD=… streamer cameras find --user viewer --yaml wall.yaml",
            "Exit codes: 0 found, 1 none answered or one refused the password, 2 wrong arguments.",
        ]
    ),
)
@guarded
def find(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE.yaml]", help="With --yaml: where to write it; stdout without.", show_default=False),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            help=f"Log in as this user, for stream addresses. The password is taken from {PASSWORD} or asked for.",
            show_default=False,
        ),
    ] = None,
    yaml: Annotated[
        bool,
        typer.Option(
            "--yaml",
            help="Write a configuration for streamer run: the large picture is recorded by copy, the small one looked at.",
            show_default=False,
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)] = False,
    interface: Annotated[
        str | None,
        typer.Option(metavar="NAME|ADDRESS", help="The network interface to ask on; without it, all.", show_default=False),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds to wait for answers.")] = 3.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.", show_default=False)] = False,
    debug: Debug = False,
) -> int:
    """List the ONVIF cameras that answer on the network: name, address, profiles; with --user also stream addresses.

    Asks once, by multicast, when it is called; nothing else in streamer looks for cameras.
    """
    from streamer.discovery.search import find_cameras
    from streamer.errors import SourceAuthFailed, SourceUnavailable
    from streamer.sinks.atomic import check_output

    _check_arguments(file, user, yaml=yaml, json=json)
    if file is not None:
        check_output(file, overwrite=overwrite)
    password = _password() if user is not None else None
    found, notes = find_cameras(timeout, interface, user, password)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    if json:
        import json as encoder

        typer.echo(encoder.dumps([camera.as_dict() for camera in found], indent=2, ensure_ascii=False))
    if not found:
        raise SourceUnavailable(
            f"no camera answered within {timeout:g} s",
            hint="it must be in the same network and have ONVIF switched on; --interface names another network",
        )
    if yaml and user is not None:
        for camera in found:
            if camera.problem:
                typer.echo(f"note: {camera.name} at {camera.host}: {camera.problem}", err=True)
    refused = [camera for camera in found if camera.refused]
    if yaml and user is not None and len(refused) < len(found):
        from streamer.discovery.wall import configuration

        _write(configuration(found, user, PASSWORD), file, overwrite=overwrite)
    elif not json and not yaml:
        from streamer.cli.tables import print_found_cameras

        print_found_cameras(found)
    if refused:
        raise SourceAuthFailed(
            f"{len(refused)} of {len(found)} cameras refused user {user} or the password",
            hint=f"check both, and {PASSWORD}; cameras often have users of their own for ONVIF",
        )
    return 0


def _check_arguments(file: Path | None, user: str | None, *, yaml: bool, json: bool) -> None:
    from streamer.errors import ConfigError

    if yaml and json:
        raise ConfigError("--yaml and --json are two forms of one answer", hint="leave one of them out")
    if file is not None and not yaml:
        raise ConfigError(f"{file} is written with --yaml only", hint="add --yaml, or leave the file out")
    if yaml and user is None:
        raise ConfigError("--yaml needs the addresses of the streams, which cameras tell users only", hint="add --user NAME")
    if user is not None and not user.isprintable():
        raise ConfigError("the user's name holds what cannot be printed", hint="check --user")


def _password() -> str:
    from streamer.errors import ConfigError
    from streamer.redact import remember_secret

    password = os.environ.get(PASSWORD)
    if not password:
        if not sys.stdin or not sys.stdin.isatty():
            raise ConfigError("--user needs a password", hint=f"put it into the environment as {PASSWORD}")
        password = str(typer.prompt("Password", hide_input=True, err=True))
    remember_secret(password)
    return password


def _write(text: str, file: Path | None, *, overwrite: bool) -> None:
    if file is None:
        typer.echo(text, nl=False)
        return
    from streamer.errors import OutputWriteFailed
    from streamer.sinks.atomic import PendingFile

    pending = PendingFile(file, overwrite=overwrite)
    try:
        pending.temporary.write_text(text, encoding="utf-8")
        pending.commit()
    except OSError as error:
        raise OutputWriteFailed(f"{file} cannot be written ({error.strerror})", hint="check the disk") from error
    finally:
        pending.discard()
    typer.echo(f"{file} is written; check it with: streamer run --check {file}", err=True)
