"""How models are named that are downloaded: what is a handle, and whose. Loaded in every run, so it needs no network code."""

from __future__ import annotations

from pathlib import Path

MASK_RCNN = "https://tfhub.dev/tensorflow/mask_rcnn/inception_resnet_v2_1024x1024/1"
"""The handle of the detector ``mask-rcnn``."""
KAGGLE = "kaggle:"
"""How the handle of a model of Kaggle begins."""


def is_handle(model: str) -> bool:
    """Whether ``model`` is the address of a model, not the path of a SavedModel folder."""
    return "://" in model or not Path(model).is_dir()


def is_kaggle(handle: str) -> bool:
    """Whether ``handle`` names a model of Kaggle, well or badly."""
    return handle.startswith(KAGGLE)
