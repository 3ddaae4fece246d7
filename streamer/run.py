"""Many cameras from one file of settings, sharing one detector."""

from __future__ import annotations

import logging
import os

from streamer.assembly import check_addresses
from streamer.cameras import Cameras
from streamer.errors import ConfigError
from streamer.health import parse_address as parse_metrics_address
from streamer.live import CLEAN, FAILED, INTERRUPTED, check_displays, load_detector, set_up_log
from streamer.live_config import CameraConfig, RunConfig, load_run_config
from streamer.live_table import LiveTable
from streamer.sources.address import parse_address

log = logging.getLogger(__name__)


def run(path: str | os.PathLike[str]) -> int:
    """Run the cameras of a configuration file until all have ended or somebody ends them; the exit code. For the main thread.

    Raises ``ConfigError``, and ``DetectorError`` for a detector that cannot be had. Cameras fail alone: exit code 1 at the end.
    """
    return run_with(load_run_config(path))


def run_with(config: RunConfig) -> int:
    """The same with checked settings, for the command."""
    handler = set_up_log(config)
    configs = checked(config)
    check_displays(list(configs.values()))
    detector, parts = load_detector(config, list(configs.values()))
    log.info("%d cameras, detector %s", len(configs), detector.name)
    cameras = Cameras(
        configs,
        detector,
        parts,
        metrics=config.metrics,
        table=LiveTable(quiet=config.quiet, log_handler=handler),
        log_handler=handler,
    )
    cameras.run()
    failed = bool(cameras.failures) or any(camera.failed_outputs.errors for camera in cameras.cameras)
    return FAILED if failed else INTERRUPTED if cameras.interrupted else CLEAN


def checked(config: RunConfig) -> dict[str, CameraConfig]:
    """The cameras, with everything that can be known to be wrong without opening anything refused by ``ConfigError``."""
    configs = config.resolved()
    if config.metrics is not None:
        parse_metrics_address(config.metrics)
    for name, camera in configs.items():
        try:
            parse_address(camera.source)
            check_addresses(camera)
        except ConfigError as error:
            raise ConfigError(f"cameras.{name}: {error.message}", hint=error.hint) from error
        for path in (camera.output, camera.detections):
            if path is not None and path.exists() and path.is_file() and not camera.overwrite:
                raise ConfigError(f"cameras.{name}: {path} is there already", hint="name another file, or set overwrite: true")
    return configs


def report(config: RunConfig) -> list[str]:
    """What a check has to say: one line for each camera."""
    lines = []
    for name, camera in checked(config).items():
        live = parse_address(camera.source).live if camera.live is None else camera.live
        kind = "live or a recording" if live is None else "live" if live else "recording"
        outputs = [
            *(["window"] if camera.show else []),
            *(["record"] if camera.record is not None else []),
            *(["output"] if camera.output is not None else []),
            *(["publish"] * len(camera.publish)),
            *(["detections"] if camera.detections is not None else []),
        ]
        told = ", ".join(outputs) or "no output"
        lines.append(f"{name}: {parse_address(camera.source).name} ({kind}), weight {camera.weight:g}, {told}")
    return lines
