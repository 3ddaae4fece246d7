"""What the line is compared with: a plain loop that decodes and encodes, and one that only calls the interpreters.

python -m benchmarks.bare transcode IN OUT PRESET CRF [DRAWN [X264-PARAMS]]
python -m benchmarks.bare decode IN
python -m benchmarks.bare nanodet IN THREADS
"""

from __future__ import annotations

import sys


def transcode(source: str, target: str, preset: str, crf: str, drawn: str = "", x264_params: str = "") -> None:
    """Decode and encode with PyAV and the same settings, and nothing else.

    ``drawn``: a file of 4:2:0 planes, one picture after the other. These are encoded instead of what is decoded, straight
    from the mapped file: it costs what its pages cost to map. ``x264_params``: which of its code x264 is to use.
    """
    import av
    import numpy as np

    with av.open(source) as input_, av.open(target, "w") as output:
        video = input_.streams.video[0]
        video.thread_type = "AUTO"
        options = {"preset": preset, "crf": crf} | ({"x264-params": x264_params} if x264_params else {})
        stream = output.add_stream("libx264", rate=video.average_rate, options=options)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        stream.thread_type = "FRAME"  # as streamer's: faster than PyAV's default, which cuts each picture into slices
        if video.time_base:
            stream.codec_context.time_base = video.time_base
        planes = np.memmap(drawn, np.uint8, "r").reshape(-1, video.height * 3 // 2, video.width) if drawn else None
        for index, frame in enumerate(input_.decode(video)):
            picture = frame
            if planes is not None:
                picture = av.VideoFrame.from_numpy_buffer(planes[index], "yuv420p")
                picture.pts, picture.time_base = frame.pts, frame.time_base
            picture.pict_type = 0
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))


def decode(source: str) -> None:
    """Decode with PyAV, and nothing else."""
    import av

    with av.open(source) as input_:
        video = input_.streams.video[0]
        video.thread_type = "AUTO"
        for _ in input_.decode(video):
            pass


def nanodet(source: str, threads: int) -> None:
    """Call the interpreters of ``nanodet`` as often as the command does for persons, on random input, and nothing else."""
    import json
    from pathlib import Path

    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from streamer.detectors.nanodet import weights_file
    from streamer.detectors.weights import FOLDER

    persons = json.loads(Path(source).read_text())
    rng = np.random.default_rng(0)
    interpreters = []
    for name in (weights_file((512, 384)), "outlines/selfie_segmentation.tflite"):
        interpreter = Interpreter(str(FOLDER / name), num_threads=threads)
        interpreter.allocate_tensors()
        detail = interpreter.get_input_details()[0]
        interpreters.append((interpreter, detail["index"], rng.random(detail["shape"], np.float32)))
    boxes, outlines = interpreters
    for n in persons:
        for interpreter, index, data in [boxes] + [outlines] * n:
            interpreter.set_tensor(index, data)
            interpreter.invoke()


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "transcode":
        transcode(*arguments)
    elif what == "decode":
        decode(arguments[0])
    else:
        nanodet(arguments[0], int(arguments[1]))
