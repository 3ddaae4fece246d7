"""The class names of an exported network: from a label file, its metadata, or COCO where the numbers say so."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from streamer.detectors.exported.answers import SSD
from streamer.detectors.exported.description import Description
from streamer.detectors.exported.found import Reader
from streamer.detectors.label_file import read_labels
from streamer.detectors.labels import COCO, COCO80, NAMED
from streamer.errors import ConfigError

log = logging.getLogger(__name__)

WITH_HOLES = 91
"""Classes of networks that number COCO's from 1 to 90."""


def class_names(
    description: Description, reader: Reader, labels_path: Path | None, told: Mapping[int, str] | None = None
) -> Mapping[int, str]:
    """Class names by the numbers that the network gives; ``told`` are those of the YAML beside it.

    Raises ``ConfigError`` where the label file has another number of classes than the network.
    """
    if labels_path is not None:
        return _fitting(read_labels(labels_path), description, reader, str(labels_path))
    if told is not None:
        return _fitting(told, description, reader, "of its YAML")
    if description.names:
        return description.names
    if reader.classes == len(COCO80):
        return COCO80
    if reader.family == SSD:
        return NAMED["coco-from-0"]
    if reader.classes is None:
        # Final answers: torchvision and TensorFlow number COCO's classes with holes, the others without.
        return COCO80 if _from_0(reader) else COCO
    if reader.classes == WITH_HOLES and not _from_0(reader):
        return COCO
    log.warning("%s says no class names: they are numbers; give --labels FILE", description.file)
    return {number: f"class {number}" for number in range(reader.classes or 0)}


def _from_0(reader: Reader) -> bool:
    return reader.family.startswith(("YOLO", "RT-DETR", "PaddleDetection"))


def _fitting(labels: Mapping[int, str], description: Description, reader: Reader, path: str) -> Mapping[int, str]:
    classes = reader.classes
    if classes is None:
        return labels
    if classes == WITH_HOLES and set(labels) <= set(range(WITH_HOLES)):
        return labels
    # RF-DETR has one class more than it was trained for.
    if len(labels) != classes and not (reader.family == "RF-DETR" and len(labels) == classes - 1):
        raise ConfigError(
            f"{description.file} knows {classes} classes, the labels {path} have {len(labels)}",
            hint="give the labels that it was trained with, one name a line, in that order",
        )
    # Such networks count from 0; a list of names without numbers is read from 1.
    return dict(enumerate(labels[number] for number in sorted(labels)))
