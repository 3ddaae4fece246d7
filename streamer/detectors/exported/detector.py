"""A detector from a file that a framework exported."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.device import AUTO
from streamer.detectors.exported import side_inputs
from streamer.detectors.exported.beside import described
from streamer.detectors.exported.class_names import class_names
from streamer.detectors.exported.description import Description
from streamer.detectors.exported.families import recognise
from streamer.detectors.exported.found import Reader
from streamer.detectors.exported.picture_input import PictureInput, Preparation
from streamer.detectors.exported.recognition import Place, picture_place
from streamer.detectors.exported.told import told_of
from streamer.detectors.picture import refuse_other_than_rgb
from streamer.errors import DetectorUnavailable, ModelRefused
from streamer.instances import Instances

log = logging.getLogger(__name__)

Wanted = Callable[[Instances], NDArray[np.intp]]
"""Of N instances the rows that are wanted, in their order."""
USUAL_SIZE = (640, 640)
"""Width and height in pixels of pictures for networks that take any size and say nothing."""
_EMPTY_MASK = 0.5
LITERT = ".tflite"
"""How the names of LiteRT's files end; all others are ONNX."""


class NetworkFile(Protocol):
    """A file that a runtime has loaded. Used by one thread at a time."""

    description: Description
    device: str
    quantization: tuple[float, int] | None
    """Scale and zero point of the picture's input; None where that holds floats, or plain levels."""

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs for these inputs, in the file's order; they hold until the next call."""
        ...

    def close(self) -> None:
        """Let go of the network."""
        ...


class ExportedDetector:
    """A network whose outputs one of the families reads. Calls from any one thread at a time; a lock keeps others waiting."""

    def __init__(
        self,
        file: Path,
        *,
        score_threshold: float = 0.5,
        threads: int | None = None,
        labels_path: Path | None = None,
        device: str = AUTO,
    ) -> None:
        """Load the file and find out what it is: networks that leave a size open are run once on a gray picture.

        Raises ``ConfigError`` for labels that do not fit, ``DetectorUnavailable`` when it cannot be loaded, and of that
        ``ModelRefused`` when the file is at fault or of no known family.
        """
        self._network: NetworkFile | None = opened(file, threads, device)
        network = self._network
        network.description = described(network.description)
        self.name = file.name
        self.device = network.device
        self._place = place_of(network.description)
        self._score_threshold = score_threshold
        self._lock = threading.Lock()
        self._told_no_numbers = False
        told = told_of(file)
        network.description = told.added(network.description)
        known, size = _known(network, self._place)
        self.contract: Mapping[str, str] = known.contract()
        place = replace(self._place, size=size)
        self._reader: Reader = told.reader(known) or recognise(known, place, told.words.get("family"))
        self.labels: Mapping[int, str] = class_names(known, self._reader, labels_path, told.labels)
        preparation = told.prepared(self._reader.preparation)
        self._input = _input(preparation, network, self._place)
        # Where a framework averages, so does the conversion to RGB; the others interpolate, so they get the whole picture.
        self.input_size: tuple[int, int] | None = self._place.size if preparation.averaged else None
        log.info("%s: %s, on the %s", file, self._reader.family, self.device)

    @property
    def family(self) -> str:
        """What the file was recognised as, for people."""
        return self._reader.family

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        """Find objects in an RGB picture, uint8 (height, width, 3); boxes in pixels of that very array."""
        return self.detect_wanted(image, lambda found: np.arange(len(found)))

    def detect_wanted(self, image: NDArray[np.uint8], wanted: Wanted, *, masks: bool = True) -> Instances:
        """See ``stages.DetectsWanted``."""
        refuse_other_than_rgb(image)
        with self._lock:
            network = self._network
            if network is None:
                raise DetectorUnavailable(f"the detector {self.name} is closed", hint="make a new one")
            picture, fit = self._input.put(image)
            outputs = network.run(_feeds(network.description, self._place, picture, fit.input_size))
            # Boxes and scores that are no numbers are left out later, and said: they need no warning of NumPy's.
            with np.errstate(all="ignore"):
                found = self._reader.read(outputs, fit, self._score_threshold)
            if not len(found.scores):
                self._tell_no_numbers(network.description, outputs)
            instances = Instances(boxes_xyxy=found.boxes_xyxy, scores=found.scores, class_ids=found.classes)
            rows = wanted(instances)
            instances = instances[rows]
            if not masks or found.masks is None or not len(instances):
                return instances
            with np.errstate(all="ignore"):
                made = found.masks(np.asarray(rows, np.intp))
        has_mask = made.reshape(len(made), -1).max(axis=1) > _EMPTY_MASK
        with_masks = replace(instances, masks=made, has_mask=has_mask)
        return with_masks[has_mask] if found.empty_go and not has_mask.all() else with_masks

    def _tell_no_numbers(self, description: Description, outputs: Sequence[NDArray[Any]]) -> None:
        """Warn once where nothing was found because the network computed no numbers, as half floats that overflow do."""
        if self._told_no_numbers:
            return
        for tensor, array in zip(description.outputs, outputs, strict=True):
            # A sum is NaN if one of them is, and makes no array of the output's size.
            if array.dtype.kind == "f" and np.isnan(array.sum(dtype=np.float32)):
                log.warning("%s finds nothing: its output %s holds NaN instead of numbers", self.name, tensor.name)
                self._told_no_numbers = True
                return

    def warm_up(self) -> None:
        """Run it on a black picture."""
        width, height = self._place.size or USUAL_SIZE
        self.detect(np.zeros((height, width, 3), np.uint8))

    def close(self) -> None:
        """Let go of the network."""
        with self._lock:
            if self._network is not None:
                self._network.close()
            self._network = None


def opened(file: Path, threads: int | None = None, device: str = AUTO) -> NetworkFile:
    """The file, loaded by the runtime for its kind. Raises ``DetectorUnavailable``."""
    if file.suffix.lower() == LITERT:
        from streamer.detectors.exported.litert_file import LiteRtFile

        return LiteRtFile(file, threads, device)
    from streamer.detectors.exported.onnx_file import OnnxFile

    return OnnxFile(file, threads, device)


def place_of(description: Description) -> Place:
    """The input that takes the picture. Raises ``ModelRefused`` where there is none, or where others are needed."""
    place = picture_place(description.inputs)
    if isinstance(place, str):
        inputs = ", ".join(f"{tensor.name} {tensor}" for tensor in description.inputs)
        raise ModelRefused(f"{description.file}: {place}; its inputs: {inputs or 'none'}", hint="export it for one RGB picture")
    others = [tensor for tensor in description.inputs if tensor is not place.tensor]
    if strange := side_inputs.unknown(others):
        names = ", ".join(f"{tensor.name} {tensor}" for tensor in strange)
        raise ModelRefused(
            f"{description.file} takes more than a picture: {names}",
            hint="streamer gives a picture and its size (orig_target_sizes) only; export it for one picture",
        )
    return place


def _feeds(description: Description, place: Place, picture: NDArray[Any], size: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """The picture, and what a file wants to know of its ``size`` (width, height)."""
    feeds = {place.tensor.name: picture}
    for tensor in description.inputs:
        if tensor is not place.tensor and tensor.name != place.tensor.name:
            feeds[tensor.name] = side_inputs.value(tensor, size)
    return feeds


def _known(network: NetworkFile, place: Place) -> tuple[Description, tuple[int, int]]:
    """The description with all shapes, and the size of the input that they are for."""
    description = network.description
    size = place.size or description.image_size or USUAL_SIZE
    if all(None not in tensor.shape[1:] for tensor in description.outputs) and place.size:
        return description, size
    width, height = size
    shape = (height, width, 3) if place.channels_last else (3, height, width)
    gray = np.full((1, *shape) if place.batch else shape, 0.5, np.float32).astype(place.tensor.dtype)
    outputs = network.run(_feeds(description, place, gray, size))
    return description.with_shapes([array.shape for array in outputs]), size


def _input(preparation: Preparation, network: NetworkFile, place: Place) -> PictureInput:
    description = network.description
    if place.tensor.dtype not in ("float32", "float16", "uint8", "int8"):
        raise ModelRefused(
            f"{description.file}: its picture is {place.tensor}", hint="it must take float32, float16, uint8 or int8"
        )
    return PictureInput(
        preparation,
        size=place.size,
        largest=description.image_size or USUAL_SIZE,
        stride=description.stride,
        channels_last=place.channels_last,
        batch=place.batch,
        dtype=np.dtype(place.tensor.dtype),
        quantization=network.quantization,
    )
