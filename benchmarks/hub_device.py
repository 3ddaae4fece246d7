"""Whether a device gains by several calls under way, and by XLA before the boxes, with a SavedModel of two stages.

python -m benchmarks.hub_device                                  # a generated model, on the device that is found
python -m benchmarks.hub_device PATH --device cuda:0 --most 3    # any SavedModel of the contract, up to three calls under way
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.hub import busy_picture, void
from benchmarks.measure import machine, median, ratio
from streamer.config.annotate import load_annotate_config
from streamer.detectors import cut_cache
from streamer.detectors.graph_def import function_of, needed, node_of, part_of
from streamer.detectors.hub import HubDetector
from streamer.detectors.networks import FEATURES_RANK
from streamer.detectors.process import DetectorProcess, load_processes
from streamer.detectors.saved_model import first_line, quiet_tensorflow
from tests.detectors import saved_models

ROUNDS = 5
CALLS = 4
"""Calls of each detector in a round."""


def calls_under_way(folder: Path, device: str, most: int) -> None:
    """Print seconds a frame with 1 and up to ``most`` detectors on the device, each in a process, in turn."""
    settings = load_annotate_config(None, {"input": "-", "detector": str(folder), "device": device})
    detectors = load_processes(settings, 0.5, [device] * most)
    try:
        for detector in detectors:
            detector.warm_up()
        width, height = detectors[0].input_size or (1024, 1024)
        picture = busy_picture(width, height, 0)
        seconds: dict[int, list[float]] = {count: [] for count in range(1, most + 1)}
        with ThreadPoolExecutor(most) as threads:

            def ask(detector: DetectorProcess) -> None:
                for _ in range(CALLS):
                    detector.detect(picture)

            for _ in range(ROUNDS):
                for count, taken in seconds.items():
                    start = time.perf_counter()
                    list(threads.map(ask, detectors[:count]))
                    taken.append((time.perf_counter() - start) / (count * CALLS))
    finally:
        for detector in detectors:
            detector.close()
    print(
        f"{folder.name} on {detectors[0].device}: detectors side by side, each in a process, {ROUNDS} rounds in turn, medians"
    )
    for count, taken in seconds.items():
        print(f"  {count} under way: {median(taken):8.3f} s a frame, {ratio(taken, seconds[1]):5.2f} of one after the other")


def backbone(folder: Path, device: str) -> None:
    """Print seconds of what stands before the boxes, up to the feature map that masks are cut from, with XLA and without."""
    tf = quiet_tensorflow(None)
    with closing(HubDetector(str(folder), device=device)) as detector:
        kept = cut_cache.load(cut_cache.fingerprint(folder, tf.__version__, detector.device), tf.compat.v1.GraphDef)
        width, height = detector.input_size or (1024, 1024)
    parts = None if kept is None else kept[1]
    if parts is None:
        print("  XLA: the model is not cut before its mask head, so what stands before its boxes is not known")
        return
    weights = {f"{name}:0": tf.constant(values) for name, values in parts.weights.items()}
    handed = list(parts.handed.values())
    types = function_of(tf, parts.first, [parts.picture], handed, weights)
    features = [name for name, tensor in zip(handed, types.outputs, strict=True) if tensor.shape.rank == FEATURES_RANK]
    nodes = {node.name: node for node in parts.first.node}
    part = part_of(parts.first, needed(nodes, features) | {node_of(parts.picture)})
    plain = function_of(tf, part, [parts.picture], features, weights)
    compiled = tf.function(lambda picture: plain(picture), jit_compile=True)
    picture = tf.constant(busy_picture(width, height, 0)[None])
    calls: dict[str, Callable[[Any], Any]] = {"TensorFlow": plain, "XLA": compiled}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    try:
        apart = max(float(np.abs(a - b).max()) for a, b in zip(plain(picture), compiled(picture), strict=True))
    except tf.errors.OpError as error:
        print(f"  XLA: it cannot compile what stands before the boxes: {first_line(error)}")
        return
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            void([made.numpy() for made in call(picture)])
            seconds[name].append(time.perf_counter() - start)
    print(f"  what stands before the boxes, {ROUNDS} calls each in turn, medians; features differ by {apart:.1e}:")
    for name, taken in seconds.items():
        print(f"  {name:10} {median(taken):8.3f} s, {ratio(taken, seconds['TensorFlow']):5.2f}")


def main() -> None:
    """Measure on the given SavedModel, or on a generated one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="?", type=Path)
    parser.add_argument("--device", default="auto", help="one device, as of streamer annotate")
    parser.add_argument("--most", type=int, default=2, help="calls under way at most")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        quiet_tensorflow(None)
        folder = given.path or saved_models.save_two_stage(Path(made) / "two-stage")
        calls_under_way(folder, given.device, given.most)
        backbone(folder, given.device)
    print(machine())


if __name__ == "__main__":
    main()
