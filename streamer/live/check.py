"""What can be known to be wrong with cameras before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from streamer.analysis.places import Places
from streamer.config.live import CameraConfig, ProcessOptions
from streamer.config.validation import joined
from streamer.config.zones import places_of
from streamer.detectors.from_settings import load
from streamer.detectors.precision import FULL
from streamer.detectors.registry import check_detector
from streamer.detectors.remote.address import is_remote
from streamer.errors import ConfigError, OutputRefused, SourceNotFound, StreamerError
from streamer.live.parts import check_addresses
from streamer.perception.analysed import Scene
from streamer.perception.selection import class_ids
from streamer.sinks.atomic import check_output
from streamer.sinks.containers import container_for
from streamer.sinks.same_file import refuse_clashes
from streamer.sources.address import Kind, parse_address
from streamer.suggest import did_you_mean
from streamer.web.address import check_endpoint, parse_endpoint


def check_cameras(
    cameras: Mapping[str, CameraConfig], process: ProcessOptions, *, single: bool = False, surroundings: bool = False
) -> None:
    """Raise ``ConfigError`` for everything that can be known to be wrong without opening or loading anything.

    ``single``: the one source of a command line, which needs no name in complaints. ``surroundings``: look at folders, source
    files, displays and the address of the metrics, too. A run does not: what is missing at its start costs one camera, not all,
    and may come later.
    """
    _Check(cameras, process, single=single, surroundings=surroundings)()


class _Check:
    """Collects what is wrong; one complaint is raised as it is, several are joined."""

    def __init__(
        self, cameras: Mapping[str, CameraConfig], process: ProcessOptions, *, single: bool, surroundings: bool
    ) -> None:
        self._cameras = cameras
        self._process = process
        self._single = single
        self._surroundings = surroundings
        self._found: list[ConfigError] = []

    def __call__(self) -> None:
        labels = self._check_process()
        for name, camera in self._cameras.items():
            self._check_camera(name, camera, labels)
        self._check_clashes()
        with self._at("events"):
            if self._process.target_names and all(camera.events is None for camera in self._cameras.values()):
                raise ConfigError(
                    f"{self._process.target_names[0]} is to be told of events, but none are made", hint="name a folder: events"
                )
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise joined([(error.message, error.hint) for error in self._found])

    def _check_process(self) -> Mapping[int, str] | None:
        """The names of the detector's classes, as far as they are known without loading it."""
        labels = None
        with self._at("detector"):
            labels = check_detector(self._process.detector)
        if self._process.labels is not None and not self._found:
            with self._at("labels"):
                labels = check_detector(self._process.detector, self._process.labels)
        if not self._found:
            with self._at("device"):
                check_detector(self._process.detector, self._process.labels, self._process.device)
        if not self._found and self._process.precision != FULL:
            with self._at("precision"):
                check_detector(self._process.detector, self._process.labels, self._process.device, self._process.precision)
        if self._surroundings and not self._found and is_remote(self._process.detector):
            with self._at("detector"):
                asked = load(self._process, 0.5, live=True)
                asked.close()
                labels = asked.labels
        if self._process.metrics is not None:
            with self._at("metrics"):
                parse_endpoint(self._process.metrics)
                if self._surroundings:
                    check_endpoint(self._process.metrics)
        with self._at("tls_cert"):
            self._process.check_web()
        webhook = self._process.webhook
        if webhook is not None and webhook.base_url is not None and self._process.web is None:
            with self._at("webhook"):
                raise ConfigError(
                    "base_url of the webhook makes links to the pages of events, and none are served",
                    hint="serve them with web, or leave base_url out",
                )
        if self._process.web is not None:
            with self._at("web"):
                parse_endpoint(self._process.web, "web")
                if self._surroundings:
                    check_endpoint(self._process.web, "web")
        return labels

    def _check_camera(self, name: str, camera: CameraConfig, labels: Mapping[int, str] | None) -> None:
        with self._at("source", name):
            address = parse_address(camera.source)
            if self._surroundings and address.kind is Kind.FILE and not Path(address.url).is_file():
                raise SourceNotFound(f"there is no file {address.name}", hint="check the path")
        with self._at("publish", name):
            check_addresses(camera)
        with self._at("classes", name):
            if camera.classes is not None and labels is not None:
                class_ids(camera.classes, labels, self._process.detector)
        with self._at("zones_file", name):
            places = places_of(camera)
            if labels is not None:
                Scene(*places, labels)
        with self._at("counts", name):
            if camera.counts is not None:
                _refuse_existing(camera.counts, camera)
                if self._surroundings:
                    _check_folder(camera.counts.parent)
        with self._at("privacy", name):
            if labels is not None:
                class_ids(camera.privacy, labels, self._process.detector)
            if camera.privacy and camera.damaged == "drop":
                raise ConfigError(
                    "privacy must see damaged frames, since what follows them is made from them",
                    hint="leave damaged: drop out",
                )
            if camera.privacy and camera.motion_gate:
                raise ConfigError(
                    "privacy covers the whole picture while the detector does not look, as with motion_gate on a still scene",
                    hint="leave motion_gate out; detect_fps saves work, too",
                )
        with self._at("event_classes", name):
            if camera.event_classes is not None and labels is not None:
                class_ids(camera.event_classes, labels, self._process.detector)
        with self._at("event_zones", name):
            check_event_zones(camera, places_of(camera))
        with self._at("output", name):
            if camera.output is not None:
                container_for(camera.output)
                _refuse_existing(camera.output, camera)
                if self._surroundings:
                    check_output(camera.output, overwrite=True)
        with self._at("detections", name):
            if camera.detections is not None:
                _refuse_existing(camera.detections, camera)
                if self._surroundings:
                    _check_folder(camera.detections.parent)
        with self._at("record", name):
            if camera.record is not None:
                _check_copied(camera)
                _check_private(camera)
        for key, folder in (("record", camera.record), ("record_annotated", camera.record_annotated)):
            with self._at(key, name):
                if folder is not None and self._surroundings:
                    _check_folder(folder)
        with self._at("show", name):
            if camera.show and self._surroundings:
                check_displays([camera])

    def _check_clashes(self) -> None:
        """A file that is read, or written already, is not written under any of its names."""
        files: dict[str, str | Path | None] = {
            "the file of labels": self._process.labels,
            "the configuration": None if (document := self._process.origin.document) is None else document.path,
            **{f"the source of {name}": camera.source for name, camera in self._cameras.items()},
        }
        for name, camera in self._cameras.items():
            for key, path in (("output", camera.output), ("detections", camera.detections), ("counts", camera.counts)):
                with self._at(key, name):
                    refuse_clashes(files, [path])
                if path is not None:
                    files[f"the same file as {path}, another output of {name}"] = path

    @contextmanager
    def _at(self, key: str, camera: str | None = None) -> Iterator[None]:
        """Keep an error, with file, line and name in front of it."""
        try:
            yield
        except StreamerError as error:
            where = self._process.where(key, None if self._single else camera)
            kind = type(error) if isinstance(error, ConfigError) else ConfigError
            self._found.append(kind(f"{where}{error.message}", hint=error.hint))


def check_event_zones(camera: CameraConfig, places: Places) -> None:
    """Events may only ask for zones that there are: raises ``ConfigError`` for others."""
    known = [zone.name for zone in places.zones]
    for name in camera.event_zones or ():
        if name not in known:
            raise ConfigError(
                f"there is no zone {name!r}", hint=did_you_mean(name, known) if known else "draw one: see docs/zones.md"
            )


def _check_private(camera: CameraConfig) -> None:
    """What the camera sends shows what privacy covers in all other pictures."""
    if (camera.privacy or camera.privacy_zones) and not camera.keep_original:
        raise ConfigError(
            "record keeps the pictures as the camera sent them, in which nothing of privacy is covered",
            hint="use record_annotated instead, or say keep_original if that is meant",
        )


def check_displays(cameras: Sequence[CameraConfig], environ: Mapping[str, str] = os.environ) -> None:
    """Before anything is loaded: raises ``OutputRefused`` when a window is wanted and there is no display."""
    if any(camera.show for camera in cameras):
        from streamer.sinks.display import check_display

        check_display(environ).release()


def sends_packets(camera: CameraConfig) -> bool:
    """Whether what ``record`` reads sends encoded pictures, as far as its address tells; else there is nothing to copy."""
    return parse_address(camera.record_source or camera.source).kind is Kind.NETWORK


def _check_copied(camera: CameraConfig) -> None:
    """Raise ``ConfigError`` where nothing can be copied, and the drawn picture cannot be recorded in its place."""
    if not sends_packets(camera):
        refuse_undrawable(camera)


def refuse_undrawable(camera: CameraConfig) -> None:
    """Nothing can be copied: raise ``ConfigError`` where the drawn picture cannot be recorded in its place either."""
    if camera.record_source is not None or camera.record_annotated is not None:
        address = parse_address(camera.record_source or camera.source)
        raise ConfigError(
            f"record keeps what a camera sends, and {address.name} is no stream of one",
            hint="record the drawn picture: record_annotated, or output",
        )


def _refuse_existing(path: Path, camera: CameraConfig) -> None:
    if path.is_dir():
        raise OutputRefused(f"{path} is a folder", hint="name a file in it")
    if path.is_file() and not camera.overwrite:
        raise OutputRefused(f"{path} exists already", hint="name another file, or overwrite it")


def _check_folder(folder: Path) -> None:
    """Raise ``OutputRefused`` where ``folder`` cannot be written to, nor made."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not nearest.is_dir():
        raise OutputRefused(f"{nearest} is no folder", hint="give another folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputRefused(f"the folder {nearest} may not be written to", hint="give another folder, or check its permissions")
