"""A SavedModel asked for the five outputs that matter, against calling it as it comes.

python -m benchmarks.hub            # on a generated model with as many bytes of extra outputs as the real Mask R-CNN
python -m benchmarks.hub PATH       # on any SavedModel of the contract
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import machine, median, ratio
from streamer.detectors.hub import HubDetector
from streamer.detectors.saved_model import quiet_tensorflow
from tests.detectors import saved_models

EXTRA_FLOATS = (1, 128, 128, 3328)
"""218 MB, as the 18 needless outputs of the real export."""


def compare(folder: Path, rounds: int) -> None:
    """Print bytes copied and seconds a frame of both ways, called in turn on the same picture."""
    tf = quiet_tensorflow(None)
    detector = HubDetector(str(folder), score_threshold=0.3)
    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures["serving_default"]
    (argument,) = signature.structured_input_signature[1]
    width, height = detector.input_size or (1024, 1024)
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)

    def naive() -> int:
        answers = signature(**{argument: tf.constant(picture[None])})
        return sum(value.numpy().nbytes for value in answers.values())

    def five() -> int:
        detector.detect(picture)
        return detector.answer_bytes

    seconds: dict[str, list[float]] = {"naive": [], "five outputs": []}
    copied: dict[str, int] = {}
    for counted in range(rounds + 1):
        for name, call in (("naive", naive), ("five outputs", five)):
            start = time.perf_counter()
            copied[name] = call()
            if counted:
                seconds[name].append(time.perf_counter() - start)
    print(f"{folder.name} on {detector.device}, picture {width}x{height}, {rounds} calls each in turn:")
    for name, taken in seconds.items():
        print(f"  {name:13} {copied[name] / 1e6:8.2f} MB copied  {median(taken):7.3f} s a frame (median)")
    print(f"  five outputs: {ratio(seconds['five outputs'], seconds['naive']):.2f} of the naive call's time (median of pairs)")
    print(machine())


def main() -> None:
    """Compare on the given SavedModel, or on a generated one."""
    if len(sys.argv) > 1:
        compare(Path(sys.argv[1]), rounds=3)
        return
    quiet_tensorflow(None)
    with tempfile.TemporaryDirectory() as folder:
        compare(saved_models.save(Path(folder) / "generated", features=EXTRA_FLOATS), rounds=15)


if __name__ == "__main__":
    main()
