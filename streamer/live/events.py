"""The events of a process: one file for each folder, the outputs that write them, and who is told."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from streamer.config.live import CameraConfig, ProcessOptions
from streamer.config.zones import places_of
from streamer.events.delivery import Delivery, DeliveryStatus
from streamer.events.from_settings import event_rules
from streamer.events.output import EventsOutput
from streamer.events.ownership import Ownership
from streamer.events.retention import EventRetention
from streamer.events.states import WatchedCamera, WatchedZone
from streamer.events.store import EVENTS_FILE, EventStore, make_folder
from streamer.events.targets.from_settings import make_targets
from streamer.events.tracker import EventTracker
from streamer.live.copying import CopyRecording
from streamer.live.status import CameraStatus
from streamer.stages import State

log = logging.getLogger(__name__)

_LOOK_S = 1.0


class EventFiles:
    """Keeps the files of events of all cameras, and tells the targets, until closed.

    Raises ``ConfigError`` where a folder cannot be used, or a target cannot be made.
    """

    def __init__(self, cameras: Mapping[str, CameraConfig], process: ProcessOptions) -> None:
        self._stores: dict[Path, EventStore] = {}
        self._deliveries: dict[Path, Delivery] = {}
        self._retentions: list[EventRetention] = []
        self._owned: list[Ownership] = []
        # However a folder is written, it is one.
        self._cameras = {name: Path(os.path.realpath(each.events)) for name, each in cameras.items() if each.events is not None}
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            for folder in dict.fromkeys(self._cameras.values()):
                self._open(folder, {name: cameras[name] for name, own in self._cameras.items() if own == folder}, process)
        except BaseException:
            self.close()
            raise

    def _open(self, folder: Path, cameras: Mapping[str, CameraConfig], process: ProcessOptions) -> None:
        make_folder(folder)
        self._owned.append(Ownership(folder))
        store = EventStore(folder / EVENTS_FILE, targets=process.target_names, most_waiting=process.delivery.most_waiting)
        self._stores[folder] = store
        keep_hours = {name: each.keep_events_hours for name, each in cameras.items() if each.keep_events_hours is not None}
        if keep_hours:
            self._retentions.append(EventRetention(store, keep_hours))
        if process.target_names:
            watched = [watched_camera(name, camera) for name, camera in cameras.items()]
            targets = make_targets(
                process, store.path, cameras=watched, open_events=store.open_events, last_snapshot=store.last_snapshot
            )
            delivery = Delivery(store, targets, give_up_after_s=process.delivery.give_up_after)
            self._deliveries[folder] = delivery
            delivery.start()

    def output(
        self, camera: str, config: CameraConfig, class_name: Callable[[int], str], recording: CopyRecording | None
    ) -> EventsOutput | None:
        """What makes the events of a camera; None where it makes none."""
        if config.events is None:
            return None
        return EventsOutput(
            config.events,
            camera,
            self._stores[self._cameras[camera]],
            EventTracker(camera, event_rules(config), class_name),
            clips=None if recording is None else _Recorded(recording),
            pre_capture_s=config.event_pre_capture,
            post_capture_s=config.event_post_capture,
        )

    def watch(self, statuses: Callable[[], Sequence[CameraStatus]]) -> None:
        """Tell the targets which cameras deliver pictures, from now on."""
        if self._deliveries:
            self._thread = threading.Thread(target=self._watch, args=(statuses,), name="camera-states", daemon=True)
            self._thread.start()

    def deliveries(self) -> dict[str, list[DeliveryStatus]]:
        """By folder of events: how each target is doing. Any thread; empty once closed."""
        if self._stopped.is_set():
            return {}
        return {str(folder): delivery.status() for folder, delivery in list(self._deliveries.items())}

    def _watch(self, statuses: Callable[[], Sequence[CameraStatus]]) -> None:
        told: dict[str, bool] = {}
        while not self._stopped.wait(_LOOK_S):
            for status in statuses():
                folder, online = self._cameras.get(status.name), status.state is State.RUNNING
                if folder is not None and told.get(status.name) != online:
                    told[status.name] = online
                    self._deliveries[folder].camera_state(status.name, online=online)

    def close(self) -> None:
        """Send what can be sent within two seconds, and close the files; what waits is sent by the next process."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_LOOK_S)
        for delivery in self._deliveries.values():
            delivery.close()
        for retention in self._retentions:
            retention.close()
        for store in self._stores.values():
            store.close()
        for owned in self._owned:
            owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


class _Recorded:
    """Implements ``output.Clips``: what is recorded by copy of the same camera."""

    def __init__(self, recording: CopyRecording) -> None:
        self._recording = recording

    @property
    def recorded_until_utc_s(self) -> float | None:
        return self._recording.recorded_until_utc_s

    def hold(self, since_utc_s: float) -> None:
        self._recording.hold(since_utc_s)

    def release(self, until_utc_s: float) -> None:
        self._recording.release(until_utc_s)

    def make_room(self, folder: Path) -> bool:
        return self._recording.make_room(folder)

    def clip(self, start_utc_s: float, end_utc_s: float, target: Path) -> Path | None:
        clip = self._recording.clip(start_utc_s, end_utc_s, target)
        if not clip.paths:
            return None
        if clip.start_utc_s > start_utc_s + 0.5 or clip.end_utc_s < end_utc_s - 0.5:
            log.warning(
                "the clip %s holds %.1f of %.1f s: the rest was not recorded",
                clip.paths[0].name,
                clip.end_utc_s - clip.start_utc_s,
                end_utc_s - start_utc_s,
            )
        return clip.paths[0]


def watched_camera(name: str, camera: CameraConfig) -> WatchedCamera:
    """A camera with the classes that its settings name; where they name none, with those that its zones name."""
    zones, _ = places_of(camera)
    named = [each for each in camera.event_classes or camera.classes or () if each != "all"]
    classes = named or sorted({each for zone in zones for each in zone.classes or ()})
    watched = [
        WatchedZone(zone.name, tuple(each for each in classes if zone.classes is None or each in zone.classes))
        for zone in zones
    ]
    return WatchedCamera(name, tuple(classes), tuple(watched))
