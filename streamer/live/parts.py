"""What makes the parts of a camera, as its settings want them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.config.live import CameraConfig, ProcessOptions
from streamer.config.zones import places_of
from streamer.detectors.absent import AbsentDetector
from streamer.errors import ConfigError
from streamer.follow.identities import Identities
from streamer.frame import StreamInfo
from streamer.instances import class_name
from streamer.live.copying import CopyRecording
from streamer.live.events import EventFiles
from streamer.live.outputs import DirectOutput, Failures, FileSink, OutputSet, item_room
from streamer.live.shared_detector import DetectorClient, SharedDetector
from streamer.perception.analysed import Analysed, Scene, check_places
from streamer.perception.detection_gate import GatedDetector, GatedPerception, gate_for
from streamer.perception.privacy import UNKNOWN, Private, privacy_rules, widened
from streamer.perception.selection import Selection, selection
from streamer.perception.unasked import Unasked
from streamer.perception.waiting import Waiting
from streamer.pipeline import Render
from streamer.redact import redact
from streamer.runtime import import_order, tls
from streamer.sources.address import Address, parse_address
from streamer.sources.packets import PacketTap, Taps
from streamer.sources.state import StateChange
from streamer.stages import Cover, Output, Perception, Reporting, Source

if TYPE_CHECKING:
    from streamer.web.wall import Wall

PUBLISH_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "udp")
"""What a picture can be published to."""

_STREAM_QUEUE = 2
_FINISH_TIMEOUT_S = 1.4
"""How long a file has to write what waits for it; all of it has to fit into the three seconds after the first Ctrl-C."""
LIVE_FILES = (".mp4", ".m4v")
"""Endings of files that are complete at any moment, however long a live source ran; others are completed at the end."""
_FILE_PRESET = "veryfast"
"""Encoding keeps up with a camera on two cores, and what it costs in size is little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What makes the parts of one camera. Perception and renderer are made anew when they fail."""

    source: Callable[[Callable[[StateChange], None]], Source]
    """The source, not yet open. It calls what it is given at each change of its state."""
    perception: Callable[[DetectorClient, StreamInfo], Perception]
    """What turns frames into annotated frames."""
    renderer: Callable[[StreamInfo], Render]
    """What draws."""
    outputs: Callable[[StreamInfo, Callable[[], Sequence[str]], Failures], OutputSet]
    """The outputs. They get the lines of the window's overlay, and where to report failures."""
    recording: CopyRecording | None = None
    """What records the packets, if anything does."""
    scene: Scene | None = None
    """What zones and lines count; None where there are none. It outlives a perception that failed."""
    labels: Callable[[], object] = lambda: None
    """The class names that perception and renderer are made for: where these change, both are made anew."""
    unknown: Cover | None = None
    """What must not be seen of a frame of which perception says nothing; None where nothing is covered."""


class PartsFactory:
    """Says what makes the parts of each camera, which share one detector."""

    def __init__(
        self, shared: SharedDetector, process: ProcessOptions, events: EventFiles | None = None, wall: Wall | None = None
    ) -> None:
        self._wall = wall
        self._shared = shared
        self._process = process
        self._events = events

    def __call__(self, camera: str, config: CameraConfig) -> Parts:
        """What makes the parts of the camera of that name."""
        recording = None if config.record is None else CopyRecording(camera, config, config.record)
        places = places_of(config)
        # On a page zones may be drawn where there are none yet.
        wanted = bool(places) or self._wall is not None
        scene = Scene(*places, self._shared.labels, by_minute=config.counts is not None) if wanted else None
        covered = bool(config.privacy or config.privacy_zones)
        hub = None if self._wall is None or covered else self._wall.feeds[camera].hub
        return Parts(
            source=partial(_source, config, recording, hub),
            perception=partial(self._perception, config, scene, Identities()),
            renderer=partial(self._renderer, config, scene),
            labels=lambda: self._shared.detector.labels,
            unknown=UNKNOWN if covered else None,
            outputs=partial(self._outputs, camera, config, scene, recording),
            recording=recording,
            scene=scene,
        )

    def check(self, config: CameraConfig) -> None:
        """Raise ``ConfigError`` for a class that the detector does not know, as soon as there is one."""
        detector = self._shared.detector
        if not isinstance(detector, AbsentDetector):
            selection(config, self._process.detector, detector)
            privacy_rules(config, detector)

    def _perception(
        self, config: CameraConfig, scene: Scene | None, identities: Identities, client: DetectorClient, info: StreamInfo
    ) -> Perception:
        """What finds objects, with what must be covered and what zones and lines say of them."""
        if scene is not None and scene.places:
            check_places(scene.places, (info.width, info.height))
            _refuse_untracked(config, info, "zones and lines")
        detector = self._shared.detector
        if isinstance(detector, AbsentDetector):
            if not info.live:  # of a recording every frame gets its answer, or the run ends with an error
                raise detector.why
            return Unasked(UNKNOWN if config.privacy or config.privacy_zones else None)
        show = selection(config, self._process.detector, detector)
        rules = privacy_rules(config, detector)
        if scene is not None:
            scene.check(scene.places)
        perception = self._finding(config, client, info, show if rules is None else widened(show, rules), identities)
        if rules is not None:
            perception = Private(perception, rules, show)
        return Analysed(perception, scene) if scene is not None and _is_tracked(config, info) else perception

    def _finding(
        self, config: CameraConfig, client: DetectorClient, info: StreamInfo, select: Selection, identities: Identities
    ) -> Perception:
        """Following, or waiting for the detector; recordings wait, so that every frame gets its own answer."""
        client.wanted = select.to_follow if info.live and config.follow else select
        gate = None
        if config.detect_fps is not None or config.motion_gate:
            gate = gate_for(config.detect_fps, motion=config.motion_gate, max_mask_age_s=config.max_mask_age)
        if not info.live:
            waiting = Waiting(client, select, patient=True)
            return waiting if gate is None else GatedPerception(waiting, gate)
        if not config.follow:
            # Where every frame is recorded, those that wait for an answer must not fill the queue.
            patience_s = 0.5 * config.record_buffer if config.records else None
            return Waiting(client, select, patience_s=patience_s, max_mask_age_s=config.max_mask_age)
        from streamer.perception.following import Following

        service = client if gate is None else GatedDetector(client, gate)
        return Following(
            service,
            select,
            max_mask_age_s=config.max_mask_age,
            identities=identities,
            longest_pause_s=0.0 if gate is None else gate.longest_pause_s,
        )

    def _renderer(self, config: CameraConfig, scene: Scene | None, info: StreamInfo) -> Render:
        """The renderer in the style that was asked for."""
        from streamer.render.places import PlacesDrawing
        from streamer.render.renderer import Renderer, Style

        return Renderer(
            self._shared.labels,
            style=Style(draw=config.draw, mask_opacity=config.mask_opacity, show_age=config.show_mask_age),
            sample_aspect_ratio=info.sample_aspect_ratio,
            places=None if scene is None else PlacesDrawing(*scene.places),
        )

    def _outputs(
        self,
        camera: str,
        config: CameraConfig,
        scene: Scene | None,
        recording: CopyRecording | None,
        info: StreamInfo,
        figures: Callable[[], Sequence[str]],
        failures: Failures,
    ) -> OutputSet:
        """Everything that was asked for; what was built before one that cannot be is given up again."""
        recordings: list[Output] = []
        streams: list[Output] = []
        try:
            self._files(camera, config, info, failures, recordings)
            self._found(config, scene, info, failures, recordings)
            if self._events is not None and config.events is not None:
                _refuse_untracked(config, info, "events")
                made = self._events.output(camera, config, partial(class_name, self._shared.labels), recording)
                if made is not None:
                    recordings.append(_recording(made, config, info, failures))
            self._streams(config, info, failures, streams)
            if self._wall is not None:
                from streamer.web.feed import FeedOutput

                streams.append(FeedOutput(self._wall.feeds[camera], info, self._shared.labels))
            if config.show:
                from streamer.sinks.window import Window

                return OutputSet(recordings, streams, [Window(info, title=camera, figures=figures)])
        except BaseException:
            for output in (*recordings, *streams):
                output.abandon()
            raise
        return OutputSet(recordings, streams)

    def _files(self, camera: str, config: CameraConfig, info: StreamInfo, failures: Failures, outputs: list[Output]) -> None:
        if config.output is not None and info.live and config.output.suffix.lower() in LIVE_FILES:
            from streamer.sinks.live_file import LiveFile

            outputs.append(_recording(LiveFile(config.output, info, overwrite=config.overwrite), config, info, failures))
        elif config.output is not None:
            from streamer.sinks.encoder import VideoEncoder

            encoder = VideoEncoder(config.output, info, preset=_FILE_PRESET, overwrite=config.overwrite)
            outputs.append(_recording(FileSink(encoder, config.output), config, info, failures))
        if config.record_annotated is not None:
            from streamer.sinks.segments import Segments

            segments = Segments(
                _made(config.record_annotated),
                info,
                name=camera,
                segment_s=config.segment,
                keep_hours=config.keep_hours,
                keep_gb=config.keep_gb,
            )
            # Many cameras may share a folder: what is said of one must name it.
            segments.name = f"record {config.record_annotated / segments.stem}"
            outputs.append(_recording(segments, config, info, failures))

    def _found(
        self, config: CameraConfig, scene: Scene | None, info: StreamInfo, failures: Failures, outputs: list[Output]
    ) -> None:
        if config.detections is not None:
            from streamer.sinks.live_records import LiveRecords
            from streamer.sinks.records import Records

            def records(path: Path) -> Records:
                labels, name = self._shared.labels, self._shared.detector.name
                totals = None if scene is None else scene.counted
                return Records(
                    path,
                    info,
                    labels,
                    name,
                    masks=config.recorded_masks,
                    positions=config.positions,
                    overwrite=config.overwrite,
                    totals=totals,
                )

            path = _made(config.detections.parent) / config.detections.name
            sink = LiveRecords(path, records) if info.live else FileSink(records(path), path)
            outputs.append(_recording(sink, config, info, failures))

        if config.counts is not None and scene is not None:
            from streamer.sinks.counts import Counts

            path = _made(config.counts.parent) / config.counts.name
            outputs.append(_recording(Counts(path, scene.totals, overwrite=config.overwrite), config, info, failures))

    def _streams(self, config: CameraConfig, info: StreamInfo, failures: Failures, outputs: list[Output]) -> None:
        from streamer.sinks.publish import Publish
        from streamer.sinks.queued import Queued

        for address in config.publish:
            if config.insecure:
                tls.leave_unchecked(address)
            sink = Publish(address, info)
            outputs.append(  # what was built must be in the list when a later one fails
                Queued(sink, capacity=_STREAM_QUEUE, finish_timeout_s=_FINISH_TIMEOUT_S, on_failure=failures(sink.name))
            )


def _source(
    config: CameraConfig, copied: CopyRecording | None, hub: PacketTap | None, on_state: Callable[[StateChange], None]
) -> Source:
    """A live source that reconnects, and hands its packets to ``copied`` and ``hub``, or a recording, perhaps in real time."""
    from streamer.sources.factory import make_source

    def make_live(address: Address) -> Source:
        from streamer.sources.live import LiveSource

        return LiveSource(
            address,
            transport=config.transport,
            open_timeout_s=config.open_timeout,
            read_timeout_s=config.read_timeout,
            reconnect_initial_delay_s=config.reconnect_initial_delay,
            reconnect_max_delay_s=config.reconnect_max_delay,
            reconnect_attempts=config.reconnect_attempts,
            damaged=config.damaged,
            on_state=on_state,
            tap=_tap(copied, hub),
            sound=copied is not None,  # pages show pictures only
        )

    if config.insecure:
        tls.leave_unchecked(config.source)
    return make_source(config.source, live=config.live, loop=config.loop, make_live=make_live)


def _tap(copied: CopyRecording | None, hub: PacketTap | None) -> PacketTap | None:
    """What gets the packets of a camera: its recording, those who watch, both, or none."""
    taps = [tap for tap in (None if copied is None else copied.tap(), hub) if tap is not None]
    return Taps(*taps) if len(taps) > 1 else next(iter(taps), None)


def _is_tracked(config: CameraConfig, info: StreamInfo) -> bool:
    """Whether objects have identities, which zones and events need."""
    return info.live and config.follow


def _refuse_untracked(config: CameraConfig, info: StreamInfo, what: str) -> None:
    """Raise ``ConfigError`` where objects are not followed: ``what`` needs identities."""
    if not info.live:
        raise ConfigError(
            f"{what} need objects that are followed, which is not done for a source that is not live",
            hint="use streamer annotate for a recording, or --live",
        )
    if not config.follow:
        raise ConfigError(f"{what} need objects that are followed", hint="leave --no-follow out")


def check_addresses(config: CameraConfig) -> None:
    """Raise ``ConfigError`` for a source or somewhere to publish to that cannot be; nothing is opened."""
    if parse_address(config.source).format == "x11grab" and import_order.kept() and "cv2" in sys.modules:
        raise ConfigError(
            "cannot capture a screen in a process that can show windows: OpenCV and PyAV load conflicting X11 libraries",
            hint="use the command without --show, or import av before streamer",
        )
    for address in config.publish:
        scheme = address.partition("://")[0].lower()
        if scheme not in PUBLISH_SCHEMES:
            raise ConfigError(
                f"cannot publish to {redact(address)}", hint="give an address that begins with rtsp://, rtmp:// or udp://"
            )
        parse_address(address)


def _recording(sink: Reporting, config: CameraConfig, info: StreamInfo, failures: Failures) -> Output:
    """Of a recording as source no frame is lost: the pipeline waits for the files. A live one cannot wait."""
    from streamer.sinks.queued import Queued

    if not info.live:
        return sink if isinstance(sink, FileSink) else DirectOutput(sink)
    return Queued(
        sink, room=item_room(config.record_buffer), finish_timeout_s=_FINISH_TIMEOUT_S, on_failure=failures(sink.name)
    )


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error.strerror}", hint="check the path and its rights") from error
    return folder
