"""Files that streamer does not open as models: what they are, by their first bytes or the end of their name, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_HEAD_BYTES = 512


class Other(NamedTuple):
    """What a file is instead."""

    what: str
    """In words that follow "FILE is"."""
    hint: str
    """What to do."""


_EXPORT = "export it where it was made: yolo export model=FILE format=onnx, model.export() of RF-DETR, or torch.onnx.export"
_TORCH = Other("a file of PyTorch, a pickle that may run any code when it is opened", _EXPORT)
_KERAS = Other("a file of Keras", "export it, model.export(FOLDER), and name that folder")
_OTHER_RUNTIME = Other("a file of another runtime", "export the model to ONNX, and name that file")
_TENSORFLOW = Other("a file of TensorFlow", "name the folder of the SavedModel that it lies in")
_PYTHON = Other("a file of Python", "name a class or a function in it: package.module:name")
BY_NAME: Mapping[str, Other] = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".torchscript", ".pkl"), _TORCH),
    ".safetensors": Other("weights without a network", _EXPORT),
    **dict.fromkeys((".keras", ".h5"), _KERAS),
    **dict.fromkeys(
        (".engine", ".trt", ".plan", ".mlmodel", ".mlpackage", ".xml", ".param", ".mnn", ".rknn", ".hef"), _OTHER_RUNTIME
    ),
    ".pb": _TENSORFLOW,
    ".py": _PYTHON,
}
"""By the end of the file's name."""
UNKNOWN = Other(
    "no file of a model that streamer opens", "name an ONNX (.onnx) or LiteRT (.tflite) file, or a SavedModel's folder"
)

_BY_MEMBER: tuple[tuple[str, Other], ...] = (
    (".xml", Other("a model of OpenVINO", _OTHER_RUNTIME.hint)),
    (".param", Other("a model of ncnn", _OTHER_RUNTIME.hint)),
    ("manifest.json", Other("a package of Core ML", _OTHER_RUNTIME.hint)),
    (".pdmodel", Other("a model of PaddlePaddle", _OTHER_RUNTIME.hint)),
    (
        ".safetensors",
        Other("weights of Transformers without a network", "export them: optimum-cli export onnx --model FOLDER NEW"),
    ),
    (".pt", _TORCH),
    (".pth", _TORCH),
)
"""The end of the name of a file that such a folder holds, and what it is; what is more particular comes first."""

_POINTER = Other("a pointer of Git LFS, not the file itself", "fetch the file: git lfs pull")
_PAGE = Other("a web page, not the file itself", "download it again, from the address of the file")
_BY_HEAD: tuple[tuple[int, bytes, Other], ...] = (
    (0, b"version https://git-lfs", _POINTER),
    (0, b"<!doctype html", _PAGE),
    (0, b"<html", _PAGE),
    (0, b"pk\x03\x04", Other("a ZIP archive, as PyTorch writes them", _EXPORT)),
    *(
        (0, bytes([0x80, version]), Other("a pickle, which may run any code when it is opened", _EXPORT))
        for version in range(2, 6)
    ),
    (0, b"\x89hdf\r\n", _KERAS),
    (0, b"\x1f\x8b", Other("packed by gzip", "unpack it first")),
    (4, b"tfl3", Other("a LiteRT file", "name it so: its name has to end in .tflite")),
)
"""Where bytes stand, the bytes in small letters, and what a file is that has them."""


def by_content(file: Path, own: bytes = b"") -> Other | None:
    """What a file that did not load is, if its first bytes show it; ``own`` are those of the format that was expected."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD_BYTES)
    except OSError:
        return None
    if not head:
        return Other("empty", "copy or export it again")
    low = head.lower()
    # A byte order mark and blanks may come before text, but a place counts from the first byte.
    text = low.lstrip(b"\xef\xbb\xbf \t\r\n")
    return next(
        (other for at, mark, other in _BY_HEAD if (low[at:] if at else text).startswith(mark) and mark != own.lower()), None
    )


def by_members(folder: Path) -> Other | None:
    """What a folder without a SavedModel is, if the names of its files show it."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        return None
    for end in (".onnx", ".tflite"):
        if files := [name for name in names if name.lower().endswith(end)]:
            return Other("the folder of a file that streamer opens", f"name the file: {folder / files[0]}")
    return next((other for mark, other in _BY_MEMBER if any(name.lower().endswith(mark) for name in names)), None)
