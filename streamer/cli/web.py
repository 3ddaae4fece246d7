"""The command for the webcam demo. Imports of anything heavy stand inside it."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.cli.errors import Debug, guarded
from streamer.cli.options import ConfigFile, given

EPILOG = (
    "Examples:",
    "  streamer web",
    "  streamer web --port 9000 --detector nanodet:large --classes person,cat,dog",
    "  streamer web --web 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem --sessions 8",
    "Exit codes: 1 failed, 2 wrong arguments, 130 Ctrl-C, 0 SIGTERM.",
)


@guarded
def web(
    context: typer.Context,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", min=0, max=65535, help="The same as --web PORT.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    debug: Debug = False,
) -> int:
    """Open a webcam demo for browsers: their camera comes here, and goes back with what was found drawn on it.

    On this machine it is at http://127.0.0.1:8080. Who has no camera takes the test scene, or brings a clip. Nothing is kept.
    """
    from streamer.config.demo import load_demo_config

    settings = load_demo_config(config, {**given(context), **({} if port is None else {"web": str(port)})})
    from streamer.demo.run import run_demo
    from streamer.runtime.signals import exit_code

    try:
        run_demo(settings, typer.echo)
    except KeyboardInterrupt:
        return exit_code()
    return 0
