"""Which cameras' packets can be recorded as they are sent, and what is recorded of the others."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from streamer.config.live import CameraConfig
from streamer.live.check import refuse_undrawable, sends_packets
from streamer.runtime import tls
from streamer.sources.address import parse_address

log = logging.getLogger(__name__)

_MOST_ASKED = 16
"""Web servers that are asked at the same time: one that does not answer must not hold up the others."""


def recordable(cameras: Mapping[str, CameraConfig]) -> dict[str, CameraConfig]:
    """The cameras by name, with ``record_annotated`` in place of ``record`` where there is nothing to copy; that is logged.

    May ask ``http`` servers whether what they have is finite, for some seconds. Raises ``ConfigError`` where the drawn picture
    cannot be recorded instead.
    """
    recorded = [name for name, camera in cameras.items() if camera.record is not None]
    changed = dict(cameras)
    if not recorded:
        return changed
    with ThreadPoolExecutor(min(len(recorded), _MOST_ASKED), thread_name_prefix="finite") as pool:
        reasons = list(pool.map(_not_copied, (cameras[name] for name in recorded)))
    for name, reason in zip(recorded, reasons, strict=True):
        if reason:
            refuse_undrawable(cameras[name])
            log.warning("%s %s: record keeps the drawn picture, all of it, as record_annotated does", name, reason)
            changed[name] = cameras[name].model_copy(update={"record": None, "record_annotated": cameras[name].record})
    return changed


def _not_copied(camera: CameraConfig) -> str:
    """Why the packets of ``camera`` are not recorded; empty where they are."""
    if not sends_packets(camera):
        return "sends no packets that could be kept"
    return "is a recording, which has an end, and no camera" if _is_finite(camera) else ""


def _is_finite(camera: CameraConfig) -> bool:
    """Whether what ``record`` would read is a file on a web server, and nothing says that it is to be taken for a camera."""
    from streamer.sources.factory import is_live

    if camera.record_source is None and camera.live is not None:
        return not camera.live
    address = camera.record_source or camera.source
    if camera.insecure:
        tls.leave_unchecked(address)
    return not is_live(parse_address(address))
