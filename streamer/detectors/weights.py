"""Weights that come with the package, checked before they are used."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from streamer.errors import DetectorUnavailable

FOLDER = Path(__file__).parent.parent / "models"

SHA256: Mapping[str, str] = {
    "nanodet/nanodet_plus_m_320x576.int8.tflite": "c12e844d490a2ad356d9e9172f98d9a62657557946f20480471b62ff0ee65e25",
    "nanodet/nanodet_plus_m_384x512.int8.tflite": "9fb9ec0799652e454aaeecb25347e5ee9cd17ae3eb78efd4354fd842881e1b76",
    "nanodet/nanodet_plus_m_544x960.int8.tflite": "5886b0c6e0696a38467013aeebf833fa282d96164373ea9e47f0d060bb9773ee",
    "nanodet/nanodet_plus_m_576x320.int8.tflite": "4d3af4400110cdfc183979d0de9badd7d27445a51fe49abe7a2e773c92f8f6ff",
    "outlines/deeplab_v3_mnv2_dm05_257.tflite": "6d99f489f70841ac14d3de02eb18460e6d36faec7c042749ea9baadfdccd85f9",
    "outlines/selfie_segmentation.tflite": "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
}
"""Each file below ``streamer/models`` and its checksum."""


def verified(name: str, folder: Path = FOLDER) -> bytes:
    """The content of one of the files. Raises ``DetectorUnavailable`` when it is missing or not what it was."""
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DetectorUnavailable(
            f"the weights {path} cannot be read: {error.strerror or error}", hint="install streamer again"
        ) from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != SHA256[name]:
        raise DetectorUnavailable(
            f"the weights {path} have changed: expected sha256 {SHA256[name]}, got {actual} ({len(content)} bytes)",
            hint="install streamer again",
        )
    return content
