"""A recording: what a network of a framework was given, what it answered, and what its framework made of that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "recordings"
SIZES = ((320, 240), (384, 216), (216, 384))
"""Width and height of the pictures: 4:3, 16:9 and upright."""

MASK_AXES = 4

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a framework found in one picture."""

    size: tuple[int, int]
    """Width and height of the picture."""
    inputs: Arrays
    outputs: Arrays
    boxes_xyxy: NDArray[Any]
    """(N, 4) in pixels of the picture."""
    scores: NDArray[Any]
    classes: NDArray[Any]
    masks: NDArray[np.bool_] | None
    """(N, height, width); None where it has none."""

    def of(self, rows: NDArray[np.intp]) -> Answer:
        """The same with these objects only."""
        masks = None if self.masks is None else self.masks[rows]
        return replace(
            self, boxes_xyxy=self.boxes_xyxy[rows], scores=self.scores[rows], classes=self.classes[rows], masks=masks
        )


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One network."""

    by: str
    """Package and version."""
    family: str
    """What streamer is to take it for."""
    conf: float
    """Least score."""
    inputs: dict[str, tuple[list[int | None], str]]
    """Shape and dtype of each input, as the file says them."""
    outputs: dict[str, tuple[list[int | None], str]]
    metadata: dict[str, str]
    answers: Sequence[Answer]

    def save(self, name: str) -> Path:
        """Write it to the folder of recordings."""
        arrays: Arrays = {}
        for number, one in enumerate(self.answers):
            # Half floats are enough to see whether the picture is the same, and whether a pixel is of a mask.
            arrays |= {f"{number} in {key}": array.astype(np.float16) for key, array in one.inputs.items()}
            arrays |= {
                f"{number} out {key}": array.astype(np.float16) if array.ndim == MASK_AXES else array
                for key, array in one.outputs.items()
            }
            arrays |= {
                f"{number} boxes": np.asarray(one.boxes_xyxy, np.float32).reshape(-1, 4),
                f"{number} scores": np.asarray(one.scores, np.float32),
                f"{number} classes": np.asarray(one.classes, np.int32),
            }
            if one.masks is not None:
                arrays[f"{number} masks"] = np.packbits(one.masks, axis=-1)
        said = {key: getattr(self, key) for key in ("by", "family", "conf", "inputs", "outputs", "metadata")}
        said["sizes"] = [one.size for one in self.answers]
        FOLDER.mkdir(exist_ok=True)
        file = FOLDER / f"{name}.npz"
        np.savez_compressed(file, said=np.frombuffer(json.dumps(said).encode(), np.uint8), **arrays)  # type: ignore[arg-type]  # no name is that of a setting
        return file


def load(file: Path) -> Recording:
    """A recording that was saved."""
    with np.load(file) as arrays:
        said = json.loads(arrays["said"].tobytes())
        answers = []
        for number, (width, height) in enumerate(said.pop("sizes")):
            masks = arrays.get(f"{number} masks")
            answers.append(
                Answer(
                    (width, height),
                    {name: arrays[f"{number} in {name}"].astype(dtype) for name, (_, dtype) in said["inputs"].items()},
                    {name: arrays[f"{number} out {name}"].astype(dtype) for name, (_, dtype) in said["outputs"].items()},
                    arrays[f"{number} boxes"],
                    arrays[f"{number} scores"],
                    arrays[f"{number} classes"],
                    None if masks is None else np.unpackbits(masks, axis=-1, count=width).astype(bool),
                )
            )
    return Recording(**said, answers=answers)
