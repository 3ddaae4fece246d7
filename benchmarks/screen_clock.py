"""Reads the clock of a picture on a screen, again and again: ``python -m benchmarks.screen_clock DISPLAY``.

Prints how many milliseconds old each newly shown picture was when it was first seen. A process of its own, as capturing a
screen needs PyAV loaded before OpenCV, and showing a window the other way round.
"""

from __future__ import annotations

import sys

from streamer.runtime import import_order

import_order.screen_first()


def main() -> None:
    """Until the display goes away."""
    import av
    import numpy as np

    from benchmarks.picture_clock import BITS, now_ms, read_clock

    newest = -1
    options = {"framerate": "120", "video_size": "1280x720", "draw_mouse": "0"}
    with av.open(sys.argv[1], format="x11grab", options=options) as screen:
        for frame in screen.decode(video=0):
            now = now_ms()
            grey = np.asarray(frame.reformat(format="gray").to_ndarray(), np.uint8)
            # The window stands in the upper left corner, without a frame: there is no window manager.
            shown = read_clock(grey[:360, :640])
            if shown is not None and shown != newest:
                newest = shown
                print((now - shown) % (1 << BITS), flush=True)


if __name__ == "__main__":
    main()
