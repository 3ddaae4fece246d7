"""A configuration for ``streamer run`` out of found cameras: record the large picture by copy, detect on the small one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from urllib.parse import quote, urlsplit

from streamer.discovery.cameras import FoundCamera, Profile
from streamer.errors import SourceUnavailable

_SMALLEST_WIDTH = 320
"""Pixels; people in a smaller picture are too small to be found."""

_HEAD = """\
# Cameras that were found on the network. Check it, then run it:
#   export {variable}=…
#   streamer run --check FILE.yaml
#   streamer run FILE.yaml

defaults:
  record: recordings      # what the camera sends, by copy; see docs/surveillance.md
  keep_hours: 48
  events: events          # what happened, with pictures and clips; whom to tell: docs/events.md
  event_classes: person,car,bicycle,motorcycle,bus,truck,dog,cat
  transport: tcp
  detections: "records/{{name}}.jsonl" # what is found; move the files away before the next start, or say overwrite: true
  masks: none
  detect_fps: 5

cameras:
"""


def configuration(cameras: Sequence[FoundCamera], user: str, variable: str) -> str:
    """The text of a file for ``streamer run``; ``variable`` is the environment's name of the password.

    Cameras whose streams are not known stand in it as comments. Raises ``SourceUnavailable`` where that holds for all.
    """
    taken: set[str] = set()
    lines = [line for camera in cameras for line in _camera(camera, user, variable, taken)]
    if not taken:
        raise SourceUnavailable(
            "no camera told the address of a stream, so there is nothing to write",
            hint="list them without --yaml to see why",
        )
    return _HEAD.format(variable=variable) + "\n".join(lines) + "\n"


def _camera(camera: FoundCamera, user: str, variable: str, taken: set[str]) -> Iterator[str]:
    usable = [profile for profile in camera.profiles if profile.address is not None]
    if not usable:
        yield f"  # {camera.name} at {camera.host}: {camera.problem or 'it told no address of a stream'}"
    usable.sort(key=lambda profile: profile.source)
    for _, group in groupby(usable, key=lambda profile: profile.source):
        small, large = _choice(list(group))
        yield f"  {json.dumps(_free_name(camera, taken))}:  # {camera.name} at {camera.host}"
        yield f"    source: {_address(small, user, variable)}  # {_figures(small)}"
        if large.address != small.address:
            yield f"    record_source: {_address(large, user, variable)}  # {_figures(large)}"


def _choice(profiles: list[Profile]) -> tuple[Profile, Profile]:
    """The one to detect on and the one to record."""
    # Of two of one size, JPEG is the one that takes more room.
    profiles.sort(key=lambda profile: (profile.width * profile.height, profile.codec != "JPEG"))
    large = profiles[-1]
    return next((profile for profile in profiles if profile.width >= _SMALLEST_WIDTH), large), large


def _free_name(camera: FoundCamera, taken: set[str]) -> str:
    """A name that a camera may have, which files begin with: no two of them alike, not even in another case."""
    letters = re.sub(r"[^A-Za-z0-9._-]+", "-", camera.name).strip("-._")[:48] or f"camera-{camera.host}"
    name, number = letters, 1
    while name.casefold() in taken:
        number += 1
        name = f"{letters}-{number}"
    taken.add(name.casefold())
    return name


def _address(profile: Profile, user: str, variable: str) -> str:
    parts = urlsplit(profile.address or "")
    # A dollar sign would begin a variable.
    rest = parts._replace(scheme="", netloc="").geturl().replace("$", "$$")
    user = quote(user, safe="").replace("$", "$$")
    return json.dumps(f"{parts.scheme}://{user}:${{{variable}}}@{parts.netloc}{rest}", ensure_ascii=False)


def _figures(profile: Profile) -> str:
    rate = "" if profile.fps is None else f", {profile.fps:g} frames/s"
    return f"{profile.width}x{profile.height} {profile.codec}{rate}"
