"""The command that serves a detector. Imports of anything heavy stand inside it."""

from __future__ import annotations

import typer

from streamer.cli.errors import Debug, guarded
from streamer.cli.options import ConfigFile, given

EPILOG = (
    "Examples:",
    "  streamer serve nanodet",
    "  streamer annotate in.mp4 -o out.mp4 --detector kserve://127.0.0.1:8001/nanodet",
    "  streamer serve mask-rcnn --device cuda --address 0.0.0.0:8001 --token '${TOKEN}' --tls-cert cert.pem --tls-key key.pem",
    "  streamer live rtsp://camera.example/1 --show --detector 'kserves://${TOKEN}@gpu.example:8001/mask-rcnn'",
    "Exit codes: 1 failed, 2 wrong arguments, 130 Ctrl-C, 0 SIGTERM.",
)


@guarded
def serve(context: typer.Context, config: ConfigFile = None, debug: Debug = False) -> int:
    """Serve a detector to other processes and machines, by KServe's protocol v2 over gRPC and HTTP.

    Many cameras and recordings then share one GPU: each names it by --detector kserve://HOST:PORT/MODEL.
    """
    from streamer.config.serve import load_serve_config

    settings = load_serve_config(config, given(context))
    from streamer.runtime.log import set_up
    from streamer.runtime.signals import exit_code
    from streamer.serving.run import run_server

    set_up(settings.log_format)
    try:
        run_server(settings, typer.echo)
    except KeyboardInterrupt:
        return exit_code()
    return 0
