"""Settings of annotate: from YAML and options to checked objects, and the words of the complaints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.config.annotate import AnnotateConfig, load_annotate_config
from streamer.config.fields import Expected, Settings, parse_time
from streamer.config.validation import build
from streamer.config.yaml_file import load_yaml, parse_yaml
from streamer.errors import ConfigError
from streamer.render.renderer import Style
from streamer.suggest import did_you_mean, nearest

EMPTY = "write a value, or leave the line out"
BOOLEAN = "yes, no, on and off are a text in quotes only"
EXAMPLE = Path(__file__).parents[2] / "configs" / "annotate.yaml"


def from_text(text: str, **overrides: object) -> AnnotateConfig:
    return build(AnnotateConfig, parse_yaml(text, "a.yaml"), {"input": "in.mp4", **overrides})


def complaint(text: str, **overrides: object) -> str:
    with pytest.raises(ConfigError) as caught:
        from_text(text, **overrides)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_example_is_good() -> None:
    config = load_annotate_config(EXAMPLE, {})
    assert config.input == "samples/pedestrians.mp4"
    assert config.classes == ("person", "bicycle")
    assert config.draw == frozenset[object]({"masks", "outlines", "labels", "zones"})
    assert (config.start, config.end) == (0.0, 10.0)


def test_the_example_tells_of_every_key() -> None:
    text = EXAMPLE.read_text()
    assert [key for key in AnnotateConfig.model_fields if f"\n{key}:" not in text and f"\n# {key}:" not in text] == []


def test_what_stands_when_nothing_is_said() -> None:
    config = load_annotate_config(None, {"input": "in.mp4"})
    assert (config.detector, config.score_threshold, config.inference_interval) == ("nanodet", None, 1)
    assert (config.encoder, config.audio, config.masks) == (None, "copy", "rle")
    assert Style(draw=config.draw, mask_opacity=config.mask_opacity) == Style()
    assert not config.overwrite
    with pytest.raises(ValidationError, match="frozen"):
        config.crf = 3.0


def test_options_win_over_the_file_unless_they_are_not_given(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("input: file.mp4\ncrf: 30\nscore_threshold: 0.5\n")
    config = load_annotate_config(path, {"crf": 20, "score_threshold": None, "classes": "person, car"})
    assert (config.input, config.crf, config.score_threshold, config.classes) == ("file.mp4", 20, 0.5, ("person", "car"))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("1:30", 90), ("01:30.5", 90.5), ("'01:30.5'", 90.5), ("00:01:30", 90), ("1:00:00.250", 3600.25), (".5", 0.5)],
)
def test_times(written: str, seconds: float) -> None:
    assert from_text(f"start: {written}").start == pytest.approx(seconds)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "5m",
        "-1",
        "1:60",
        "1:2:3:4",
        "60:60:00",
        "nan",
        "inf",
        "1:-3",
        "\N{ARABIC-INDIC DIGIT ONE}",
        -1,
        math.inf,
        True,
        None,
        [],
    ],
)
def test_what_is_no_time(wrong: object) -> None:
    with pytest.raises(ValueError, match="no time"):
        parse_time(wrong)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59_999))
def test_times_as_a_clock_shows_them(hours: int, minutes: int, milliseconds: int) -> None:
    seconds = milliseconds / 1000
    expected = hours * 3600 + minutes * 60 + seconds
    assert parse_time(f"{hours:02}:{minutes:02}:{seconds:06.3f}") == pytest.approx(expected)
    assert parse_time(expected) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("score_threshold: 1.5", "a.yaml:1: score_threshold: expected a number 0..1, got 1.5"),
        ("\n\nscore_threshold: high", "a.yaml:3: score_threshold: expected a number 0..1, got 'high'"),
        ("mask_opacity: .nan", "a.yaml:1: mask_opacity: expected a number 0..1, got nan"),
        ("threads: 0", "a.yaml:1: threads: expected a whole number, 1 or more, got 0"),
        ("threads: true", "a.yaml:1: threads: expected a whole number, 1 or more, got True"),
        ("inference_interval: often", "a.yaml:1: inference_interval: expected a whole number, 1 or more, or auto, got 'often'"),
        ("crf: 64", "a.yaml:1: crf: expected a number 0..63, got 64"),
        ("audio: no", "a.yaml:1: audio: expected copy or none, got False"),
        ("start: 5m", "a.yaml:1: start: expected seconds, MM:SS or HH:MM:SS.mmm, 0 or more, got '5m'"),
        ("start: 5\nend: 3", "a.yaml:2: end: expected more than start, 5 s, got 3"),
        ("end: 0", "a.yaml:1: end: expected more than start, 0 s, got 0"),
        ("masks: polygons", "a.yaml:1: masks: expected rle, polygon or none, got 'polygons'; did you mean 'polygon'?"),
        ("coco:", "a.yaml:1: coco: expected a path, got nothing; " + EMPTY),
        ("coco: ''", "a.yaml:1: coco: expected a path, got ''"),
        ("classes: [a, ~]", "a.yaml:1: classes.1: expected names, separated by commas, got nothing; " + EMPTY),
        ("classes: [no]", "a.yaml:1: classes.0: expected names, separated by commas, got False; " + BOOLEAN),
        ("score_treshold: 0.5", "a.yaml:1: unknown key 'score_treshold'; did you mean 'score_threshold'?"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, words: str) -> None:
    assert complaint(text) == words


def test_a_wrong_item_of_a_list_is_named_with_its_line() -> None:
    words = "a.yaml:3: draw.1: expected masks, outlines, boxes, labels, zones, separated by commas, or none, got 'outline'; "
    assert complaint("draw:\n- masks\n- outline") == words + "did you mean 'outlines'?"


def test_an_option_has_no_line() -> None:
    assert complaint("crf: 20", crf="abc") == "crf: expected a number 0..63, got 'abc'"
    assert complaint("", draw="mask,boxes").startswith("draw: expected masks, outlines, boxes, labels")
    assert complaint("", input="") == "input: expected a text, got ''"


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("quiet: yes", "quiet", True),
        ("quiet: 'on'", "quiet", True),
        ("track: off", "track", False),
        ("start: 1:30", "start", 90),
        ("start: 90:00", "start", 5400),
        ("start: '90:00'", "start", 5400),
        ("start: 1:00:00", "start", 3600),
        ("threads: 010", "threads", 8),
        ("threads: 1_0", "threads", 10),
        ("threads: '010'", "threads", 10),
        ("crf: 1e1", "crf", 10),
        ("preset: 8", "preset", "8"),
        ("preset: 'on'", "preset", "on"),
        ("classes: ['no']", "classes", ("no",)),
        ("classes: all", "classes", ("all",)),
        ("classes: default", "classes", None),
        ("output: none", "output", None),
        ("encoder: none", "encoder", None),
    ],
)
def test_what_yaml_makes_of_a_text(text: str, field: str, value: object) -> None:
    assert getattr(from_text(text), field) == value


def test_a_variable_comes_from_the_environment_and_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("input: rtsp://u:${PASSWORD}@host/\ncrf: ${CRF}\n")
    config = load_annotate_config(path, {}, {"PASSWORD": "s3cret", "CRF": "20"})
    assert (config.input, config.crf) == ("rtsp://u:s3cret@host/", 20)
    with pytest.raises(ConfigError, match="crf: expected a number") as caught:
        load_annotate_config(path, {}, {"PASSWORD": "s3cret", "CRF": "s3cret"})
    assert "s3cret" not in str(caught.value)


def test_a_missing_input_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^input: missing, expected a text$"):
        load_annotate_config(None, {})


def test_several_mistakes_make_one_line() -> None:
    words = complaint("crf: x\nthreads: x\naudio: x\nmasks: x\nquiet: x")
    assert words.count("expected") == 3
    assert words.endswith("; and 2 more")


def test_a_long_value_is_cut_and_a_passwordhidden() -> None:
    assert len(complaint(f"crf: {'x' * 500}")) < 150
    assert "s3cret" not in complaint("crf: rtsp://admin:s3cret@camera/live")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("crf: 1\n\ncrf: 2", "a.yaml:3: crf is there twice, first in line 1"),
        ("crf: [1", "a.yaml:1: not YAML"),
        ("a: 1\n b: 2", "a.yaml:2: not YAML"),
        ("input: test:", 'a.yaml:1: not YAML: mapping values are not allowed here; put a text with a colon in quotes: "test:"'),
        ("- 1\n- 2", "a.yaml: expected keys and values at the top, got list"),
        ("just text", "a.yaml: expected keys and values at the top, got str"),
        ("1: 2", "a.yaml: expected a name as key, got 1"),
        ("? [a, b]\n: 1", "a.yaml:1: not YAML"),
        ("start: 2020-13-45", "a.yaml: not YAML: month must be in 1..12"),
        ("a: &a\n  b: *a", "a.yaml:1: a part that contains itself"),
        ("a: !!python/object:os.system x", "a.yaml:1: not YAML"),
        ("a: \x00", "a.yaml: not YAML"),
        ("a: 1\n---\nb: 2", "a.yaml:2: not YAML"),
    ],
)
def test_what_is_no_configuration(text: str, words: str) -> None:
    assert complaint(text).startswith(words)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_yaml(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"input: caf\xe9.mp4")
    with pytest.raises(ConfigError, match="no text in UTF-8"):
        load_yaml(tmp_path / "latin.yaml")


class _Camera(Settings):
    url: Annotated[str, Expected("an address")]
    fps: Annotated[int, Expected("a whole number")] = 25


class _Cameras(Settings):
    cameras: dict[str, _Camera]
    spare: tuple[_Camera, ...] = ()


NESTED = """
defaults: &defaults
  fps: 10
cameras:
  door:
    <<: *defaults
    url: rtsp://door
  yard:
    url: rtsp://yard
    fsp: 3
spare:
- url: 3
- fps: x
"""


def test_nested_settings_are_named_with_their_way_and_line() -> None:
    with pytest.raises(ConfigError) as caught:
        build(_Cameras, parse_yaml(NESTED, "c.yaml"), {})
    assert caught.value.message == (
        "c.yaml:10: unknown key 'cameras.yard.fsp'; c.yaml:12: spare.0.url: expected an address, got 3; "
        "c.yaml:13: spare.1.url: missing, expected an address; and 2 more"
    )
    assert caught.value.hint == "did you mean 'fps'?"


def test_anchors_and_merges_work() -> None:
    text = "cameras:\n  door: &door\n    url: rtsp://door\n    fps: 10\n  yard:\n    <<: *door\n    url: rtsp://yard\n"
    cameras = build(_Cameras, parse_yaml(text, "c.yaml"), {}).cameras
    assert (cameras["yard"].url, cameras["yard"].fps) == ("rtsp://yard", 10)


times = st.none() | st.floats(0, 1e6)
paths = st.none() | st.text(st.characters(categories=["L", "N"], include_characters="-_ ./"), min_size=1).filter(
    lambda text: text != "none"
).map(Path)


@settings(deadline=None)  # the first example pays for what is loaded when used
@given(
    st.fixed_dictionaries(
        {
            "input": st.text(min_size=1),
            "output": paths,
            "detector": st.text(min_size=1),
            "score_threshold": st.none() | st.floats(0, 1),
            "classes": st.none() | st.lists(st.text(min_size=1)).map(tuple),
            "max_instances": st.none() | st.integers(1, 10**6),
            "inference_interval": st.just("auto") | st.integers(1, 1000),
            "draw": st.frozensets(st.sampled_from(["masks", "outlines", "boxes", "labels"])),
            "mask_opacity": st.floats(0, 1),
            "start": times,
            "crf": st.none() | st.floats(0, 63),
            "preset": st.none() | st.sampled_from(["slow", "8", "on", "null", "1e3"]),
            "masks": st.sampled_from(["rle", "polygon", "none"]),
            "overwrite": st.booleans(),
        }
    )
)
def test_settings_survive_a_round_trip_through_yaml(values: dict[str, object]) -> None:
    config = AnnotateConfig.model_validate(values)
    text = yaml.safe_dump(config.model_dump(mode="json", exclude_none=True))
    assert build(AnnotateConfig, parse_yaml(text, "a.yaml"), {}) == config


def test_nearest_names() -> None:
    assert nearest("persn", ["person", "car"]) == ["person"]
    assert nearest("PERSON", ["Person", "Car"]) == ["Person"]
    assert nearest("mask", ["mask-rcnn", "nanodet"])[0] == "mask-rcnn"
    assert nearest("zebra", ["person", "car"]) == []
    assert nearest("", ["person"]) == []


def test_hints() -> None:
    assert did_you_mean("persn", ["person", "car"]) == "did you mean 'person'?"
    assert did_you_mean("zebra", ["person", "car"]) == "known: car, person"
    assert did_you_mean("zzz", [f"class{i:02}" for i in range(20)]).endswith("class11 and 8 more")
    assert did_you_mean("x", []) == "none is known"
