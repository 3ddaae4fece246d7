"""A program that records for ever, for tests that kill it: ``python -m tests.sinks.segments_main FOLDER``."""

from __future__ import annotations

import itertools
import sys
import time

from streamer.sinks.segments import Segments
from tests.sinks import moving


def main() -> None:
    sink = Segments(sys.argv[1], moving.info(), name="gate", segment_s=20)
    for index in itertools.count():
        sink.write(moving.item(index))
        time.sleep(0.002)


if __name__ == "__main__":
    main()
