"""The clips that benchmarks run on, made from the samples when they are missing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from benchmarks.measure import OUT, SAMPLES


def scaled(width: int, height: int, frames: int, *, sample: str = "pedestrians.mp4", rate: int = 30) -> Path:
    """A sample clip, scaled and repeated to ``frames`` frames, as H.264; made once."""
    path = OUT / f"{Path(sample).stem}-{width}x{height}-{frames}.mp4"
    if path.exists():
        return path
    OUT.mkdir(exist_ok=True)
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as output:
        stream = output.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        done = 0
        while done < frames:
            with av.open(str(SAMPLES / sample)) as source:
                for frame in source.decode(video=0):
                    if done == frames:
                        break
                    picture = frame.reformat(width, height, "yuv420p")
                    picture.pts, picture.time_base = done, Fraction(1, rate)
                    output.mux(stream.encode(picture))
                    done += 1
        output.mux(stream.encode(None))
    part.rename(path)
    return path
