"""A program that records into its second segment and waits to be killed: ``python -m tests.sinks.segments_main FOLDER``."""

from __future__ import annotations

import sys

from streamer.sinks.segments import Segments
from tests.sinks import moving

SEGMENT_S = 20


def main() -> None:
    sink = Segments(sys.argv[1], moving.info(), name="gate", segment_s=SEGMENT_S)
    for index in range(3 * SEGMENT_S // 2 * moving.RATE):
        sink.write(moving.item(index, utc_s=1_767_225_600 + index / moving.RATE))
    print("recorded", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
