"""What Hugging Face's exporters write beside a model file: ``config.json`` and ``preprocessor_config.json``.

They say what the file does not: which network it is, its class names, its size and its numbers. Both become metadata, as if
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

log = logging.getLogger(__name__)

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
_MOST_BYTES = 10_000_000


def described(description: Description) -> Description:
    """The description with what stands beside its file; the same where there is nothing, or of another kind.

    Keys are those of the files: ``model_type``, and ``image_mean``, ``image_std`` where pictures are normalised; names and
    size are ``names`` and ``imgsz``. What the file's own metadata say comes first.
    """
    folder = description.file.parent
    config = _read(folder / CONFIG)
    if not isinstance(config.get("model_type"), str):
        return description
    said: dict[str, str] = {"model_type": config["model_type"]}
    if isinstance(names := config.get("id2label"), dict):
        said["names"] = json.dumps(names)
    processing = _read(folder / PREPROCESSOR)
    size = processing.get("size")
    if isinstance(size, dict) and {"height", "width"} <= size.keys():
        said["imgsz"] = json.dumps([size["height"], size["width"]])
    if processing.get("do_normalize"):
        said |= {key: json.dumps(processing.get(key)) for key in ("image_mean", "image_std")}
    log.info("%s: %s and %s beside it say what it is", description.file, CONFIG, PREPROCESSOR)
    return replace(description, metadata={**said, **description.metadata})


def _read(file: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(file.read_bytes()) if file.stat().st_size <= _MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
