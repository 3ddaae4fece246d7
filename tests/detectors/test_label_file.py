"""Files of class names: read as what they are, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.detectors.label_file import read_labels
from streamer.errors import ConfigError

PBTXT = """\
# TensorFlow's label map
item {
  id: 1
  name: 'helmet'
}
item: {
  name: "n03", id: 3;
  display_name: "safety \\"vest\\""
  keypoints { id: 7 label: "left" }
}
item < id: 4 name: 'glove' >
"""


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "labels.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ("ball\nbat\n", {1: "ball", 2: "bat"}),
        ("ball\n\nbat\n", {1: "ball", 3: "bat"}),
        ("???\nball\nbat\n", {0: "???", 1: "ball", 2: "bat"}),
        ("__background__\nball\n", {0: "__background__", 1: "ball"}),
        ("Background\nball\n", {0: "Background", 1: "ball"}),
        ("background noise\nball\n", {1: "background noise", 2: "ball"}),
        ("ball\r\nbase bat\r\n", {1: "ball", 2: "base bat"}),
        ("3 ball\n7: base bat\n\n", {3: "ball", 7: "base bat"}),
        ("0,ball\r\n1,bat", {0: "ball", 1: "bat"}),
        ('id,name\n1,ball\n2,"bat, red"\n', {1: "ball", 2: "bat, red"}),
        ("name;id\nball;1\nbat;2\n", {1: "ball", 2: "bat"}),
        ("1\tball\n2\tbat\n", {1: "ball", 2: "bat"}),
        ("ball: 1\nbat: 2\n", {1: "ball", 2: "bat"}),
        ("0: 'ball'\n1: bat\n", {0: "ball", 1: "bat"}),
        ("1 knife, fork\n2 spoon\n", {1: "knife, fork", 2: "spoon"}),
        ('\ufeff{"1": "ball", "44": "Größe"}', {1: "ball", 44: "Größe"}),
        ('{"ball": 0, "bat": 1}', {0: "ball", 1: "bat"}),
        ('{"id2label": {"0": "ball"}, "label2id": {"ball": 0}}', {0: "ball"}),
        ('{"images": [], "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}]}', {18: "dog"}),
        ('[{"id": 1, "name": "ball"}]', {1: "ball"}),
        (PBTXT, {1: "helmet", 3: 'safety "vest"', 4: "glove"}),
        (PBTXT.replace("\n", "\r\n").encode("utf-16"), {1: "helmet", 3: 'safety "vest"', 4: "glove"}),
        ("item{name:'a b'id:5}", {5: "a b"}),
        ("ball\nGröße\n".encode("utf-16"), {1: "ball", 2: "Größe"}),
        ("ball\nbat\n".encode("utf-16-le"), {1: "ball", 2: "bat"}),
        ("ball\nbat\n".encode("utf-16-be"), {1: "ball", 2: "bat"}),
    ],
)
def test_reads_names(tmp_path: Path, content: str | bytes, labels: dict[int, str]) -> None:
    assert read_labels(written(tmp_path, content)) == labels


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no names"),
        (b"{}", "holds no names"),
        (b"[]", "holds no names"),
        (b'{"one": "ball"}', "is not understood"),
        (b'{"1": ', "is not understood"),
        (b'{"1": "ball", "1": "bat"}', "a key is there twice"),
        (b'{"1": ["ball"]}', "is no number and name"),
        (b'["ball", "bat"]', "a list says no numbers"),
        (b"[" * 100_000, "not understood"),
        (b"1 ball\nbat\n", "line 2: 'bat' has no number"),
        (b"1 ball\n1 bat\n", "1 is 'ball' and 'bat'"),
        (b"1,ball,sports\n", "more than a number and a name"),
        (b"/m/01,Person\n/m/02,Car\n", "every line has several columns"),
        (b"ball,bat,glove", "every line has several columns"),
        (b"names:\n  - ball\n  - bat\n", "line 1: 'names:' is no name"),
        (b"names: [ball, bat]\nnc: 2\n", "has no number"),
        (b"- ball\n- bat\n", "line 1: '- ball' is no name"),
        (b"path: ../coco\nnames:\n  0: person\n  1: car\n", "line 1: 'path: ../coco' has no number"),
        (b"<labels><label>ball</label></labels>", "line 1"),
        (b"[classes]\nball=1\n", "not understood"),
        (b"item {\n  id: 1\n", "it ends within an item"),
        (b"item { name: 'ball' }", "is no number and name"),
        (b"item { id: 1 }", "is no number and name"),
        (b"item { id: 1 name: 'ball }", "line 1"),
        (b"item { id: 1 name: 'ball' } }", "a brace too many"),
        (b"item { id: 1 name: 'a' } item { id: 1 name: 'b' }", "1 is 'a' and 'b'"),
        (b"\xff\xfe\x00", "no UTF-8"),
        (b"caf\xe9\n", "no UTF-8"),
        (b"TFL3\0\0ball", "no UTF-8"),
        (b"ball\x1b[0m\n", "is no name"),
    ],
)
def test_refuses_what_it_cannot_read(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_labels(written(tmp_path, content))
    assert words in caught.value.message
    assert "label map" in caught.value.hint
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.txt cannot be read: No such file"):
        read_labels(tmp_path / "none.txt")


@given(
    st.dictionaries(
        st.integers(0, 10**6), st.from_regex(r"[a-zäöü]{1,9}( [a-z]{1,9})?", fullmatch=True), min_size=1, max_size=9
    )
)
def test_all_formats_say_the_same(tmp_path_factory: pytest.TempPathFactory, labels: dict[int, str]) -> None:
    folder = tmp_path_factory.mktemp("labels")
    for content in (
        json.dumps({str(number): name for number, name in labels.items()}),
        "\n".join(f"{number} {name}" for number, name in labels.items()),
        "\r\n".join(f'{number},"{name}"' for number, name in labels.items()),
        "\n".join(f"item {{ id: {number} display_name: '{name}' }}" for number, name in labels.items()),
    ):
        assert read_labels(written(folder, content)) == labels


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_it_is_there_are_names_or_a_reason(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    try:
        labels = read_labels(written(tmp_path_factory.mktemp("labels"), content))
    except ConfigError:
        return
    assert labels
    assert all(name and number >= 0 for number, name in labels.items())
