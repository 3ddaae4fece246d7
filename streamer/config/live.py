"""Settings of ``live`` and ``run``: one camera, or many that share a detector. The names are those of the options."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from streamer.config.delivery import TargetOptions
from streamer.config.document import Document
from streamer.config.environment import expand
from streamer.config.events import EventOptions
from streamer.config.fields import (
    Attempts,
    Endpoint,
    Expected,
    FilePath,
    Option,
    Positive,
    RayAddress,
    Settings,
    Switch,
    Text,
    Timeout,
    Unset,
    as_text,
)
from streamer.config.shared import (
    DetectorOptions,
    DrawingOptions,
    FileOptions,
    LogOptions,
    PrivacyOptions,
    RecordsOptions,
    SelectionOptions,
)
from streamer.config.validation import load
from streamer.config.web import WebOptions, with_secrets
from streamer.config.zones import PlacesOptions
from streamer.errors import ConfigError
from streamer.redact import redact
from streamer.sinks.retention import file_stem

_CAMERA_NAME = re.compile(r"[\w][\w .-]{0,63}")


def _several(value: object) -> object:
    """One address as a list of one."""
    return [value] if isinstance(value, str) else value


SourceAddress = Annotated[
    str,
    BeforeValidator(as_text),
    Field(min_length=1, repr=False),  # an address may hold a password
    Expected(
        "a camera's number, a device, a URL or a path", "SOURCE", ({"type": "string", "minLength": 1}, {"type": "integer"})
    ),
]
RecordSource = Annotated[str, Field(min_length=1), Expected("a URL", "URL", ({"type": "string", "minLength": 1},))]
Addresses = Annotated[
    tuple[Text, ...],
    BeforeValidator(_several),
    Field(repr=False),
    Expected(
        "rtsp://, rtmp:// or udp:// addresses",
        "URL",
        ({"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}),
    ),
]


class SourceOptions(Settings):
    """How the source is read."""

    panel: ClassVar[str] = "Source"

    live: Annotated[Switch | None, Unset("guessed from the source")] = None
    """Whether frames come at the world's pace and the oldest may be dropped, or all are worked on."""
    loop: Switch = False
    """Play a file that is played at its own pace (``live``) again and again."""
    transport: Literal["auto", "tcp", "udp"] = "auto"
    """How RTSP carries the video."""
    open_timeout: Timeout = 5.0
    """Seconds that connecting may take."""
    read_timeout: Timeout = 5.0
    """Seconds without a frame after which it is connected to again."""
    reconnect_initial_delay: Timeout = 0.5
    """Seconds before the first attempt to connect again."""
    reconnect_max_delay: Timeout = 30.0
    """Most seconds between two attempts."""
    reconnect_attempts: Attempts = 0
    """Attempts after which the source has failed; 0: for ever."""
    insecure: Switch = False
    """Connect to ``rtsps``, ``https`` and ``rtmps`` servers whatever certificate they show, for reading and publishing."""
    damaged: Literal["show", "drop"] = "show"
    """What becomes of frames in which the decoder had to conceal errors; the detector never gets them."""
    max_staleness: Timeout = 0.5
    """Seconds after which a frame is too old to be worked on."""
    max_fps: Annotated[Positive | None, Unset("as many as come")] = None
    """Most frames a second that are worked on."""


class FollowingOptions(Settings):
    """When the detector is asked, and how masks are carried along."""

    panel: ClassVar[str] = "Detector"

    detect_fps: Annotated[Positive | None, Unset("as many as it can")] = None
    """Most frames a second that the detector is asked about; all are decoded and shown."""
    motion_gate: Switch = False
    """Ask the detector only while something moves before the fixed camera, and every three seconds, or twice in
    ``max_mask_age``."""
    follow: Switch = True
    """Show every frame with masks that are carried along; false: wait for the detector on each frame that is shown."""
    max_mask_age: Annotated[Timeout | None, Unset("the follower's own choice")] = None
    """Seconds after which a mask is not shown any more."""


class OverlayOptions(Settings):
    """What else is drawn."""

    panel: ClassVar[str] = "Picture"

    show_mask_age: Switch = False
    """Write the age of its mask on each label."""


class OutputOptions(Settings):
    """Where the pictures go."""

    panel: ClassVar[str] = "Output"

    show: Switch = False
    """Show a window; h shows its keys."""
    publish: Annotated[Addresses, Option(repeated=True)] = ()
    """Send the picture as a stream to ``rtsp://…``, ``rtmp://…`` or ``udp://…``; may be repeated."""
    output: Annotated[FilePath | None, Option(short="-o"), Unset("not written")] = None
    """One annotated recording of the whole run."""
    record: Annotated[FilePath | None, Option(metavar="FOLDER"), Unset("not recorded")] = None
    """Folder of an endless recording of what the camera sends, picture and sound, as it is: in segments, without decoding."""
    record_source: Annotated[RecordSource | None, Field(repr=False), Unset("source itself")] = None
    """Another stream of the same camera for ``record``: the large one, while ``source`` is the small one."""
    record_mode: Literal["continuous", "events"] = "continuous"
    """Whether ``record`` keeps everything, or what ``events`` need: what was before one waits in memory until it is known."""
    keep_original: Switch = False
    """Keep the camera's own pictures with ``record`` although ``privacy`` covers parts of all others."""
    record_annotated: Annotated[FilePath | None, Option(metavar="FOLDER"), Unset("not recorded")] = None
    """Folder of an endless recording of the drawn picture, in segments."""
    segment: Timeout = 60.0
    """Seconds of one segment of ``record`` (up to the next key frame) and ``record_annotated``."""
    record_buffer: Timeout = 5.0
    """Seconds of video that may wait for the files (output, record_annotated, detections) before the oldest frames are lost."""
    keep_hours: Annotated[Positive | None, Unset("never removed")] = None
    """Hours after which segments are removed."""
    keep_gb: Annotated[Positive | None, Unset("no limit")] = None
    """Gigabytes (10^9 bytes) of segments beyond which the oldest are removed."""
    keep_events_hours: Annotated[Positive | None, Unset("never removed")] = None
    """Hours after which events are removed, with pictures and clips, and what ``record_mode: events`` recorded."""


class PlacingOptions(Settings):
    """What a machine must have for a camera."""

    panel: ClassVar[str] = "Process"

    cores: Annotated[Positive | None, Option(file_only=True), Unset("1; 0.05 where it is only recorded")] = None
    """With ``ray``: cores of a machine that the camera reserves, such as 0.25."""


class CameraOptions(
    PlacingOptions,
    EventOptions,
    PlacesOptions,
    RecordsOptions,
    FileOptions,
    LogOptions,
    OutputOptions,
    OverlayOptions,
    PrivacyOptions,
    DrawingOptions,
    FollowingOptions,
    SelectionOptions,
    SourceOptions,
):
    """What can be said of each camera, or of all in ``defaults``. In paths and addresses ``{name}`` is the camera's name."""

    @property
    def needs_masks(self) -> bool:
        """Whether anybody looks at masks."""
        counted = self.zones or self.lines or self.zones_file
        return self.draws_masks or self.records_masks or bool(self.privacy or counted)


class CameraConfig(CameraOptions):
    """One camera of a run."""

    panel: ClassVar[str] = "Source"

    source: Annotated[SourceAddress, Option(argument=True)]
    """``0``, ``/dev/video0``, ``rtsp://…``, ``http://…``, ``udp://…``, a file, ``x11grab:…``, ``lavfi:…`` or ``test:``."""
    weight: Annotated[Positive, Option(file_only=True)] = 1.0
    """Share of the detector, relative to the other cameras of a run."""

    @property
    def records(self) -> bool:
        """Whether there is an output that wants every frame."""
        return any(path is not None for path in (self.output, self.record_annotated, self.detections, self.counts, self.events))

    @property
    def only_copied(self) -> bool:
        """Whether nothing wants pictures: packets are recorded, nothing is decoded and nothing detected."""
        return self.record is not None and not (self.records or self.show or self.publish)


class ServiceOptions(LogOptions):
    """What is said once, for the whole process."""

    metrics: Annotated[Endpoint | None, Unset("not served")] = None
    """Serve /metrics, /healthz and /status there; the address is 127.0.0.1 where only a port is named."""
    quiet: Annotated[Switch, Option(short="-q")] = False
    """No live table, and only warnings in the log."""


class ProcessOptions(WebOptions, ServiceOptions, TargetOptions, DetectorOptions):
    """What is said once, for the whole process: the detector and the services."""

    def where(self, key: str, camera: str | None = None) -> str:
        """What begins a complaint about ``key``, of a camera or of the process: file and line, and whose key it is."""
        if camera is None:
            return self.origin.where((key,))
        return f"{self.origin.where(('cameras', camera, key), ('defaults', key))}cameras.{camera}: "


class LiveConfig(CameraConfig, ProcessOptions):
    """Everything that ``streamer live`` can be told."""


class FleetOptions(Settings):
    """Where the cameras run."""

    panel: ClassVar[str] = "Process"

    ray: RayAddress = None
    """Run each camera on a machine of a Ray cluster, elsewhere when that is gone: ``auto`` (the cluster of this machine), its
    HOST:PORT, or ``local``."""


class RunOptions(FleetOptions, ProcessOptions):
    """What the command line of ``streamer run`` can say."""


class RunConfig(RunOptions):
    """Everything that ``streamer run`` can be told."""

    defaults: CameraOptions = CameraOptions()
    """What holds for each camera that does not say otherwise."""
    cameras: Annotated[dict[str, CameraConfig], Field(min_length=1), Expected("one camera or more, by name")]
    """The cameras, by name."""

    def resolved(self) -> dict[str, CameraConfig]:
        """Each camera with the defaults filled in and ``{name}`` replaced.

        Raises ``ConfigError`` for a name that cannot be one and for two cameras that would write to the same place, also where
        their files differ in case only, which some systems do not tell apart.
        """
        cameras = {}
        taken: dict[str, str] = {}
        for name, camera in self.cameras.items():
            where = self.origin.where(("cameras", name))
            if not _CAMERA_NAME.fullmatch(name):
                raise ConfigError(
                    f"{where}cameras: {name!r} cannot be a name",
                    hint="use up to 64 letters, digits, dots, dashes and underscores",
                )
            said = {**_said(self.defaults), **_said(camera)}
            cameras[name] = full = CameraConfig.model_validate({key: _named(value, name) for key, value in said.items()})
            check(full, lambda key, name=name: self.where(key, name))  # type: ignore[misc]  # mypy infers no default
            for key, place, shown in _places(full, name):
                if (other := taken.setdefault(place, name)) != name:
                    where = self.origin.where(("cameras", name, key), ("cameras", name))
                    raise ConfigError(
                        f"{where}cameras {other} and {name} both write to {redact(shown)}",
                        hint="give one another name" if key.startswith("record") else "put {name} into the path",
                    )
        return cameras


def check(camera: CameraOptions, where: Callable[[str], str]) -> None:
    """Raise ``ConfigError`` for settings that do not go together; ``where`` begins a complaint about a key."""
    for key in ("detect_fps", "motion_gate"):
        if getattr(camera, key) and not camera.follow:
            raise ConfigError(f"{where(key)}{key} needs follow", hint="leave out follow: false (--no-follow)")
    if camera.detect_fps is not None and camera.max_mask_age is not None and camera.detect_fps * camera.max_mask_age < 1:
        raise ConfigError(
            f"{where('max_mask_age')}max_mask_age: masks would be hidden after {camera.max_mask_age:g} s, and the detector is "
            f"asked every {1 / camera.detect_fps:g} s (detect_fps)",
            hint="raise one of them, or leave max_mask_age out: then masks live as long as they have to",
        )
    recorded = camera.record is not None or camera.record_annotated is not None
    for key in ("keep_hours", "keep_gb"):
        if not recorded and getattr(camera, key) is not None:
            raise ConfigError(
                f"{where(key)}keep_hours and keep_gb need record or record_annotated", hint="name a folder with record"
            )
    if camera.record is None and camera.record_source is not None:
        raise ConfigError(f"{where('record_source')}record_source needs record", hint="name a folder with record")
    if camera.keep_events_hours is not None and camera.events is None:
        raise ConfigError(f"{where('keep_events_hours')}keep_events_hours needs events", hint="name a folder with events")
    if camera.record_mode == "events" and (camera.record is None or camera.events is None):
        raise ConfigError(
            f"{where('record_mode')}record_mode: events needs record and events",
            hint="name a folder with record and with events",
        )
    folders = [os.path.realpath(folder) for folder in (camera.record, camera.record_annotated) if folder is not None]
    if len(set(folders)) < len(folders):
        raise ConfigError(
            f"{where('record_annotated')}record and record_annotated are the same folder",
            hint="give each a folder of its own: their files have the same names",
        )
    if camera.reconnect_max_delay < camera.reconnect_initial_delay:
        raise ConfigError(
            f"{where('reconnect_max_delay')}reconnect_max_delay: expected {camera.reconnect_initial_delay:g} s "
            f"(reconnect_initial_delay) or more, got {camera.reconnect_max_delay:g}",
            hint="raise it, or lower reconnect_initial_delay",
        )


def load_live_config(
    path: str | os.PathLike[str] | None, overrides: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> LiveConfig:
    """Settings of ``live`` from a YAML file (or none) and ``overrides``, which win unless they are None.

    ``${VAR}`` in an address or a secret comes from the environment on the command line, too: who lists the processes sees the
    name only. Raises ``ConfigError`` that names file and line or the option; values from the environment are never shown.
    """
    named = {
        key: value
        for key in ("source", "publish", "record_source", "mqtt", "webhook", "kafka")
        if (value := overrides.get(key)) is not None
    }
    expanded, _ = expand(Document("command line", named, {}), environ)
    overrides = with_secrets({**overrides, **expanded.data}, environ)
    config = load(LiveConfig, path, overrides, environ)
    check(config, config.where)
    return config


def load_run_config(
    path: str | os.PathLike[str], overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] = os.environ
) -> RunConfig:
    """Settings of ``run`` from a YAML file. Raises ``ConfigError`` as :func:`load_live_config` does."""
    config = load(RunConfig, path, with_secrets(overrides or {}, environ), environ)
    config.resolved()
    return config


def _said(options: CameraOptions) -> dict[str, object]:
    return {name: getattr(options, name) for name in options.model_fields_set}


def _named(value: object, name: str) -> object:
    if isinstance(value, str):
        return value.replace("{name}", name)
    if isinstance(value, Path):
        return Path(str(value).replace("{name}", name))
    if isinstance(value, tuple):
        return tuple(_named(item, name) for item in value)
    return value


def _places(camera: CameraConfig, name: str) -> Iterator[tuple[str, str, str]]:
    """What only one camera can write to: the setting, the place and what to call it. A folder holds many cameras' segments."""
    for address in camera.publish:
        yield "publish", address, address
    for key, path in (("output", camera.output), ("detections", camera.detections), ("counts", camera.counts)):
        if path is not None:
            yield key, os.path.realpath(path).casefold(), str(path)
    stem = file_stem(redact(name))
    for key, folder in (("record", camera.record), ("record_annotated", camera.record_annotated)):
        if folder is not None:
            yield key, f"{os.path.realpath(folder)}/{stem}/".casefold(), f"{folder / stem}-*.mp4"
