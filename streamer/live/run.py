"""Runs cameras as the commands do: checks, detector, supervision, exit code."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from streamer.config.live import CameraConfig, ProcessOptions
from streamer.detectors.from_settings import least_score, load
from streamer.errors import StreamerError
from streamer.live.check import check_cameras, check_displays
from streamer.live.parts import PartsFactory
from streamer.live.shared_detector import SharedDetector
from streamer.live.supervisor import Cameras, Observer, has_files_or_streams
from streamer.runtime.signals import exit_code
from streamer.sources.address import parse_address
from streamer.stages import Detector

CLEAN, FAILED = 0, 1

log = logging.getLogger(__name__)


def run_cameras(
    cameras: Mapping[str, CameraConfig], process: ProcessOptions, *, single: bool = False, observe: Observer | None = None
) -> int:
    """Run cameras by name until all have ended, and return the exit code. For the main thread, which windows and signals need.

    ``single``: the one source of a command line. It has to be there at the start, is shown in a window where there is nothing
    else to see of it, ends with its window, and what ends it is raised; of many cameras each fails alone. ``observe`` is shown
    their statuses.

    Raises ``ConfigError`` for what cannot be, ``DetectorError`` for a detector that cannot be loaded.
    """
    check_cameras(cameras, process, single=single)
    if single and process.metrics is None:
        cameras = {name: camera if has_files_or_streams(camera) else _shown(camera) for name, camera in cameras.items()}
    check_displays(list(cameras.values()))
    detector, parts = load_detector(process, list(cameras.values()))
    if not single:
        log.info("%d cameras, detector %s", len(cameras), detector.detector.name)
    supervised = Cameras(
        cameras, detector, parts, metrics=process.metrics, observe=observe, patient=not single, window_ends=single
    )
    supervised.run()
    if single:
        for failure in supervised.failures.values():
            if isinstance(failure, StreamerError):
                raise failure
    failed = bool(supervised.failures) or any(camera.failed_outputs.errors for camera in supervised.cameras)
    return FAILED if failed or supervised.gave_up else exit_code() if supervised.interrupted else CLEAN


def camera_name(source: str) -> str:
    """What the one source of a command line is called: its address without credentials, which stays the same."""
    return parse_address(source).name


def _shown(camera: CameraConfig) -> CameraConfig:
    return camera.model_copy(update={"show": True})


def load_detector(process: ProcessOptions, cameras: Sequence[CameraConfig]) -> tuple[SharedDetector, PartsFactory]:
    """The detector, warmed up, giving the least score that a camera can use; and the parts that use it.

    Raises ``ConfigError`` for classes that it does not know, and ``DetectorError`` when it cannot be loaded. One that cannot be
    warmed up costs no picture: it is loaded again while the cameras run.
    """
    least = min(least_score(camera, process.detector, tracked=camera.follow) for camera in cameras)

    def load_cold() -> Detector:
        return load(process, least)

    detector = load_cold()
    try:
        parts = PartsFactory(detector, process)
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


def report(cameras: Mapping[str, CameraConfig]) -> list[str]:
    """What a check has to say: one line for each camera."""
    lines = []
    for name, camera in cameras.items():
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
