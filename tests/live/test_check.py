"""What a check of a configuration finds, with file and line, before anything is opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamer.config.live import load_live_config, load_run_config
from streamer.errors import ConfigError
from streamer.live.check import check_cameras


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "there.mp4").write_bytes(b"a recording")
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "names.txt").write_text("ball\nbat\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "lamps.py").write_text("class Bright:\n    pass\n")
    return tmp_path


def checked(*, surroundings: bool) -> None:
    settings = load_run_config("c.yaml", {}, {})
    check_cameras(settings.resolved(), settings, surroundings=surroundings)


def complaint(text: str, *, surroundings: bool = True) -> str:
    Path("c.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        checked(surroundings=surroundings)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return str(caught.value)


def passes(text: str, *, surroundings: bool = True) -> None:
    Path("c.yaml").write_text(text)
    checked(surroundings=surroundings)


CAMERA = "cameras:\n  gate:\n    source: rtsp://192.0.2.1/1\n"
ONE = "cameras:\n  gate:\n    source: 'test:'\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("detector: nandet\n" + ONE, "c.yaml:1: there is no detector 'nandet'; did you mean nanodet?"),
        ("detector: lamps:Brigt\n" + ONE, "c.yaml:1: the detector lamps:Brigt: the module has no class Brigt; did you mean"),
        ("detector: lamp:Bright\n" + ONE, "c.yaml:1: the detector lamp:Bright: there is no module lamp"),
        ("detector: file\n" + ONE, "c.yaml:1: the detector file is no file of a model that streamer opens"),
        ("detector: empty\n" + ONE, "c.yaml:1: empty is no SavedModel"),
        ("detector: nanodet\nlabels: names.txt\n" + ONE, "c.yaml:2: the detector nanodet has its own labels"),
        ("detector: model\nlabels: none.txt\n" + ONE, "c.yaml:2: the label file none.txt cannot be read"),
        ("metrics: 192.0.2.1:9090\n" + ONE, "c.yaml:1: metrics cannot listen on 192.0.2.1:9090"),
        (
            ONE + "    classes: person,persn\n",
            "c.yaml:4: cameras.gate: the detector nanodet knows no class 'persn'; did you mean",
        ),
        (
            "detector: model\nlabels: names.txt\n" + ONE + "    classes: bal\n",
            "c.yaml:6: cameras.gate: the detector model knows",
        ),
        ("defaults: {classes: persn}\n" + ONE, "c.yaml:1: cameras.gate: the detector nanodet knows no class 'persn'"),
        ("cameras:\n  gate:\n    source: none.mp4\n", "c.yaml:3: cameras.gate: there is no file none.mp4"),
        ("cameras:\n  gate:\n    source: gopher://h/\n", "c.yaml:3: cameras.gate: unknown scheme gopher"),
        (ONE + "    publish: gopher://h/\n", "c.yaml:4: cameras.gate: cannot publish to gopher://h/"),
        (ONE + "    output: there.mp4\n", "c.yaml:4: cameras.gate: there.mp4 exists already"),
        (ONE + "    output: out.avi\n", "c.yaml:4: cameras.gate: out.avi: video is not written as .avi"),
        (ONE + "    output: no/out.mp4\n", "c.yaml:4: cameras.gate: there is no folder no"),
        (ONE + "    output: empty\n    overwrite: true\n", "c.yaml:4: cameras.gate: empty"),
        (ONE + "    detections: empty\n", "c.yaml:4: cameras.gate: empty is a folder"),
        (ONE + "    detections: file/out.jsonl\n", "c.yaml:4: cameras.gate: file is no folder"),
        (ONE + "    record_annotated: file\n", "c.yaml:4: cameras.gate: file is no folder"),
        (ONE + "    record_annotated: file/deeper\n", "file is no folder"),
        (
            ONE + "    record: new\n    record_annotated: b\n",
            "c.yaml:4: cameras.gate: record keeps what a camera sends, and test: is no stream of one",
        ),
        (CAMERA + "    record: file\n", "c.yaml:4: cameras.gate: file is no folder"),
        (CAMERA + "    record: a\n    record_annotated: ./a\n", "c.yaml:5: cameras.gate: record and record_annotated are"),
        (CAMERA + "    record_source: rtsp://192.0.2.1/2\n", "c.yaml:4: cameras.gate: record_source needs record"),
        (ONE + "    show: true\n", "c.yaml:4: cameras.gate: "),
        (
            ONE + "    detect_fps: 0.5\n    max_mask_age: 1.5\n",
            "c.yaml:5: cameras.gate: max_mask_age: masks would be hidden after 1.5 s, and the detector is asked every 2 s",
        ),
        (ONE + "    keep_hours: 5\n", "c.yaml:4: cameras.gate: keep_hours and keep_gb need record"),
        ("defaults:\n  keep_gb: 5\n" + ONE, "c.yaml:2: cameras.gate: keep_hours and keep_gb need record"),
        (ONE + "    reconnect_max_delay: 0.1\n", "c.yaml:4: cameras.gate: reconnect_max_delay: expected 0.5 s"),
        ("cameras:\n  'a/b':\n    source: 0\n", "c.yaml:2: cameras: 'a/b' cannot be a name"),
        (ONE + "    detections: c.yaml\n    overwrite: true\n", "c.yaml:4: cameras.gate: c.yaml is the configuration"),
        (
            "webhook: {url: 'http://h/', base_url: 'https://h'}\n" + ONE + "    events: new\n",
            "c.yaml:1: base_url of the webhook makes links to the pages of events, and none are served",
        ),
        (ONE + "    output: same.mp4\n    detections: ./same.mp4\n", "same.mp4 is the same file as same.mp4"),
    ],
)
def test_what_a_run_would_refuse_is_found_with_its_line(text: str, words: str) -> None:
    assert words in complaint(text)


TWO = "cameras:\n  {0}: {{source: 'test:'{2}}}\n  {1}: {{source: 'test:'{3}}}\n"


@pytest.mark.parametrize(
    ("defaults", "names", "own"),
    [
        ("record_annotated: rec", ("cam 1", "cam-1"), ("", "")),
        ("record_annotated: rec", ("Gate", "gate"), ("", "")),
        ("", ("a", "A"), (", record_annotated: empty", ", record_annotated: link/empty")),
        ("output: out.mp4", ("a", "b"), ("", "")),
        ("output: '{name}.mp4'", ("Gate", "gate"), ("", "")),
        ("", ("a", "b"), (", detections: link/x.jsonl", ", detections: x.jsonl")),
        ("", ("a", "b"), (", detections: new/x.jsonl", ", detections: new/../new/X.jsonl")),
        ("publish: 'rtsp://h/1'", ("a", "b"), ("", "")),
    ],
)
def test_names_whose_files_clash(defaults: str, names: tuple[str, str], own: tuple[str, str]) -> None:
    text = complaint(f"defaults: {{{defaults}}}\n" + TWO.format(*(repr(name) for name in names), *own))
    assert text.startswith("c.yaml:4: "), text
    assert f"cameras {names[0]} and {names[1]} both write to" in text


def test_a_hard_link_of_a_source_is_not_written_to() -> None:
    os.link("there.mp4", "other.jsonl")
    text = TWO.format("a", "b", ", output: x.mp4", ", detections: other.jsonl, overwrite: true").replace(
        "'test:'", "there.mp4", 1
    )
    assert "c.yaml:3: cameras.b: other.jsonl is the source of a" in complaint(text)


def test_several_mistakes_are_told_together() -> None:
    words = complaint("detector: nandet\nmetrics: 192.0.2.1:1\n" + ONE + "    output: x.avi\n    record_annotated: file\n")
    assert words.count("c.yaml:") == 3
    assert "; and 1 more" in words


def test_folders_that_can_be_made_and_devices_that_may_come_are_no_mistake() -> None:
    passes("cameras:\n  gate:\n    source: /dev/video7\n    record: new/deep\n    detections: new/er/x.jsonl\n")
    passes("cameras:\n  gate:\n    source: rtsp://192.0.2.1/1\n    output: out.mkv\n")
    passes("detector: lamps:Bright\n" + ONE + "    classes: whatever\n")
    passes("detector: mask-rcnn\n" + ONE + "    classes: Person,dog\n")


def test_a_run_lets_what_may_come_later_cost_one_camera_only() -> None:
    passes("cameras:\n  gate: {source: none.mp4, record_annotated: file}\n", surroundings=False)


def test_a_folder_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # the administrator may write everywhere
    assert "may not be written to" in complaint(ONE + "    record_annotated: empty/rec\n")


def test_one_source_is_checked_by_the_same_function() -> None:
    Path("c.yaml").write_text("source: 'test:'\nclasses: persn\n")
    settings = load_live_config("c.yaml", {}, {})
    with pytest.raises(ConfigError, match=r"^c\.yaml:2: the detector nanodet knows no class 'persn'"):
        check_cameras({"test": settings}, settings, single=True)
    settings = load_live_config("c.yaml", {"classes": "cra"}, {})
    with pytest.raises(ConfigError, match=r"^the detector nanodet knows no class 'cra'"):
        check_cameras({"test": settings}, settings, single=True)
    Path("c.yaml").write_text("source: 'test:'\nclasses: person\nkeep_gb: 5\n")
    with pytest.raises(ConfigError, match=r"^c\.yaml:3: keep_hours and keep_gb need record"):
        load_live_config("c.yaml", {}, {})


def test_an_original_that_shows_what_is_covered_must_be_meant() -> None:
    private = CAMERA + "    record: recordings\n    privacy: person=blur\n"
    assert complaint(private).startswith("c.yaml:4: cameras.gate: record keeps the pictures as the camera sent them")
    passes(private + "    keep_original: true\n", surroundings=False)
    assert "must see damaged frames" in complaint(CAMERA + "    privacy: person\n    damaged: drop\n", surroundings=False)
    assert "knows no class 'persn'" in complaint(ONE + "    privacy: {persn: blur}\n")
