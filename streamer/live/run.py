"""One live source: in, annotated, out, until somebody ends it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from streamer.cli.live_table import LiveTable
from streamer.config.live import CameraConfig, LiveConfig, ProcessOptions, RunConfig, load_live_config, load_run_config
from streamer.errors import ConfigError, StreamerError
from streamer.live.http import parse_address as parse_metrics_address
from streamer.live.parts import RealParts, check_addresses, wanted_score
from streamer.live.shared_detector import SharedDetector
from streamer.live.supervisor import Cameras, has_files_or_streams
from streamer.runtime.log import FoldingHandler, set_up
from streamer.runtime.signals import exit_code
from streamer.sinks.same_file import refuse_clashes
from streamer.sources.address import parse_address
from streamer.stages import Detector

CLEAN, FAILED = 0, 1

log = logging.getLogger(__name__)


def live(source: str | os.PathLike[str], **options: Any) -> int:
    """Run one source as ``streamer live`` does, and return the exit code. For the main thread, which windows and signals need.

    ``options`` are the fields of ``LiveConfig``: ``live(0, show=True)``, ``live("rtsp://…", record="recordings")``.
    Raises ``ConfigError``, and ``SourceError``, ``DetectorError`` or ``SinkError`` for what cannot be had at the start.
    """
    return live_with(
        load_live_config(None, {"source": os.fspath(source) if isinstance(source, os.PathLike) else source, **options})
    )


def live_with(config: LiveConfig) -> int:
    """The same with checked settings, for the command."""
    handler = set_up_log(config)
    check_addresses(config)
    _check_files({camera_name(config.source): config}, config)
    if config.metrics is not None:
        parse_metrics_address(config.metrics)
    if not has_files_or_streams(config) and config.metrics is None:
        # Nothing to see would be nothing at all: a window is what is meant.
        config = config.model_copy(update={"show": True})
    check_displays([config])
    detector, parts = load_detector(config, [config])
    # The source's address without credentials, as a label that stays the same over restarts.
    name = camera_name(config.source)
    cameras = Cameras(
        {name: config},
        detector,
        parts,
        metrics=config.metrics,
        table=LiveTable(quiet=config.quiet, log_handler=handler),
        log_handler=handler,
        patient=False,
        window_ends=True,
    )
    cameras.run()
    return outcome(cameras)


def camera_name(source: str) -> str:
    """What a single source is called: its address without credentials."""
    return parse_address(source).name


def outcome(cameras: Cameras) -> int:
    """The exit code of a run that has ended: 0, 1 after a failure of an output. Raises what ended the only camera."""
    if len(cameras.cameras) == 1 and cameras.failures:
        failure = next(iter(cameras.failures.values()))
        if isinstance(failure, StreamerError):
            raise failure
    failed = bool(cameras.failures) or any(camera.failed_outputs.errors for camera in cameras.cameras)
    return FAILED if failed or cameras.gave_up else exit_code() if cameras.interrupted else CLEAN


def set_up_log(process: ProcessOptions) -> FoldingHandler:
    """The log as the settings want it."""
    return set_up(process.log_format, level=logging.WARNING if process.quiet else logging.INFO)


def check_displays(cameras: Sequence[CameraConfig], environ: Mapping[str, str] = os.environ) -> None:
    """Before anything is loaded: raises ``OutputRefused`` when a window is wanted and there is no display."""
    if any(camera.show for camera in cameras):
        from streamer.sinks.display import check_display

        check_display(environ).release()


def load_detector(process: ProcessOptions, cameras: Sequence[CameraConfig]) -> tuple[SharedDetector, RealParts]:
    """The detector, warmed up, giving the least score that a camera can use; and the parts that use it.

    Raises ``ConfigError`` for classes that it does not know, and ``DetectorError`` when it cannot be loaded. One that cannot be
    warmed up costs no picture: it is loaded again while the cameras run.
    """
    from streamer.detectors.registry import load_detector as load

    least = min(wanted_score(camera, process.detector) for camera in cameras)

    def load_cold() -> Detector:
        return load(process.detector, score_threshold=least, threads=process.threads, labels_path=process.labels)

    detector = load_cold()
    try:
        parts = RealParts(detector, process)
        for camera in cameras:
            parts.selection(camera)
    except BaseException:
        detector.close()
        raise
    failed = None
    try:
        detector.warm_up()
    except Exception as error:  # noqa: BLE001  # a user's detector may raise anything; each camera says what it was
        failed = error
    return SharedDetector(detector, load=lambda: warmed_up(load_cold()), failed=failed), parts


def warmed_up(detector: Detector) -> Detector:
    """``detector``, warmed up, or closed if that fails."""
    try:
        detector.warm_up()
    except BaseException:
        detector.close()
        raise
    return detector


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
    log.info("%d cameras, detector %s", len(configs), detector.detector.name)
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
    return FAILED if failed or cameras.gave_up else exit_code() if cameras.interrupted else CLEAN


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
    _check_files(configs, config)
    return configs


def _check_files(cameras: Mapping[str, CameraConfig], process: ProcessOptions) -> None:
    """Raise ``OutputRefused`` where a file that is read, or written already, is to be written under any of its names."""
    refuse_clashes(
        {"the file of labels": process.labels, **{f"the source of {name}": camera.source for name, camera in cameras.items()}},
        [path for camera in cameras.values() for path in (camera.output, camera.detections)],
    )


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
