"""Real-time video with instance segmentation.

>>> import streamer
>>> streamer.annotate("in.mp4", "out.mp4", detector="nanodet")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamer._version import __version__ as __version__
from streamer.runtime import import_order

import_order.keep()

if TYPE_CHECKING:
    from streamer.annotation import annotate as annotate
    from streamer.detectors.registry import load_detector as load_detector
    from streamer.errors import StreamerError as StreamerError
    from streamer.frame import Frame as Frame
    from streamer.frame import StreamInfo as StreamInfo
    from streamer.instances import Instances as Instances
    from streamer.perception.selection import detect_in as detect_in
    from streamer.render.renderer import Renderer as Renderer
    from streamer.render.renderer import Style as Style
    from streamer.sinks.encoder import VideoEncoder as VideoEncoder
    from streamer.sinks.records import read_records as read_records
    from streamer.sources.video import VideoFile as VideoFile
    from streamer.stages import Annotated as Annotated

_WHERE = {
    "Annotated": "stages",
    "Frame": "frame",
    "Instances": "instances",
    "Renderer": "render.renderer",
    "StreamInfo": "frame",
    "StreamerError": "errors",
    "Style": "render.renderer",
    "VideoEncoder": "sinks.encoder",
    "VideoFile": "sources.video",
    "annotate": "annotation",
    "detect_in": "perception.selection",
    "load_detector": "detectors.registry",
    "read_records": "sinks.records",
}
__all__ = [*_WHERE]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``import streamer`` alone costs nothing, so the command starts at once."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
