"""What makes an event, by the settings."""

from __future__ import annotations

from streamer.config.events import EventOptions
from streamer.events.tracker import EventRules


def event_rules(config: EventOptions) -> EventRules:
    """The rules that ``event_classes`` and the others say."""
    return EventRules(
        classes=None if config.event_classes is None else frozenset(config.event_classes),
        zones=None if config.event_zones is None else frozenset(config.event_zones),
        min_duration_s=config.event_min_duration,
        merge_after_s=config.event_merge_after,
    )
