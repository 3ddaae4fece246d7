"""What pages change of the zones and lines of a run's cameras: at once, and in the file that they came from."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from streamer.analysis.places import InvalidPlace, Line, Places, Point, Zone
from streamer.config.document import Document, Location
from streamer.config.live import CameraConfig
from streamer.config.places_text import places_in, places_text, with_places
from streamer.config.zones import check_counts, parse_places, places_of
from streamer.errors import ConfigError, OutputWriteFailed
from streamer.live.check import check_event_zones
from streamer.perception.analysed import Scene
from streamer.sinks.atomic import PendingFile
from streamer.web.objects import palette, shares
from streamer.web.zone_pages import Outdated

log = logging.getLogger(__name__)

_LONGEST_NAME = 64
_MOST_PLACES = 100
_ANY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_NOT_YET = "No picture of this camera has been looked at yet. Zones need a live source whose objects are followed."


class Home(NamedTuple):
    """Where the zones and lines of a camera are kept."""

    path: Path
    location: Location
    """The mapping in it that holds them."""


class PlaceEditor:
    """The zones and lines of the cameras of a run. For any thread; its calls wait for the disk.

    ``document`` is the file of the settings, None where there is none. ``scene`` gives what counts for a camera, None before it
    has begun. ``single``: the settings of the one camera stand at the top of the file.
    """

    def __init__(
        self,
        cameras: Mapping[str, CameraConfig],
        document: Document | None,
        scene: Callable[[str], Scene | None],
        *,
        single: bool,
    ) -> None:
        self._cameras = {name: camera for name, camera in cameras.items() if not camera.only_copied}
        self._scene = scene
        self._lock = threading.Lock()
        self._homes: dict[str, Home] = {}
        self._kept: dict[Home, Places] = {}
        """What a file holds, as far as is known."""
        for name, camera in self._cameras.items():
            if camera.zones_file is not None:
                home = Home(Path(os.path.realpath(camera.zones_file)), ())
            elif document is not None:
                home = Home(Path(os.path.realpath(document.path)), () if single else ("cameras", name))
            else:
                continue
            self._homes[name] = home
            self._kept[home] = places_of(camera)

    def told(self, camera: str) -> dict[str, Any]:
        """What a page has to know of a camera. Raises ``KeyError`` for one that there is not, or that nobody looks at."""
        scene = self._scene_of(camera)
        home = self._homes.get(camera)
        said: dict[str, Any] = {
            "camera": camera,
            "why_not": _NOT_YET,
            "zones": [],
            "lines": [],
            "classes": [],
            "palette": palette(),
            "version": "",
            "unsaved": False,
            "file": "" if home is None else home.path.name,
            "within": "" if home is None else ": ".join(map(str, home.location)),
            "shared_with": [name for name in self._sharing(camera) if name != camera],
            "why_not_saved": _why_not_saved(home),
        }
        if scene is None or scene.size is None:
            return said
        places, size = scene.places, scene.size
        return said | {
            "why_not": "",
            "zones": [_zone_dict(zone, size) for zone in places.zones],
            "lines": [_line_dict(line, size) for line in places.lines],
            "classes": list(scene.classes),
            "version": _version(places),
            "unsaved": home is not None and places.by_name() != self._kept[home].by_name(),
        }

    def change(self, camera: str, said: Mapping[str, Any], *, save: bool) -> None:
        """Watch what a page has said from the next frame on and, with ``save``, write it into the file.

        Raises ``KeyError``, ``ConfigError`` for what cannot be, ``Outdated`` where others have changed it meanwhile, and
        ``OutputRefused`` or ``OutputWriteFailed`` where the file cannot be written. Nothing is changed then.
        """
        with self._lock:
            scene = self._looking(camera)
            if said.get("version") != _version(scene.places):
                raise Outdated("Somebody else has changed the zones of this camera meanwhile: load them again.")
            places = _parsed(said, scene)
            scenes = []
            for name in self._sharing(camera) or [camera]:
                check_event_zones(self._cameras[name], places)
                check_counts(self._cameras[name], places)
                other = self._scene(name)
                if other is not None:
                    other.check(places)
                    scenes.append(other)
            home = self._homes.get(camera)
            if save:
                places = self._save(home, places)
            for each in scenes:
                each.change(places)
        log.info("%s: zones and lines were changed by a browser%s", camera, ", and saved" if save else "")

    def as_yaml(self, camera: str, said: Mapping[str, Any]) -> str:
        """The same as YAML, to be copied into a file. Raises ``KeyError`` and ``ConfigError``."""
        return places_text(_parsed(said, self._looking(camera)))

    def _save(self, home: Home | None, places: Places) -> Places:
        """Write ``places`` into their file; returns them in its order."""
        why_not = _why_not_saved(home)
        if home is None or why_not:
            raise ConfigError(f"the zones cannot be saved: {why_not}", hint="copy the YAML")
        name = home.path.name
        text = _read(home.path)
        if places_in(text, home.location, name).by_name() != self._kept[home].by_name():
            raise Outdated(f"The zones in {name} were changed by hand meanwhile: start streamer again, or copy the YAML.")
        if not home.location and not places and self._is_zones_file(home):
            raise ConfigError(f"{name} must hold a zone or a line", hint="leave one, or take zones_file out of the settings")
        changed = with_places(text, home.location, places, name)
        _write(home.path, changed)
        self._kept[home] = kept = places_in(changed, home.location, name)
        return kept

    def _is_zones_file(self, home: Home) -> bool:
        return any(self._homes.get(name) == home and each.zones_file is not None for name, each in self._cameras.items())

    def _sharing(self, camera: str) -> list[str]:
        """The cameras whose zones are the same ones."""
        home = self._homes.get(camera)
        return [] if home is None else [name for name in self._cameras if self._homes.get(name) == home]

    def _scene_of(self, camera: str) -> Scene | None:
        if camera not in self._cameras:
            raise KeyError(camera)
        return self._scene(camera)

    def _looking(self, camera: str) -> Scene:
        scene = self._scene_of(camera)
        if scene is None or scene.size is None:
            raise ConfigError(_NOT_YET)
        return scene


def _parsed(said: Mapping[str, Any], scene: Scene) -> Places:
    """What a page said, as the settings would read it. Raises ``ConfigError``."""
    known = scene.places.by_name()
    sections: dict[str, dict[str, Any]] = {"zones": {}, "lines": {}}
    for section, shape in (("zones", "polygon"), ("lines", "points")):
        places = said.get(section)
        if not isinstance(places, list) or len(places) > _MOST_PLACES or not all(isinstance(each, dict) for each in places):
            raise ConfigError(f"{section}: expected a list of up to {_MOST_PLACES}")
        for place in places:
            name, points = place.get("name"), place.get("points")
            if (
                not isinstance(name, str)
                or not name.isprintable()
                or not 1 <= len(name) <= _LONGEST_NAME
                or name != name.strip()
            ):
                raise ConfigError(f"{section}: expected a name of 1 to {_LONGEST_NAME} characters, without spaces around it")
            if name in sections["zones"] or name in sections["lines"]:
                raise ConfigError(f"the name {name!r} is there twice", hint="give each zone and line a name of its own")
            settings = {key: value for key, value in place.items() if key not in ("name", "points") and value is not None}
            sections[section][name] = settings | {shape: _points(points, known.get(name), scene.size)}
    return parse_places(sections)


def _points(points: object, before: Zone | Line | None, size: tuple[int, int] | None) -> object:
    """Points as settings: those that were there before where they have not been moved, which may be in pixels."""
    if isinstance(points, list):
        for point in points:
            if isinstance(point, list) and any(isinstance(part, int | float) and not 0 <= part <= 1 for part in point):
                raise ConfigError("points are shares of the picture's width and height, from 0 to 1")
    if before is not None and size is not None:
        was = before.polygon if isinstance(before, Zone) else before.points
        with suppress(InvalidPlace):
            if points == shares(was, size):
                return [list(point) for point in was]
    return points


def _zone_dict(zone: Zone, size: tuple[int, int]) -> dict[str, Any]:
    return {
        **_dict(zone, zone.polygon, size),
        "coverage": zone.coverage,
        "enter_after": zone.enter_after_s,
        "leave_after": zone.leave_after_s,
    }


def _line_dict(line: Line, size: tuple[int, int]) -> dict[str, Any]:
    return _dict(line, line.points, size)


def _dict(place: Zone | Line, points: Sequence[Point], size: tuple[int, int]) -> dict[str, Any]:
    classes = None if place.classes is None else sorted(place.classes)
    return {"name": place.name, "points": shares(points, size), "classes": classes, "count": place.count}


def _version(places: Places) -> str:
    """Names what is watched: a page that began with something else would undo what others did."""
    return hashlib.sha256(places_text(places).encode()).hexdigest()[:16]


def _why_not_saved(home: Home | None) -> str:
    """Why zones cannot be written into a file; empty where they can."""
    if home is None:
        return "streamer runs without a settings file"
    path = home.path
    try:
        writable = path.stat().st_mode & _ANY_WRITE and os.access(path, os.W_OK)
    except OSError:
        return f"{path.name} is not there any more"
    if not writable or not os.access(path.parent, os.W_OK | os.X_OK):
        return f"{path.name} may not be written to"
    return ""


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:  # ends of lines stay as they are
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} cannot be read any more", hint="copy the YAML") from error


def _write(path: Path, text: str) -> None:
    """Write a file that is there anew, whole or not at all. Raises ``OutputRefused`` and ``OutputWriteFailed``."""
    pending = PendingFile(path, overwrite=True)
    try:
        # It may hold passwords: whoever could not read it must not be able to now.
        shutil.copymode(path, pending.temporary)
        owner = path.stat()
        with suppress(PermissionError):
            os.chown(pending.temporary, owner.st_uid, owner.st_gid)
        pending.temporary.write_text(text, encoding="utf-8", newline="")
        pending.commit()
    except OSError as error:
        raise OutputWriteFailed(f"{path.name} cannot be written ({error.strerror})", hint="copy the YAML") from error
    finally:
        pending.discard()
