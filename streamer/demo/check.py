"""What can be said of the demo's settings before it is served."""

from __future__ import annotations

from importlib.util import find_spec

from streamer.config.demo import DemoConfig
from streamer.detectors.registry import check_detector
from streamer.errors import ConfigError
from streamer.perception.selection import class_ids


def check(config: DemoConfig) -> None:
    """Raise ``ConfigError`` for a missing extra, a class that there is not, a detector that cannot be."""
    if find_spec("aiortc") is None:
        raise ConfigError("the demo needs aiortc, which sends pictures to browsers", hint='pip install "streamer[web]"')
    config.check_web()
    if config.web_read_only:
        raise ConfigError(
            f"{config.origin.where(('web_read_only',))}web_read_only leaves nothing of a demo, which is there to be tried",
            hint="leave it out, or give web_view_token to those who may only look",
        )
    labels = check_detector(config.detector, config.labels, config.device, config.precision)
    if labels is not None and config.classes is not None:
        class_ids(config.classes, labels, config.detector)
