"""What exporters write beside a model file: Hugging Face's ``config.json`` and ``preprocessor_config.json``, PaddleDetection's
``infer_cfg.yml``.

They say what the file does not: which network it is, its class names, its size and its numbers. All become metadata, as if
they stood in the file.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamer.detectors.exported.description import Description
from streamer.detectors.exported.side_inputs import SCALE

log = logging.getLogger(__name__)

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
INFER = "infer_cfg.yml"
_MOST_BYTES = 10_000_000


def described(description: Description) -> Description:
    """The description with what stands beside its file; the same where there is nothing, or of another kind.

    Keys are those of the files: ``model_type``, and ``image_mean``, ``image_std`` where pictures are normalised; names and
    size are ``names`` and ``imgsz``, or ``edges``: pixels of the shorter side, and of the longer one at most. What the file's
    own metadata say comes first.
    """
    folder = description.file.parent
    config = _read(folder / CONFIG)
    if not isinstance(config.get("model_type"), str):
        by_paddle = any(tensor.name == SCALE for tensor in description.inputs)
        return _with(description, _of_paddle(_read(folder / INFER))) if by_paddle else description
    said: dict[str, str] = {"model_type": config["model_type"]}
    if isinstance(names := config.get("id2label"), dict):
        said["names"] = json.dumps(names)
    processing = _read(folder / PREPROCESSOR)
    size = processing.get("size")
    if isinstance(size, dict) and {"height", "width"} <= size.keys():
        said["imgsz"] = json.dumps([size["height"], size["width"]])
    elif isinstance(size, dict) and {"shortest_edge", "longest_edge"} <= size.keys():
        said["edges"] = json.dumps([size["shortest_edge"], size["longest_edge"]])
    if processing.get("do_normalize"):
        said |= {key: json.dumps(processing.get(key)) for key in ("image_mean", "image_std")}
    log.info("%s: %s and %s beside it say what it is", description.file, CONFIG, PREPROCESSOR)
    return _with(description, said)


def _with(description: Description, said: Mapping[str, str]) -> Description:
    return replace(description, metadata={**said, **description.metadata})


def _of_paddle(config: Mapping[str, Any]) -> dict[str, str]:
    """Class names, mean and deviation in ``infer_cfg.yml``."""
    names, steps = config.get("label_list"), config.get("Preprocess")
    said = {"names": json.dumps(names)} if isinstance(names, list) else {}
    for step in steps if isinstance(steps, list) else ():
        if not isinstance(step, dict) or step.get("type") != "NormalizeImage":
            continue
        plain, by = step.get("norm_type") == "none", 1.0 if step.get("is_scale", True) else 255.0
        given = {"image_mean": [0.0] * 3 if plain else step.get("mean"), "image_std": [1.0] * 3 if plain else step.get("std")}
        for key, values in given.items():
            if isinstance(values, list) and all(isinstance(value, int | float) for value in values):
                said[key] = json.dumps([value / by for value in values])
    return said


def _read(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        content = file.read_bytes() if file.stat().st_size <= _MOST_BYTES else b"null"
        data = json.loads(content) if file.suffix == ".json" else yaml.safe_load(content)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return data if isinstance(data, dict) else {}
