"""Runs cameras as the commands do: checks, detector, supervision, exit code."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from streamer.config.live import CameraConfig, ProcessOptions
from streamer.detectors.from_settings import least_score
from streamer.detectors.preparing import Reminder, fetch, loaded, times_of
from streamer.errors import StreamerError
from streamer.events.delivery import DeliveryStatus
from streamer.live.check import check_cameras, check_displays
from streamer.live.detector_loading import DetectorLoader
from streamer.live.events import EventFiles
from streamer.live.parts import PartsFactory
from streamer.live.recordable import recordable
from streamer.live.service import Deliveries, service
from streamer.live.shared_detector import SharedDetector
from streamer.live.status import CameraStatus
from streamer.live.supervisor import Cameras, Observer, has_files_or_streams
from streamer.perception.analysed import Scene
from streamer.redact import redact
from streamer.runtime.signals import exit_code
from streamer.sources.address import parse_address
from streamer.stages import State

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from streamer.web.wall import Wall

CLEAN, FAILED = 0, 1


def run_cameras(
    cameras: Mapping[str, CameraConfig],
    process: ProcessOptions,
    *,
    single: bool = False,
    observe: Observer | None = None,
    tell: Callable[[str], None] = log.warning,
    on_running: Callable[[Cameras], object] = lambda _: None,
) -> int:
    """Run cameras by name until all have ended, and return the exit code. For the main thread, which windows and signals need;
    without windows any thread can, and ``on_running`` gets what stops the cameras, before they begin.

    ``single``: the one source of a command line. It has to be there at the start, is shown in a window where there is nothing
    else to see of it, ends with its window, and what ends it is raised; of many cameras each fails alone. ``observe`` is shown
    their statuses, ``tell`` what must not be in the log: a token that was made.

    Raises ``ConfigError`` for what cannot be, ``DetectorError`` for a detector that cannot be loaded.
    """
    check_cameras(cameras, process, single=single)
    cameras = recordable(cameras)
    if single and process.metrics is None and process.web is None:
        cameras = {name: camera if has_files_or_streams(camera) else _shown(camera) for name, camera in cameras.items()}
    check_displays(list(cameras.values()))
    running: list[Cameras] = []
    since_s, since_utc_s = time.monotonic(), time.time()

    def statuses() -> list[CameraStatus]:
        if running:
            return running[0].statuses()
        return [starting(name, camera, since_s, since_utc_s) for name, camera in cameras.items()]

    def scene(camera: str) -> Scene | None:
        return running[0].scene(camera) if running else None

    opened: list[EventFiles] = []

    def deliveries() -> Mapping[str, Sequence[DeliveryStatus]]:
        return opened[0].deliveries() if opened else {}

    with (
        served(process.metrics, statuses, deliveries),
        _shown_in_browsers(cameras, process, statuses, deliveries, tell, scene, single=single) as wall,
        EventFiles(cameras, process) as events,
    ):
        opened.append(events)
        watched = [camera for camera in cameras.values() if not camera.only_copied]
        detector, parts = load_detector(process, watched, events, wall) if watched else (None, None)
        if not single:
            told = "no detector: they are only recorded" if detector is None else f"detector {detector.detector.name}"
            log.info("%d cameras, %s", len(cameras), told)
        supervised = Cameras(cameras, detector, parts, observe=observe, patient=not single, window_ends=single)
        running.append(supervised)
        events.watch(statuses)
        on_running(supervised)
        supervised.run()
    if single:
        for failure in supervised.failures.values():
            if isinstance(failure, StreamerError):
                raise failure
    failed = bool(supervised.failures) or any(camera.failed_outputs.errors for camera in supervised.cameras)
    return FAILED if failed or supervised.gave_up else exit_code() if supervised.interrupted else CLEAN


def _shown_in_browsers(
    cameras: Mapping[str, CameraConfig],
    process: ProcessOptions,
    statuses: Callable[[], Sequence[CameraStatus]],
    deliveries: Deliveries,
    tell: Callable[[str], None],
    scene: Callable[[str], Scene | None],
    *,
    single: bool,
) -> AbstractContextManager[Wall | None]:
    """Serve the wall, if there is to be one. Raises ``ConfigError``."""
    if process.web is None:
        return nullcontext()
    from streamer.live.place_editor import PlaceEditor
    from streamer.live.web import shown_in_browsers

    places = PlaceEditor(cameras, process.origin.document, scene, single=single)
    return shown_in_browsers(cameras, process, statuses, deliveries, tell, places)


@contextmanager
def served(address: str | None, statuses: Callable[[], Sequence[CameraStatus]], deliveries: Deliveries) -> Iterator[None]:
    """Serve metrics and health, while the detector is loaded, too. Raises ``ConfigError`` for an address that is taken."""
    if address is None:
        yield
        return
    from streamer.web.server import WebServer
    from streamer.web.service import service_app

    told = service(statuses, deliveries)
    with WebServer(address, lambda: service_app(told), what="metrics") as server:
        log.info("metrics at %s/metrics, health at /healthz, status at /status", server.url)
        yield


def starting(
    name: str, camera: CameraConfig, since_s: float, since_utc_s: float, reason: str = "the detector is being loaded"
) -> CameraStatus:
    """How a camera is that waits, since ``since_s`` (monotonic) and ``since_utc_s`` (seconds since 1970), for ``reason``."""
    return CameraStatus(
        name=name,
        source=redact(parse_address(camera.source).name),
        state=State.STARTING,
        state_s=time.monotonic() - since_s,
        since_utc_s=since_utc_s,
        reason=reason,
    )


def camera_name(source: str) -> str:
    """What the one source of a command line is called: its address without credentials, which stays the same."""
    return parse_address(source).name


def _shown(camera: CameraConfig) -> CameraConfig:
    return camera.model_copy(update={"show": True})


def load_detector(
    process: ProcessOptions, cameras: Sequence[CameraConfig], events: EventFiles | None = None, wall: Wall | None = None
) -> tuple[SharedDetector, PartsFactory]:
    """The detector, loaded, giving the least score that a camera can use; and the parts that use it.

    It is warmed up in its own thread while the cameras run already; one that cannot be is loaded again there, as is one whose
    server is away. Raises ``ConfigError`` for classes that it does not know, and ``DetectorError`` when it cannot be loaded.
    """
    least = min(least_score(camera, process.detector, tracked=camera.follow) for camera in cameras)
    times = times_of(process)
    reminder = Reminder()

    def tell(what: str, seconds: float) -> None:
        if reminder.due(seconds):
            log.info("%s, %.0f s", what, seconds)

    loader = DetectorLoader(process, least)
    fetch(process, tell)
    detectors = loaded(process, times, tell, loader.load_or_await)
    shared = SharedDetector(*detectors, load=loader.load_again, backoff=loader.backoff, cold=True, times=times)
    try:
        parts = PartsFactory(shared, process, events, wall)
        for camera in cameras:
            parts.check(camera)
    except BaseException:
        shared.close()
        raise
    return shared, parts


def report(cameras: Mapping[str, CameraConfig]) -> list[str]:
    """What a check has to say: one line for each camera."""
    lines = []
    for name, camera in cameras.items():
        live = parse_address(camera.source).live if camera.live is None else camera.live
        kind = "live or a recording" if live is None else "live" if live else "recording"
        outputs = [
            *(["window"] if camera.show else []),
            *(["record"] if camera.record is not None else []),
            *(["record_annotated"] if camera.record_annotated is not None else []),
            *(["output"] if camera.output is not None else []),
            *(["publish"] * len(camera.publish)),
            *(["detections"] if camera.detections is not None else []),
            *(["events"] if camera.events is not None else []),
        ]
        told = ", ".join(outputs) or "no output"
        lines.append(f"{name}: {parse_address(camera.source).name} ({kind}), weight {camera.weight:g}, {told}")
    return lines
