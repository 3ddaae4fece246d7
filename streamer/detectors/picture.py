"""The picture that a detector is given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DetectorContractError


def refuse_other_than_rgb(image: NDArray[np.uint8]) -> None:
    """Raise ``DetectorContractError`` for anything but an RGB picture, uint8 (height, width, 3).

    Networks would take a float picture for black, or the first picture of several, without a word.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise DetectorContractError(
            f"expected an RGB picture, uint8 (height, width, 3), got {image.dtype} {image.shape}",
            hint="hand over the array as Frame.rgb() gives it",
        )
