"""Files that are no models are called what they are, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.detectors.registry import load_detector
from streamer.errors import StreamerError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize("end", [".onnx", ".tflite"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty; copy or export it again"),
        (POINTER, "it is a pointer of Git LFS, not the file itself; fetch the file: git lfs pull"),
        (b"\n <!DOCTYPE html><html>", "it is a web page"),
        (b"\xef\xbb\xbf<HTML>", "it is a web page"),
        (b"PK\x03\x04rest", "it is a ZIP archive, as PyTorch writes them; export it"),
        (b"\x80\x02}q", "it is a pickle, which may run any code"),
        (b"\x80\x04\x95", "it is a pickle, which may run any code"),
        (b"\x89HDF\r\n\x1a\n", "it is a file of Keras"),
        (b"\x1f\x8b\x08", "it is packed by gzip; unpack it first"),
    ],
)
def test_told_by_their_content(tmp_path: Path, end: str, content: bytes, words: str) -> None:
    file = tmp_path / f"model{end}"
    file.write_bytes(content)
    with pytest.raises(StreamerError) as raised:
        load_detector(str(file), score_threshold=0.5)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_one_format_with_the_name_of_the_other(tmp_path: Path) -> None:
    # The first byte says where the network begins: 32, a blank, as well as 28.
    for first in (b"\x1c", b" "):
        (tmp_path / "a.onnx").write_bytes(first + b"\0\0\0TFL3\0\0")
        with pytest.raises(StreamerError, match=r"it is a LiteRT file; name it so: its name has to end in \.tflite"):
            load_detector(str(tmp_path / "a.onnx"), score_threshold=0.5)


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("yolo.onnx", r"it is the folder of a file that streamer opens; name the file: .*yolo\.onnx"),
        ("yolo.tflite", r"name the file: .*yolo\.tflite"),
        ("yolo.xml", "it is a model of OpenVINO; export the model to ONNX"),
        ("model.ncnn.param", "it is a model of ncnn"),
        ("Manifest.json", "it is a package of Core ML"),
        ("model.safetensors", "it is weights of Transformers without a network"),
        ("best.pt", "it is a file of PyTorch, a pickle"),
        ("readme.md", r"it holds no saved_model\.pb; name the folder"),
    ],
)
def test_folders_are_told_by_their_files(tmp_path: Path, member: str, words: str) -> None:
    (tmp_path / member).write_bytes(b"?")
    with pytest.raises(StreamerError, match=words):
        load_detector(str(tmp_path), score_threshold=0.5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.pt", "a file of PyTorch, a pickle"),
        ("a.trt", "a file of another runtime; export the model to ONNX"),
        ("a.mlpackage", "a file of another runtime"),
        ("a.safetensors", "weights without a network"),
        ("a.bin", "no file of a model that streamer opens; name an ONNX"),
        ("a.py", "a file of Python; name a class or a function in it"),
    ],
)
def test_told_by_their_name(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(b"?")
    with pytest.raises(StreamerError, match=words):
        load_detector(str(tmp_path / name), score_threshold=0.5)
