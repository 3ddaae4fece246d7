"""An ONNX file, run by ONNX Runtime. The one file that imports it: it is an extra."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.device import AUTO, gpu_index
from streamer.detectors.device import check as check_device
from streamer.detectors.exported.description import Description, Tensor
from streamer.detectors.other_files import by_content
from streamer.errors import DetectorError, DetectorUnavailable, ModelRefused, in_one_line

log = logging.getLogger(__name__)

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}
_QUIET = 4
"""ONNX Runtime logs only what ends the process: what it says about a file is in the error as well."""

_CHATTER = re.compile(
    r"^.*\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .*? failed:|\S+\.(?:cc|h):\d+ .*\) (?=[A-Za-z])|\S+\.cc:\d+ \w+ "
)


class OnnxFile:
    """One ONNX network. Used by one thread at a time, which may change."""

    quantization: tuple[float, int] | None = None

    def __init__(self, file: Path, threads: int | None = None, device: str = AUTO) -> None:
        """``threads`` on a CPU, None for one a core. ``device`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

        Raises ``DetectorUnavailable`` where ONNX Runtime or the device is missing, and of that ``ModelRefused`` where
        the file does not load.
        """
        onnxruntime = _onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        if threads is not None:
            options.intra_op_num_threads = threads
        # Else its helpers keep their cores busy while they wait for the next frame, which the decoder needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = _providers(onnxruntime, device)
        try:
            # Falling back from the CPU to the CPU would only print to standard output.
            fallback = len(providers) > 1
            self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=providers, enable_fallback=fallback)
        except Exception as error:  # its errors have no common type but Exception
            raise _does_not_load(file, error) from error
        self.device = "CPU" if self._session.get_providers()[0] == CPU else "CUDA"
        if self.device == "CPU" and gpu_index(device) is not None:
            raise DetectorUnavailable(
                f"the device {device} cannot be used: ONNX Runtime could not begin there",
                hint="install the CUDA and cuDNN that this onnxruntime-gpu was built for, or use --device cpu",
            )
        try:
            self.description = Description(
                file,
                [_tensor(each) for each in self._session.get_inputs()],
                [_tensor(each) for each in self._session.get_outputs()],
                dict(self._session.get_modelmeta().custom_metadata_map),
            )
        except UnicodeDecodeError as error:
            raise _does_not_load(file, error) from error
        self._binding: Any = None
        self._outputs: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs for these inputs, in the file's order; they hold until the next call. Raises ``DetectorError``."""
        try:
            if self.device != "CPU" or not self._fixed():
                outputs: list[NDArray[Any]] = self._session.run(None, dict(feeds))
                return outputs
            return self._run_in_place(feeds)
        except Exception as error:  # as above
            raise DetectorError(
                f"{self.description.file}: ONNX Runtime failed: {_said(error)}", hint="the file is at fault, not the picture"
            ) from error

    def close(self) -> None:
        """Let go of the network."""
        self._binding = None
        self._session = None

    def _fixed(self) -> bool:
        return all(None not in tensor.shape and tensor.dtype in _DTYPES.values() for tensor in self.description.outputs)

    def _run_in_place(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs go into memory that is used again: those of YOLO are several megabytes a frame."""
        if self._binding is None:
            self._binding = self._session.io_binding()
            self._outputs = [np.zeros(tensor.shape, tensor.dtype) for tensor in self.description.outputs]  # type: ignore[arg-type]  # none is open, see _fixed
            for tensor, array in zip(self.description.outputs, self._outputs, strict=True):
                self._binding.bind_output(tensor.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in feeds.items():
            self._binding.bind_cpu_input(name, array)
        self._session.run_with_iobinding(self._binding)
        return self._outputs


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise DetectorUnavailable(
            f"ONNX files need ONNX Runtime, which cannot be imported: {error}", hint='pip install "streamer[onnx]"'
        ) from error
    return onnxruntime


def _providers(onnxruntime: Any, device: str) -> list[Any]:
    index = gpu_index(device)
    there = CUDA in onnxruntime.get_available_providers()
    if index is None:
        return [CUDA, CPU] if device == AUTO and there else [CPU]
    check_device(device)
    if not there:
        raise DetectorUnavailable(
            f"the device {device} cannot be used: this ONNX Runtime was built for the CPU",
            hint="pip uninstall onnxruntime; pip install onnxruntime-gpu",
        )
    return [(CUDA, {"device_id": index}), CPU]


def _tensor(node: Any) -> Tensor:
    shape = tuple(size if isinstance(size, int) and size >= 0 else None for size in node.shape)
    return Tensor(node.name, shape, _DTYPES.get(node.type, node.type))


def _said(error: BaseException) -> str:
    """The reason in what ONNX Runtime says, without the places in its own source."""
    return _CHATTER.sub("", in_one_line(error))[:300]


def _does_not_load(file: Path, error: BaseException) -> ModelRefused:
    if (other := by_content(file)) is not None:
        return ModelRefused(f"{file} is no ONNX file: it is {other.what}", hint=other.hint)
    if isinstance(error, UnicodeDecodeError):
        return ModelRefused(
            f"{file} does not load: a name or a text in it is not UTF-8", hint="it may be damaged: copy or export it again"
        )
    said = _said(error)
    low = said.lower()
    if (
        "external" in low
        or "initializer.cc" in str(error)
        or "file_size" in low
        or ("no such file" in low and str(file) not in said)
    ):
        return ModelRefused(
            f"{file} does not load: its weights lie in another file, which is missing or cut short: {said}",
            hint=f"copy {file.name}.data, or what its exporter wrote beside it, into {file.parent}",
        )
    if "opset" in low or "ir version" in low:
        return ModelRefused(
            f"{file} does not load: it is newer than this ONNX Runtime: {said}",
            hint="pip install -U onnxruntime, or export it with a smaller opset",
        )
    if "not a registered function" in low or "no op registered" in low or "could not find an implementation" in low:
        return ModelRefused(
            f"{file} does not load: it needs an operation that ONNX Runtime does not have: {said}",
            hint="export it with the standard operations only, and with opset 12 or later",
        )
    return ModelRefused(f"{file} is no ONNX file that loads: {said}", hint="it may be cut short: copy or export it again")
