"""One live source: in, annotated, out, until somebody ends it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from streamer.assembly import RealParts, check_addresses, wanted_score
from streamer.cameras import Cameras, has_files_or_streams
from streamer.errors import StreamerError
from streamer.health import parse_address as parse_metrics_address
from streamer.live_config import CameraConfig, LiveConfig, ProcessOptions, load_live_config
from streamer.live_table import LiveTable
from streamer.log import FoldingHandler, set_up
from streamer.sources.address import parse_address
from streamer.stages import Detector

CLEAN, FAILED, INTERRUPTED = 0, 1, 130


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
    return FAILED if failed else INTERRUPTED if cameras.interrupted else CLEAN


def set_up_log(process: ProcessOptions) -> FoldingHandler:
    """The log as the settings want it."""
    return set_up(process.log_format, level=logging.WARNING if process.quiet else logging.INFO)


def check_displays(cameras: Sequence[CameraConfig], environ: Mapping[str, str] = os.environ) -> None:
    """Before anything is loaded: raises ``OutputRefused`` when a window is wanted and there is no display."""
    if any(camera.show for camera in cameras):
        from streamer.sinks.display import check_display

        check_display(environ).release()


def load_detector(process: ProcessOptions, cameras: Sequence[CameraConfig]) -> tuple[Detector, RealParts]:
    """The detector, warmed up, giving the least score that a camera can use; and the parts that use it."""
    from streamer.detectors.registry import load_detector as load

    least = min(wanted_score(camera, process.detector) for camera in cameras)
    detector = load(process.detector, score_threshold=least, threads=process.threads, labels_path=process.labels)
    try:
        parts = RealParts(detector, process)
        for camera in cameras:
            parts.selection(camera)
        detector.warm_up()
    except BaseException:
        detector.close()
        raise
    return detector, parts
