"""The two parts of a network as OpenVINO computes them. The one file that imports OpenVINO, an extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.graph_cut import Cut, fitted
from streamer.detectors.networks import FEATURES_RANK, Arrays, BoxAnswers
from streamer.errors import DetectorError, DetectorUnavailable

BOXES, MASKS = "boxes.xml", "masks.xml"
"""Files of the two parts; beside each lies a ``.bin`` with its weights."""


def convert(tf: Any, parts: Cut, folder: Path) -> None:
    """Write both parts into ``folder``. Raises what OpenVINO raises for a graph that it cannot convert."""
    openvino = _openvino()
    first = (parts.first, [*parts.outputs.values(), *parts.handed.values()])
    for (graph, outputs), file in ((first, BOXES), ((parts.second, [parts.masks]), MASKS)):
        frozen = folder / "frozen.pb"
        frozen.write_bytes(_whole(tf, graph, outputs, parts).SerializeToString())
        # Its own `convert_model` tells its makers of each conversion.
        openvino.save_model(openvino.Core().read_model(frozen), folder / file, compress_to_fp16=False)
        frozen.unlink()


class OpenVinoNetwork:
    """A network of two parts, like ``TwoStageNetwork``, on the CPU."""

    has_masks = True

    def __init__(self, parts: Cut, folder: Path, threads: int | None = None) -> None:
        """Read what :func:`convert` wrote of ``parts`` into ``folder``; ``threads``: None for one a core.

        Raises what OpenVINO raises for files that it cannot use.
        """
        core = _openvino().Core()
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._keys, self._freed, self._rows = list(parts.outputs), dict(parts.freed), parts.rows
        first, second = core.read_model(folder / BOXES), core.read_model(folder / MASKS)
        handed = [first.output(_named(len(self._keys) + index)) for index in range(len(parts.handed))]
        # It compiles nothing of unknown rank. What was a constant of few numbers is the shape of something: it stays as long.
        shapes = [[-1] * output.get_partial_shape().rank.get_length() for output in handed]
        shapes += [[-1 if size == parts.rows else size for size in values.shape] for values in parts.freed.values()]
        fed = [f"{name}:0" for name in (*parts.handed, *parts.freed)]
        second.reshape(dict(zip(fed, shapes, strict=True)))
        self._boxes = core.compile_model(first, "CPU", settings).create_infer_request()
        self._masks = core.compile_model(second, "CPU", settings).create_infer_request()
        self._fed = fed

    def boxes(self, picture: Any) -> BoxAnswers:
        """See ``networks.Network``."""
        self._run(self._boxes, [picture.numpy()])
        keys = len(self._keys)
        outputs: Arrays = {key: self._answer(self._boxes, index) for index, key in enumerate(self._keys)}
        kept_back = len(self._fed) - len(self._freed)
        return BoxAnswers(outputs, [self._answer(self._boxes, keys + index) for index in range(kept_back)])

    def masks(self, answers: BoxAnswers, kept: NDArray[np.intp]) -> NDArray[np.generic]:
        """See ``networks.Network``."""
        # Feature maps have no rows.
        given = [values if values.ndim == FEATURES_RANK else fitted(values, self._rows, kept) for values in answers.kept_back]
        given += [fitted(values, self._rows, kept) for values in self._freed.values()]
        self._run(self._masks, dict(zip(self._fed, map(np.ascontiguousarray, given), strict=True)))
        return self._answer(self._masks, 0)

    @staticmethod
    def _run(request: Any, inputs: Any) -> None:
        try:
            request.infer(inputs, share_inputs=True)
        except RuntimeError as error:
            raise DetectorError(f"OpenVINO failed: {said(error)}", hint="use --device cpu, which takes longer") from error

    @staticmethod
    def _answer(request: Any, index: int) -> NDArray[np.generic]:
        """Copied: the request's own memory is written anew at the next call."""
        return np.array(request.get_tensor(_named(index)).data)


def said(error: Exception) -> str:
    """What OpenVINO says is wrong: of its ten lines the one with the operation that it does not know, else the last."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    return next((line for line in lines if line.startswith("No conversion rule")), lines[-1] if lines else type(error).__name__)


def _named(index: int) -> str:
    """The name by which an output of a part is found: those of TensorFlow may be gone after the conversion."""
    return f"answer_{index}:0"


def _whole(tf: Any, part: Any, outputs: list[str], parts: Cut) -> Any:
    """The ``GraphDef`` of one part with its weights, whose ``outputs`` have names of ours."""
    read = {source for node in part.node for source in node.input}
    with tf.Graph().as_default() as graph:
        weights = {f"{name}:0": tf.constant(values) for name, values in parts.weights.items() if f"{name}:0" in read}
        tensors = tf.graph_util.import_graph_def(part, weights, return_elements=outputs, name="")
        for index, tensor in enumerate(tensors):
            tf.identity(tensor, name=_named(index).partition(":")[0])
        return graph.as_graph_def()


def _openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise DetectorUnavailable(f"OpenVINO cannot be imported: {error}", hint='pip install "streamer[openvino]"') from error
    return openvino
