"""A SavedModel asked for what matters, five outputs and the masks of a few objects, against calling it as it comes.

python -m benchmarks.hub            # on two generated models: one with as many bytes of extra outputs as the real Mask R-CNN,
                                    # one of two stages
python -m benchmarks.hub PATH       # on any SavedModel of the contract
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.average_precision import Kind, Picture, average_precision
from benchmarks.measure import SAMPLES, machine, median, ratio
from streamer.detectors.hub import HubDetector, to_boxes
from streamer.detectors.networks import TwoStageNetwork
from streamer.detectors.precision import FULL, MIXED, choose
from streamer.detectors.saved_model import load, quiet_tensorflow
from streamer.errors import DetectorUnavailable
from streamer.follow.boxes import overlaps
from streamer.instances import Instances
from streamer.perception.selection import Selection
from streamer.sources.video import VideoFile
from tests.detectors import saved_models

T = TypeVar("T")
KINDS: tuple[Kind, ...] = ("bbox", "segm")
EXTRA_FLOATS = (1, 128, 128, 3328)
"""218 MB, as the 18 needless outputs of the real export."""
KEPT = (0, 1, 5, 20)
"""Objects of which masks are wanted."""
FIDELITY_SCORE = 0.3
"""Objects of this score and more are compared between the whole picture and the scaled one."""
SAME_OBJECT = 0.5
"""Overlap of boxes from which on they count as the same object."""


class Comparison:
    """A model loaded as it comes, and the detector made of it."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.tf = quiet_tensorflow(None)
        start = time.perf_counter()
        HubDetector(str(folder), score_threshold=0.0).close()
        first = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start = time.perf_counter()
        self.detector = HubDetector(str(folder), score_threshold=0.0)
        again = time.perf_counter() - start
        print(f"{self.name} on {self.detector.device}: loaded in {first:.1f} s, {peak:.0f} MiB at most; in {again:.1f} s again")
        self._signature, self._loaded = load(self.tf, str(folder))
        self.mixed = True
        """Whether mixed precision can be used here."""
        try:
            self.with_mixed(lambda: None)()
        except DetectorUnavailable:
            self.mixed = False
        (self._argument,) = self._signature.structured_input_signature[1]

    def naive(self, picture: NDArray[np.uint8]) -> dict[str, Any]:
        """All outputs, copied."""
        answers = self._signature(**{self._argument: self.tf.constant(picture[None])})
        return {key: value.numpy() for key, value in answers.items()}

    def found(self, picture: NDArray[np.uint8], wanted: Selection) -> Instances:
        """What the detector finds of what is wanted."""
        return self.detector.detect_wanted(picture, wanted.rows)

    def seconds(self, rounds: int) -> None:
        """Print bytes copied and seconds a frame, called in turn on the same picture."""
        width, height = self.detector.input_size or (1024, 1024)
        picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        copied = 0

        def naive() -> None:
            nonlocal copied
            copied = sum(values.nbytes for values in self.naive(picture).values())

        def kept(count: int) -> Callable[[], None]:
            wanted = Selection(max_instances=count) if count else Selection(score_threshold=1.0)
            return lambda: void(self.found(picture, wanted))

        calls: dict[str, Callable[[], None]] = {"the model as it comes": naive}
        calls |= {f"boxes, masks of {count}": kept(count) for count in KEPT}
        calls["boxes, all masks"] = lambda: void(self.detector.detect(picture))
        if self.mixed:
            for count in (0, 5):
                calls[f"the same of {count}, mixed"] = self.with_mixed(kept(count))
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        bytes_copied: dict[str, int] = {}
        for counted in range(rounds + 1):
            for name, call in calls.items():
                start = time.perf_counter()
                call()
                if counted:
                    seconds[name].append(time.perf_counter() - start)
                bytes_copied[name] = copied if call is naive else self.detector.answer_bytes
        cut = "cut before its mask head" if isinstance(self.detector._network, TwoStageNetwork) else "not cut"  # noqa: SLF001
        print(f"  {cut}; picture {width}x{height}, {rounds} calls each in turn, medians:")
        for name, taken in seconds.items():
            share = ratio(taken, seconds["the model as it comes"])
            megabytes = bytes_copied[name] / 1e6
            print(f"  {name:22} {median(taken):8.3f} s a frame, {share:5.2f} of the first; {megabytes:8.3f} MB copied")

    def with_mixed(self, call: Callable[[], T]) -> Callable[[], T]:
        """``call`` with mixed precision, and full precision after it."""

        def called() -> T:
            choose(self.tf, MIXED, self.detector.device)
            try:
                return call()
            finally:
                choose(self.tf, FULL, self.detector.device)

        return called

    def precision(self) -> None:
        """Print what mixed precision does to what is found in frames of the sample clips, full precision being the truth."""
        if not self.mixed:
            print("  mixed precision: not on this processor")
            return
        for clip in ("pedestrians.mp4", "bikes.mp4", "bottles.mp4"):
            with closing(VideoFile(SAMPLES / clip)) as source:
                source.open()
                frames = [frame for frame in source.frames() if frame.index % 30 == 10][:3]
            pictures = [frame.rgb() for frame in frames]
            full = [self.detector.detect(picture) for picture in pictures]
            mixed = self.with_mixed(lambda pictures=pictures: [self.detector.detect(picture) for picture in pictures])()  # type: ignore[misc]
            size = Picture(frames[0].width, frames[0].height)
            truth = [instances[instances.scores >= FIDELITY_SCORE] for instances in full]
            judged = {kind: average_precision(mixed, truth, size, kind) for kind in KINDS}
            self_judged = {kind: average_precision(full, truth, size, kind) for kind in KINDS}
            told = ", ".join(f"{kind} {judged[kind]:.3f} (full {self_judged[kind]:.3f})" for kind in KINDS)
            print(f"  {clip}, {len(frames)} frames, {sum(map(len, truth))} objects of {FIDELITY_SCORE} and more: AP50 {told}")

    def equality(self, pictures: int) -> None:
        """Print the most by which boxes, scores and masks differ from the model as it comes, each picture asked for twice."""
        worst = {"boxes (of the picture)": 0.0, "scores": 0.0, "masks": 0.0}
        width, height = self.detector.input_size or (1024, 1024)
        for seed in range(pictures):
            picture = busy_picture(width, height, seed)
            answers = self.naive(picture)
            expected, rows = to_boxes(answers, width, height, 0.0, self.name)
            for _again in range(2):
                found = self.detector.detect(picture)
                scale = np.array([width, height, width, height])
                apart = {"boxes (of the picture)": (found.boxes_xyxy - expected.boxes_xyxy) / scale}
                apart["scores"] = found.scores - expected.scores
                if found.masks is not None:
                    masks = answers["detection_masks"]
                    apart["masks"] = found.masks - masks.reshape(-1, *masks.shape[-2:])[rows]
                worst |= {key: max(worst[key], float(np.abs(values).max(initial=0.0))) for key, values in apart.items()}
        told = ", ".join(f"{key} {most:.1e}" for key, most in worst.items())
        print(f"  most by which it differs from the model as it comes, {pictures} pictures, each twice, all rows: {told}")

    def fidelity(self) -> None:
        """Print what handing over a sharp 4K picture at the network's own size, not as it is, does to boxes and scores."""
        width, height = 3840, 2160
        picture = busy_picture(width, height, 1)
        expected, _rows = to_boxes(self.naive(picture), width, height, FIDELITY_SCORE, self.name)
        scaled = picture
        if self.detector.input_size is not None:
            scaled = np.asarray(cv2.resize(picture, self.detector.input_size, interpolation=cv2.INTER_AREA), np.uint8)
        found = self.found(scaled, Selection(score_threshold=FIDELITY_SCORE))
        found = replace(found, boxes_xyxy=found.boxes_xyxy * np.tile([width / scaled.shape[1], height / scaled.shape[0]], 2))
        iou, _smaller = overlaps(expected.boxes_xyxy.astype(np.float64), found.boxes_xyxy.astype(np.float64))
        iou[expected.class_ids[:, None] != found.class_ids[None]] = 0
        pairs = []
        while iou.size and iou.max() >= SAME_OBJECT:
            row, column = np.unravel_index(iou.argmax(), iou.shape)
            pairs.append((iou[row, column], abs(float(expected.scores[row] - found.scores[column]))))
            iou[row], iou[:, column] = 0, 0
        print(
            f"  a sharp {width}x{height} picture, handed over whole and scaled: {len(expected)} and {len(found)} objects of "
            f"{FIDELITY_SCORE} and more, {len(pairs)} the same"
        )
        if pairs:
            overlap, score = np.array(pairs).T
            print(
                f"  of these, overlap of the boxes {np.median(overlap):.3f} (least {overlap.min():.3f}), "
                f"scores differ by {np.median(score):.3f} (most {score.max():.3f})"
            )


def busy_picture(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """Sharp lines, discs and text on a gradient, RGB (height, width, 3)."""
    random = np.random.default_rng(seed)
    across = np.linspace(0, 255, width, dtype=np.float32)[None, :, None] * np.array([1, 0.5, 0.2], np.float32)
    picture = np.ascontiguousarray(np.broadcast_to(across, (height, width, 3)).astype(np.uint8))
    for i in range(60):
        x, y, size = (int(random.integers(0, most)) for most in (width, height, height // 4))
        color = random.integers(0, 256, 3).tolist()
        if i % 3 == 0:
            cv2.circle(picture, (x, y), size // 2 + 1, color, -1)
        elif i % 3 == 1:
            cv2.line(picture, (x, y), (x + size, y + size // 2), color, 1)
        else:
            cv2.putText(picture, "sharp", (x, y), cv2.FONT_HERSHEY_SIMPLEX, size / 200 + 0.3, color, 1)
    return np.asarray(picture, np.uint8)


def void(_answer: object) -> None:
    """What is done for its time alone."""


def compare(folder: Path, rounds: int, pictures: int) -> None:
    """Print all comparisons."""
    comparison = Comparison(folder)
    comparison.seconds(rounds)
    comparison.equality(pictures)
    comparison.precision()
    comparison.fidelity()


def main() -> None:
    """Compare on the given SavedModel, or on generated ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="?", type=Path)
    path = parser.parse_args().path
    if path is not None:
        compare(path, rounds=3, pictures=2)
    else:
        quiet_tensorflow(None)
        with tempfile.TemporaryDirectory() as folder:
            compare(saved_models.save(Path(folder) / "generated", features=EXTRA_FLOATS), rounds=15, pictures=3)
            compare(saved_models.save_two_stage(Path(folder) / "two-stage"), rounds=15, pictures=8)
    print(machine())


if __name__ == "__main__":
    main()
