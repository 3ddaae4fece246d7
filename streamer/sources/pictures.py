"""A picture as a connection hands it over."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av


@dataclass(slots=True, eq=False, kw_only=True)
class Picture:
    """A decoded picture, and when it came."""

    picture: av.VideoFrame
    pts: int | None
    """The source's own time stamp in ticks of ``time_base``, if it has any."""
    time_base: Fraction | None
    damaged: bool
    arrived_s: float
    """Monotonic seconds when the decoder handed it over."""
    utc_s: float
    """Seconds since 1970 when it was taken, by the camera's clock where it tells, or when it came."""
    rate: Fraction | None
    """Frames a second as far as the stream tells."""
    sample_aspect_ratio: Fraction
