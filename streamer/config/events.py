"""Settings of events: what makes one, and where they are kept."""

from __future__ import annotations

from typing import Annotated, ClassVar

from streamer.config.fields import FilePath, Names, Option, Seconds, Settings, Unset


class EventOptions(Settings):
    """What makes an event."""

    panel: ClassVar[str] = "Events"

    events: Annotated[FilePath | None, Option(metavar="FOLDER"), Unset("none are made")] = None
    """Folder of events: the file ``events.db``, and snapshots and clips by camera."""
    event_classes: Annotated[Names, Unset("all that are shown", by_none=False)] = None
    """Names of the classes that make events, such as ``person,car``."""
    event_zones: Annotated[Names, Unset("anywhere", by_none=False)] = None
    """Names of zones: objects make events in one of them only."""
    event_min_duration: Seconds = 1.0
    """Seconds that an object must be there."""
    event_merge_after: Seconds = 3.0
    """Seconds without any object after which an event has ended; objects that come before that belong to it."""
    event_pre_capture: Seconds = 5.0
    """Seconds of the clip before the event; live clips are cut from what ``record`` keeps."""
    event_post_capture: Seconds = 10.0
    """Seconds of the clip after the event."""
