"""Settings of ``live`` and ``run``: one camera, or many that share a detector. The names are those of the options."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from streamer.config.document import Document, load_yaml
from streamer.config.environment import expand, hidden
from streamer.config.fields import Count, Drawn, Expected, FilePath, Settings, Share, Switch, Text, listed, number, parse_time
from streamer.config.validation import S, build
from streamer.errors import ConfigError
from streamer.redact import redact

_CAMERA_NAME = re.compile(r"[\w][\w .-]{0,63}")


def _as_text(value: object) -> object:
    """The number of a camera or a port as text."""
    return str(value) if type(value) is int else value


def _several(value: object) -> object:
    """One address as a list of one."""
    return [value] if isinstance(value, str) else value


SourceAddress = Annotated[
    str, BeforeValidator(_as_text), Field(min_length=1, repr=False), Expected("a camera's number, a device, a URL or a path")
]
Positive = Annotated[float, BeforeValidator(number), Field(gt=0, allow_inf_nan=False), Expected("a number above 0")]
Timeout = Annotated[float, BeforeValidator(parse_time), Field(gt=0), Expected("seconds, more than 0")]


class CameraOptions(Settings):
    """What can be said of each camera, or of all in ``defaults``. In paths and addresses ``{name}`` is the camera's name."""

    live: Switch | None = None
    """Whether frames come at the world's pace; None: guessed from the source."""
    loop: Switch = False
    """Play a file that is played at its own pace (``live``) again and again."""
    transport: Annotated[Literal["auto", "tcp", "udp"], Expected("auto, tcp or udp")] = "auto"
    """How RTSP carries the video."""
    open_timeout: Timeout = 5.0
    """Seconds that connecting may take."""
    read_timeout: Timeout = 5.0
    """Seconds without a frame after which it is connected to again."""
    reconnect_initial_delay: Timeout = 0.5
    """Seconds before the first attempt to connect again."""
    reconnect_max_delay: Timeout = 30.0
    """Most seconds between two attempts."""
    reconnect_attempts: Annotated[int, BeforeValidator(number), Field(ge=0), Expected("a whole number; 0 for ever")] = 0
    """Attempts after which the source has failed; 0: for ever."""
    damaged: Annotated[Literal["show", "drop"], Expected("show or drop")] = "show"
    """What becomes of frames in which the decoder had to conceal errors; the detector never gets them."""
    max_staleness: Timeout = 0.5
    """Seconds after which a frame is too old to be shown; it is still recorded."""
    max_fps: Positive | None = None
    """Most frames a second that are worked on; None: as many as come."""
    score_threshold: Share | None = None
    """Least score, 0..1; None: the detector's own default."""
    classes: Annotated[tuple[Text, ...], BeforeValidator(listed), Expected("names, separated by commas")] | None = None
    """Names of the classes to keep; None: all."""
    max_instances: Count | None = None
    """Most instances of a frame, best first; None: all."""
    follow: Switch = True
    """Show every frame with masks that are carried along; false: wait for the detector on each frame that is shown."""
    max_mask_age: Timeout | None = None
    """Seconds after which a mask is not shown any more; None: the follower's own choice."""
    draw: Drawn | None = None
    """What to draw of each instance; None: the renderer's own choice."""
    mask_opacity: Share | None = None
    """How strongly masks cover the picture, 0..1."""
    show_mask_age: Switch = False
    """Write the age of its mask on each label."""
    show: Switch = False
    """Show a window."""
    publish: Annotated[
        tuple[Text, ...],
        BeforeValidator(_several),
        Field(repr=False),
        Expected("rtsp://, rtmp:// or udp:// addresses"),
    ] = ()
    """Where to send the picture as a stream."""
    output: FilePath | None = None
    """Path of one annotated recording of the whole run."""
    record: FilePath | None = None
    """Folder of an endless recording in segments."""
    segment: Timeout = 60.0
    """Seconds of one segment."""
    keep_hours: Positive | None = None
    """Hours after which segments are removed; None: never."""
    keep_gb: Positive | None = None
    """Gigabytes (10^9 bytes) of segments beyond which the oldest are removed; None: no limit."""
    record_buffer: Timeout = 5.0
    """Seconds of video that may wait for the files (output, record, detections) before the oldest frames are lost."""
    detections: FilePath | None = None
    """Path of the records, as JSON Lines."""
    masks: Annotated[Literal["rle", "polygon", "none"], Expected("rle, polygon or none")] = "rle"
    """How the records hold masks."""
    overwrite: Switch = False
    """Whether files of these names may be replaced."""


class CameraConfig(CameraOptions):
    """One camera of a run."""

    source: SourceAddress
    """``0``, ``/dev/video0``, ``rtsp://…``, ``http://…``, ``udp://…``, a file, ``x11grab:…``, ``lavfi:…`` or ``test:``."""
    weight: Positive = 1.0
    """Share of the detector, relative to the other cameras."""


class ProcessOptions(Settings):
    """What is said once, for the whole process."""

    detector: Text = "people"
    """``people``, ``mask-rcnn``, ``hub:HANDLE``, the path of a SavedModel, or ``package.module:Class``."""
    labels: FilePath | None = None
    """File of class names that replaces the detector's own."""
    threads: Count | None = None
    """Threads of the detector; None: as many as it finds good."""
    metrics: Annotated[str, BeforeValidator(_as_text), Expected("PORT or ADDRESS:PORT")] | None = None
    """Where metrics, health and status are served; None: nowhere."""
    log_format: Annotated[Literal["human", "json"], Expected("human or json")] = "human"
    """How the log is written."""
    quiet: Switch = False
    """No live table, and only warnings in the log."""


class LiveConfig(CameraConfig, ProcessOptions):
    """Everything that ``streamer live`` can be told."""


class RunConfig(ProcessOptions):
    """Everything that ``streamer run`` can be told."""

    defaults: CameraOptions = CameraOptions()
    """What holds for each camera that does not say otherwise."""
    cameras: Annotated[dict[str, CameraConfig], Field(min_length=1), Expected("one camera or more, by name")]
    """The cameras, by name."""

    def resolved(self) -> dict[str, CameraConfig]:
        """Each camera with the defaults filled in and ``{name}`` replaced.

        Raises ``ConfigError`` for a name that cannot be one and for two cameras that would write to the same place.
        """
        cameras = {}
        taken: dict[str, str] = {}
        for name, camera in self.cameras.items():
            if not _CAMERA_NAME.fullmatch(name):
                raise ConfigError(
                    f"cameras: {name!r} cannot be a name", hint="use up to 64 letters, digits, dots, dashes and underscores"
                )
            said = {**_said(self.defaults), **_said(camera)}
            cameras[name] = full = CameraConfig.model_validate({key: _named(value, name) for key, value in said.items()})
            check(full, f"cameras.{name}: ")
            for place in _places(full):
                if (other := taken.setdefault(place, name)) != name:
                    raise ConfigError(
                        f"cameras {other} and {name} both write to {redact(place)}", hint="put {name} into the path"
                    )
        return cameras


def check(camera: CameraOptions, where: str = "") -> None:
    """Raise ``ConfigError`` for settings that do not go together."""
    if camera.record is None and (camera.keep_hours is not None or camera.keep_gb is not None):
        raise ConfigError(f"{where}keep_hours and keep_gb need record", hint="name a folder with record")
    if camera.reconnect_max_delay < camera.reconnect_initial_delay:
        raise ConfigError(
            f"{where}reconnect_max_delay: expected {camera.reconnect_initial_delay:g} s (reconnect_initial_delay) or more, "
            f"got {camera.reconnect_max_delay:g}"
        )


def load_live_config(
    path: str | os.PathLike[str] | None, overrides: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> LiveConfig:
    """Settings of ``live`` from a YAML file (or none) and ``overrides``, which win unless they are None.

    ``${VAR}`` in a source or an address to publish to comes from the environment on the command line, too: whoever lists the
    processes sees the name only. Raises ``ConfigError`` that names file and line or the option; values from the environment
    are never shown.
    """
    named = {key: value for key in ("source", "publish") if (value := overrides.get(key)) is not None}
    expanded, _ = expand(Document("command line", named, {}), environ)
    overrides = {**overrides, **expanded.data}
    config = _build(LiveConfig, None if path is None else load_yaml(path), overrides, environ)
    check(config)
    return config


def load_run_config(
    path: str | os.PathLike[str], overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] = os.environ
) -> RunConfig:
    """Settings of ``run`` from a YAML file. Raises ``ConfigError`` as :func:`load_live_config` does."""
    config = _build(RunConfig, load_yaml(path), overrides or {}, environ)
    config.resolved()
    return config


def schema(command: Literal["live", "run"] = "run") -> dict[str, Any]:
    """The JSON schema of a configuration file, for editors."""
    model = RunConfig if command == "run" else LiveConfig
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(),
        "title": f"streamer {command}",
    }


def _build(model: type[S], document: Document | None, overrides: Mapping[str, object], environ: Mapping[str, str]) -> S:
    secrets: frozenset[str] = frozenset()
    if document is not None:
        document, secrets = expand(document, environ)
    try:
        return build(model, document, overrides)
    except ConfigError as error:
        complaint = error
    # Outside of the handler, so that the error's context does not show what is hidden here.
    raise ConfigError(hidden(complaint.message, secrets), hint=hidden(complaint.hint, secrets))


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


def _places(camera: CameraConfig) -> Iterator[str]:
    """What only one camera can write to; a folder of segments holds many cameras."""
    yield from camera.publish
    for path in (camera.output, camera.detections):
        if path is not None:
            yield str(path.absolute())
