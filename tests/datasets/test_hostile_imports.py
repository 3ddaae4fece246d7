"""Files that would cost all memory, never end, or bring a reader down; and names of tracks that records cannot hold."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.datasets.export import export
from streamer.datasets.importing import READERS, import_annotations
from streamer.errors import ConfigError, SourceNotFound, StreamerError
from streamer.sinks.coco_masks import rle_within
from streamer.sinks.records import read_records
from streamer.sinks.stored import StoredRecords
from tests.datasets.random_scenes import SIZE, write
from tests.datasets.test_export import write_records

EXPORTED = {"yolo": "yolo-seg"}
FILES = {"coco": "annotations.json", "cvat": "annotations.xml", "youtube-vis": "annotations.json", "mot": "gt/gt.txt",
         "mots": "gt/gt.txt", "yolo": "labels/train/frame_000001.txt"}  # fmt: skip
NUMBERS = ["-1", "0", "1e308", "-1e308", "1e999", "NaN", "inf", "100000", "1e9", "-2147483649", "9223372036854775808",
           "1" * 5000, "null", "true", '"x"', "[]", "[[0,0,1e9,0,1e9,1e9]]",
           '{"size":[48,64],"counts":[4294967296,3072]}']  # fmt: skip


def coco(**more: Any) -> str:
    """A file with one object."""
    one = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 1, 3, 3], **more}
    image = {"id": 0, "file_name": "frame_000000.jpg"}
    return json.dumps({"images": [image], "annotations": [one], "categories": [{"id": 1, "name": "person"}]})


def cvat(shape: str) -> str:
    return f'<annotations><track label="a">{shape}</track></annotations>'


def yaml_of_much(level: str) -> str:
    """Nine of the level before in each of nine."""
    lines = ["a: &l0 {k: 1}" if "<<" in level else "a: &l0 [x]"]
    lines += [f"l{n}: &l{n} " + level.format(", ".join([f"*l{n - 1}"] * 9)) for n in range(1, 10)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("from_", "files", "how"),
    [
        ("coco", {"a": coco(segmentation=[[0, 0, 1e9, 0, 1e9, 1e9]])}, "an outline goes 1e.09 pixels away"),
        ("coco", {"a": coco(segmentation=[[0, 0, 1e5, 1e5] * 1000])}, "an outline of 4e"),
        ("coco", {"a": coco(segmentation=[[None, 0, 1, 0, 1, 1]])}, "an outline goes nan pixels away"),
        ("coco", {"a": coco(segmentation=[[10**400, 0, 1, 0, 1, 1]])}, "an outline: int too large"),
        ("coco", {"a": coco().replace("frame_", "picture")}, "name 'picture000000.jpg' tells no frame, as frame_"),
        ("coco", {"a": coco().replace('"person"', "7")}, "a category's name is 7"),
        ("coco", {"a": coco().replace('"file_name"', '"width": 1280, "height": 720, "file_name"')}, "are 1280x720, not 24x18"),
        ("cvat", {"a": cvat('<polygon frame="0" points="0,0;1e308,0;1,1"/>')}, "in a picture of 24x18"),
        ("cvat", {"a": cvat('<mask frame="0" left="0" top="0" width="1000000000" height="1000000000" rle="1'
                            + 18 * '0' + '"/>')}, "a mask of 1000000000x1000000000 in a picture of 24x18"),
        ("cvat", {"a": f"<annotations><meta><task><original_size><width>1280</width><height>\n720 </height></original_size>"
                       f"</task></meta>{cvat('')[13:]}"}, "its pictures are 1280x720, not 24x18"),
        ("cvat", {"a": '<annotations><image id="0" width="24" height="19"/></annotations>'}, "its pictures are 24x19"),
        ("mot", {"gt.txt": f"1,7,2,2,{'[' * 9999},4\n"}, "cannot be read as mot: could not convert string to float: …"),
        ("mot", {"gt.txt": "1,7.5,2,2,4,4\n"}, "a track of 7.5"),
        ("yolo", {"data.yaml": "names: " + "[" * 9999, "labels/frame_000000.txt": ""}, "is no YAML"),
        ("yolo", {"data.yaml": yaml_of_much("[{}]") + "names: [*l9]", "labels/frame_000000.txt": ""}, "else than text"),
        ("yolo", {"data.yaml": "names: [a]", "labels/frame_000000.txt": "\udcff"}, "frame_000000.txt is no text in UTF-8"),
    ],
)  # fmt: skip
def test_what_would_bring_a_reader_down_is_refused(tmp_path: Path, from_: str, files: dict[str, str], how: str) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, [])])
    for name, text in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(text, errors="surrogateescape")
    path = tmp_path / "in" / (next(iter(files)) if len(files) == 1 else "")
    with pytest.raises(ConfigError, match=how) as refused:
        import_annotations(path, found, tmp_path / "back.jsonl", from_)
    assert len(str(refused.value).removeprefix(str(path))) < 400
    assert not (tmp_path / "back.jsonl").exists()


def test_of_data_yaml_only_the_names_are_made(tmp_path: Path) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, [])])
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "frame_000000.txt").write_bytes(b"\xef\xbb\xbf1 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text(yaml_of_much("{{<<: [{}]}}") + "names: [yes, no]\n")
    import_annotations(tmp_path, found, tmp_path / "back.jsonl", "yolo")
    (one,) = list(read_records(tmp_path / "back.jsonl"))[1]["instances"]
    assert one["class"] == "no", "as it is written, not as YAML's false"


def test_an_outline_around_every_pixel_is_none_too_long() -> None:
    comb = [(x, y) for x in range(SIZE[0]) for y in ((0, SIZE[1]), (SIZE[1], 0))[x % 2]]
    rle_within([[edge for point in comb for edge in point]], *SIZE)


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (*[7, 7],), (2**31 + 5, 2**31 + 5), (7.0, 7), ("7", 7), (None, None), ("", None), (-1, None), ("-1", None),
        (0, 1), ("left", 1), (2**63, 1), (1e300, 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["field", "attribute"])
def test_names_of_tracks_become_identities(tmp_path: Path, told: object, kept: int | None, where: str) -> None:
    """What records cannot hold gets the next free one: theirs are whole numbers from 1."""
    found = write(tmp_path / "found.jsonl", [(0, 0, [])])
    said = {"track_id": told}
    (tmp_path / "a.json").write_text(coco(score=None, **(said if where == "field" else {"attributes": said})))
    import_annotations(tmp_path / "a.json", found, tmp_path / "back.jsonl", "coco")
    (one,) = list(read_records(tmp_path / "back.jsonl"))[1]["instances"]
    assert (one["track_id"], one["score"]) == (kept, 1.0)


@pytest.mark.parametrize("number", [2**31, 2**53 + 1, 2**62 - 1])
def test_large_identities_are_kept(tmp_path: Path, number: int) -> None:
    one = {"class": "person", "class_id": 1, "score": 0.5, "box_xyxy": [2, 2, 9, 9], "track_id": number, "mask": None}
    found = write(tmp_path / "found.jsonl", [(0, 0, [one])])
    for to in ("mot", "cvat", "coco", "youtube-vis"):
        export(found, tmp_path / to, to)
        import_annotations(tmp_path / to / FILES[to], found, tmp_path / f"{to}.jsonl", to)
        (back,) = list(read_records(tmp_path / f"{to}.jsonl"))[1]["instances"]
        assert back["track_id"] == number, to


def test_tracks_that_mots_counts_from_0_are_new_ones(tmp_path: Path) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, []), (1, 10, [])])
    counts = rle_within([[2, 2, 9, 2, 9, 9]], *SIZE)["counts"]
    (tmp_path / "gt.txt").write_text(
        "".join(f"{n} {track} {track // 1000} 18 24 {counts}\n" for n in (1, 2) for track in (1000, 2000, 2005))
    )
    import_annotations(tmp_path / "gt.txt", found, tmp_path / "back.jsonl", "mots")
    for line in list(read_records(tmp_path / "back.jsonl"))[1:3]:
        assert [one["track_id"] for one in line["instances"]] == [6, 7, 5]


def test_a_name_of_two_lines_is_told_in_one(tmp_path: Path) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, [])])
    (tmp_path / "a.json").write_text(coco().replace("person", "a\\nb"))
    done = import_annotations(tmp_path / "a.json", found, tmp_path / "back.jsonl", "coco")
    assert done.notes == ("new classes: a�b",)


def test_pipes_are_refused(tmp_path: Path) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, [])])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_text("{}"), daemon=True).start()
    for records, file in ((found, pipe), (pipe, found)):
        with pytest.raises(SourceNotFound, match="pipe is no file, and is read more than once; write it to a file first"):
            import_annotations(file, records, tmp_path / "back.jsonl", "coco")
    pipe.read_text()


def test_a_folder_without_its_file_is_told_with_its_name(tmp_path: Path) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, [])])
    with pytest.raises(SourceNotFound, match=r"cannot read .*gt/gt\.txt: No such file"):
        import_annotations(tmp_path, found, tmp_path / "back.jsonl", "mot")


def test_the_command_answers_2(tmp_path: Path) -> None:
    found = write(tmp_path / "found.jsonl", [(0, 0, [])])
    arguments = ["import", str(found), "--from", "cvat", "--records", str(found), "-o", str(tmp_path / "back.jsonl")]
    assert CliRunner().invoke(app, arguments).exit_code == 2


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with records, and with them in each format."""
    folder = tmp_path_factory.mktemp("good")
    write_records(folder / "found.jsonl")
    for name in READERS:
        export(folder / "found.jsonl", folder / name, EXPORTED.get(name, name))
    return folder


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A file of which a number or text is another one, or a part is missing or is there twice."""
    kind = draw(st.sampled_from(["number", "number", "byte", "cut", "without", "twice", "encoding"]))
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(content) - 1)] * 2)))
    if kind == "number":
        digits = [at for at in range(first, len(content)) if content[at : at + 1].isdigit()][:1] or [first]
        end = next((at for at in range(digits[0], len(content)) if content[at : at + 1] not in b"0123456789."), len(content))
        return content[: digits[0]] + draw(st.sampled_from(NUMBERS)).encode() + content[end:]
    if kind == "byte":
        return content[:first] + bytes([draw(st.integers(0, 255))]) + content[first + 1 :]
    if kind == "encoding":
        return content.decode().encode(draw(st.sampled_from(["utf-16", "utf-32-be", "cp037"])), "replace")
    return {"cut": content[:first], "without": content[:first] + content[last:], "twice": content[:last] + content[first:]}[
        kind
    ]


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(good: Path, tmp_path: Path, name: str, data: st.DataObject) -> None:
    content = data.draw(damaged((good / name / FILES[name]).read_bytes()))
    file, out = good / name / FILES[name], tmp_path / "back.jsonl"
    before = file.read_bytes()
    refused: StreamerError | None = None
    try:
        file.write_bytes(content)
        import_annotations(good / name if name == "yolo" else file, good / "found.jsonl", out, name, overwrite=True)
    except StreamerError as error:
        refused = error
    finally:
        file.write_bytes(before)
    if refused is not None:
        assert ("\n" in str(refused), refused.exit_code) == (False, 2)
        return
    back = StoredRecords(out)
    for line in back.frames():
        back.instances(line)
