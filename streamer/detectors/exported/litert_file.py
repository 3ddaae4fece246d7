"""A LiteRT file (``.tflite``), with floats or with numbers of 8 bits."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.device import AUTO, gpu_index
from streamer.detectors.exported.description import Description, Tensor
from streamer.detectors.litert import interpreter
from streamer.detectors.other_files import by_content
from streamer.errors import DetectorError, DetectorUnavailable, ModelRefused, in_one_line

MARK = b"TFL3"
"""Bytes 4 to 8 of each such file."""
_MOST_BYTES = 1_000_000
"""Of a file of metadata."""
_HINT = "it may be cut short, or newer than this LiteRT: copy or export it again"


class LiteRtFile:
    """One LiteRT network on the CPU. Used by one thread at a time, which may change.

    Outputs of 8 bits are given as the floats that they stand for.
    """

    device = "CPU"

    def __init__(self, file: Path, threads: int | None = None, device: str = AUTO) -> None:
        """``threads``: None for one a core. Raises ``ModelRefused`` where the file does not load.

        Raises ``DetectorUnavailable`` for a GPU.
        """
        if gpu_index(device) is not None:
            raise DetectorUnavailable(f"the device {device} cannot be used: LiteRT runs on the CPU", hint="use --device cpu")
        try:
            content = file.read_bytes()
        except OSError as error:
            raise DetectorUnavailable(f"{file} cannot be read: {error.strerror}", hint="check the path") from error
        if content[4:8] != MARK:
            what, hint = by_content(file, MARK) or ("of another format", "it may be cut short: copy or export it again")
            raise ModelRefused(f"{file} is no LiteRT file: it is {what}", hint=hint)
        try:
            self._interpreter: Any = interpreter(content, threads or os.cpu_count() or 1, str(file), _HINT)
        except DetectorUnavailable as error:
            raise ModelRefused(error.message, hint=error.hint) from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._inputs = {str(each["name"]): int(each["index"]) for each in inputs}
        self._outputs = [(int(each["index"]), _quantization(each)) for each in outputs]
        self.quantization = next((_quantization(each) for each in inputs if len(each["shape"]) == 4), None)
        self.description = Description(
            file,
            [_tensor(each, np.dtype(each["dtype"]).name) for each in inputs],
            [_tensor(each, "float32" if _quantization(each) else np.dtype(each["dtype"]).name) for each in outputs],
            _metadata(file),
            litert=True,
        )

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs for these inputs, in the file's order. Raises ``DetectorError``."""
        try:
            for name, array in feeds.items():
                self._interpreter.set_tensor(self._inputs[name], array)
            self._interpreter.invoke()
            return [_floats(self._interpreter.get_tensor(at), quantization) for at, quantization in self._outputs]
        except (ValueError, RuntimeError) as error:
            raise DetectorError(
                f"{self.description.file}: LiteRT failed: {in_one_line(error)}", hint="the file is at fault, not the picture"
            ) from error

    def close(self) -> None:
        """Let go of the network."""
        self._interpreter = None


def _tensor(details: Mapping[str, Any], dtype: str) -> Tensor:
    # The shape that memory is there for: an open size counts as one.
    return Tensor(str(details["name"]), tuple(int(size) for size in details["shape"]), dtype)


def _quantization(details: Mapping[str, Any]) -> tuple[float, int] | None:
    scale, zero = details["quantization"]
    whole = np.dtype(details["dtype"]).kind in "iu"
    return (float(scale), int(zero)) if whole and scale else None


def _floats(array: NDArray[Any], quantization: tuple[float, int] | None) -> NDArray[Any]:
    if quantization is None:
        return array
    scale, zero = quantization
    made = array.astype(np.float32)
    made -= zero
    made *= scale
    return made


def _metadata(file: Path) -> dict[str, str]:
    """What stands in the archive at the file's end: the metadata of Ultralytics, and the labels of TensorFlow's models."""
    if not zipfile.is_zipfile(file):
        return {}
    found: dict[str, str] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.file_size > _MOST_BYTES:
                    continue
                if member.filename == "metadata.json":
                    data = json.loads(archive.read(member))
                    if isinstance(data, dict):
                        found |= {
                            str(key): value if isinstance(value, str) else json.dumps(value) for key, value in data.items()
                        }
                elif member.filename.endswith(".txt") and "label" in member.filename:
                    names = archive.read(member).decode("utf-8").splitlines()
                    found["names"] = json.dumps({number: name for number, name in enumerate(names) if name not in ("", "???")})
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ModelRefused(
            f"{file}: its metadata cannot be read: {in_one_line(error)}", hint="it may be damaged: copy or export it again"
        ) from error
    return found
