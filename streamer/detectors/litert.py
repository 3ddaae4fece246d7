"""One LiteRT network that takes one picture."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from streamer.detectors.quiet import stderr_without
from streamer.errors import DetectorUnavailable, in_one_line

BANNER = "Created TensorFlow Lite XNNPACK delegate for CPU"


def interpreter(content: bytes, threads: int, name: str, hint: str) -> Any:
    """LiteRT's own object for a model's file, ready to run. ``name`` and ``hint`` are for errors.

    Raises ``DetectorUnavailable`` when it does not load.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        with stderr_without(BANNER):
            made: Any = Interpreter(model_content=content, num_threads=threads)
            made.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise DetectorUnavailable(f"LiteRT does not load {name}: {in_one_line(error)}", hint=hint) from error
    return made


class Network:
    """A LiteRT model with a single picture as its input. Used by one thread at a time, which may change."""

    def __init__(self, content: bytes, threads: int, name: str) -> None:
        """``content`` is the model's file, ``name`` is for errors. Raises ``DetectorUnavailable`` when it does not load."""
        self._interpreter = interpreter(content, threads, name, hint="install streamer again")
        given, made = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()
        self._input = given["index"]
        self._outputs = [output["index"] for output in made]
        self.input_shape: tuple[int, ...] = tuple(int(size) for size in given["shape"])
        self.output_shapes: list[tuple[int, ...]] = [tuple(int(size) for size in output["shape"]) for output in made]
        self.output_quantization: tuple[float, int] = made[0]["quantization"]
        """Scale and zero point of the first output; scale 0 where it holds floats."""

    def input_view(self) -> NDArray[Any]:
        """The input's own memory, without its batch axis, to write into. No view may be held when it computes."""
        view: NDArray[Any] = self._interpreter.tensor(self._input)()[0]
        return view

    def output_view(self, at: int) -> NDArray[Any]:
        """The memory of output ``at``, with its batch axis. No view may be held when it computes."""
        view: NDArray[Any] = self._interpreter.tensor(self._outputs[at])()
        return view

    def invoke(self) -> None:
        """Compute the outputs of what the input holds."""
        self._interpreter.invoke()
