"""One LiteRT network that takes one picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.quiet import stderr_without
from streamer.errors import DetectorUnavailable

BANNER = "Created TensorFlow Lite XNNPACK delegate for CPU"


class Network:
    """A LiteRT model with a single picture as its input. Used by one thread at a time, which may change."""

    def __init__(self, content: bytes, threads: int, name: str) -> None:
        """``content`` is the model's file, ``name`` is for errors. Raises ``DetectorUnavailable`` when it does not load."""
        from ai_edge_litert.interpreter import Interpreter

        try:
            with stderr_without(BANNER):
                self._interpreter: Any = Interpreter(model_content=content, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise DetectorUnavailable(f"LiteRT does not load {name}: {error}", hint="install streamer again") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, picture: NDArray[np.uint8], scale: float, offset: float = 0.0) -> list[NDArray[np.float32]]:
        """The outputs for ``picture * scale + offset``; the picture has the size of the input."""
        # Straight into the network's own memory. No view of it may be left when it computes.
        view = self._interpreter.tensor(self._input)()[0]
        np.multiply(picture, np.float32(scale), out=view)
        if offset:
            view += np.float32(offset)
        del view
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]

    def warm_up(self) -> None:
        """Compute once, on whatever the input holds."""
        self._interpreter.invoke()
