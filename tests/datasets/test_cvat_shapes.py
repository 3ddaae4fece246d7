"""Shapes are found in any XML that says the same, whatever size it is read in."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from streamer.datasets import cvat_shapes
from streamer.datasets.cvat_shapes import CvatShapes

XML = """<?xml version="1.0" encoding="{encoding}"?>
<annotations><meta><job><box frame="9"/></job></meta>
<track id="0" label="Käse"><box frame="0" a="&gt;&lt;/box>"/><box frame="1"><attribute name="x"/></box >
<polygon frame="2" outside="1" points="1,1"/><points frame="2"/><tag frame="2"/></track>
<image id="3"><box
 label="Öl" xtl="1"
/><!-- <box/> --><mask label="b" rle="1"><attribute name="y">&#228;ö</attribute></mask></image>
<track id="1" label="b"><box frame="0"/></track></annotations>
"""


@pytest.mark.parametrize("piece", [1, 2, 7, 100, 1 << 14])
@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_pieces_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, piece: int) -> None:
    monkeypatch.setattr(cvat_shapes, "_PIECE", piece)
    file = tmp_path / "annotations.xml"
    file.write_bytes(XML.format(encoding=encoding).encode(encoding))
    found = CvatShapes(file, 2)
    assert (found.labels, found.others, found.spans.frames) == ([None, "Käse", "b"], {"points": 1}, {0, 2, 6})
    made = [
        (frame, piece.owner, ET.fromstring(piece.content, ET.XMLParser(encoding=found.encoding)))
        for frame in (0, 2, 6)
        for piece in found.spans.pieces(frame)
    ]
    assert [(frame, owner, each.tag, dict(each.attrib)) for frame, owner, each in made] == [
        (0, 1, "box", {"frame": "0", "a": "></box>"}),
        (0, 2, "box", {"frame": "0"}),
        (2, 1, "box", {"frame": "1"}),
        (6, 0, "box", {"label": "Öl", "xtl": "1"}),
        (6, 0, "mask", {"label": "b", "rle": "1"}),
    ]
    assert [each.findtext("attribute") for _, _, each in made] == [None, None, "", None, "äö"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no element found"),
        (b"<annotations><track label='a'>", "no element found"),
        (b"<annotations><image><box/></image></annotations>", "id"),
        ("<?xml version='1.0' encoding='utf-16'?><annotations/>".encode("utf-16"), "UTF-16"),
        ("<?xml version='1.0'?><annotations/>".encode("utf-16"), "UTF-16"),
        ("<annotations/>".encode("utf-16-le"), "UTF-16"),
        (b"<!DOCTYPE annotations [<!ENTITY b 'a'>]><annotations/>", "DOCTYPE"),
    ],
)
def test_what_is_damaged(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "annotations.xml"
    file.write_bytes(content)
    with pytest.raises((ValueError, KeyError), match=message):
        CvatShapes(file, 1)
