"""Settings of live and run: defaults under cameras, the environment, and complaints that name the line and no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.config.environment import expand
from streamer.config.live import LiveConfig, RunConfig, load_live_config, load_run_config
from streamer.config.schema import schema
from streamer.config.yaml_file import parse_yaml
from streamer.errors import ConfigError

SECRET = "hunter2-is-long"
CONFIGS = Path(__file__).parents[2] / "configs"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cameras.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def run_config(tmp_path: Path, text: str, **environ: str) -> RunConfig:
    return load_run_config(written(tmp_path, text), {}, environ)


WALL = """\
detector: nanodet
metrics: 9090
defaults:
  score_threshold: 0.5
  classes: person
  record: recordings
  detections: records/{name}.jsonl
  publish: rtsp://viewer:${PASSWORD}@192.0.2.1/{name}
cameras:
  gate:
    source: rtsp://viewer:${PASSWORD}@192.0.2.7/1
    weight: 2
  door:
    source: 0
    score_threshold: 0.3
    publish: []
"""


def test_defaults_are_filled_in_and_a_camera_may_say_otherwise(tmp_path: Path) -> None:
    config = run_config(tmp_path, WALL, PASSWORD=SECRET)
    assert config.metrics == "9090"
    cameras = config.resolved()
    gate, door = cameras["gate"], cameras["door"]
    assert gate.source == f"rtsp://viewer:{SECRET}@192.0.2.7/1"
    assert door.source == "0"
    assert (gate.weight, door.weight) == (2.0, 1.0)
    assert (gate.score_threshold, door.score_threshold) == (0.5, 0.3)
    assert gate.classes == door.classes == ("person",)
    assert gate.publish == (f"rtsp://viewer:{SECRET}@192.0.2.1/gate",)
    assert door.publish == ()
    assert gate.record == door.record == Path("recordings")
    assert (gate.detections, door.detections) == (Path("records/gate.jsonl"), Path("records/door.jsonl"))


def test_no_representation_of_the_settings_shows_a_password(tmp_path: Path) -> None:
    config = run_config(tmp_path, WALL, PASSWORD=SECRET)
    assert SECRET not in f"{config!r} {config} {config.resolved()!r}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cameras:\n  gate:\n    sorce: 0\n", r"cameras\.yaml:3: unknown key 'cameras.gate.sorce'.*did you mean 'source'"),
        ("camera:\n  gate:\n    source: 0\n", r"cameras\.yaml:1: unknown key 'camera'.*did you mean 'cameras'"),
        ("cameras: {gate: {source: 0}}\ndefaults:\n  max_stalenes: 1\n", r"yaml:3: unknown key .*did you mean 'max_staleness'"),
        ("cameras:\n  gate:\n    weight: 1\n", r"yaml.*cameras\.gate\.source: missing"),
        ("cameras: {}\n", r"yaml:1: cameras: expected one camera or more"),
        ("detector: nanodet\n", "cameras: missing, expected one camera or more"),
        ("cameras:\n  gate:\n    source: 0\n    weight: 0\n", r"yaml:4: .*weight: expected a number above 0, got 0"),
        ("cameras:\n  gate:\n    source: 0\n    max_staleness: -1\n", r"yaml:4: .*expected seconds, more than 0, got -1"),
        ("cameras:\n  gate:\n    source: 0\n    transport: tpc\n", r"yaml:4: .*expected auto, tcp or udp.*did you mean 'tcp'"),
        ("cameras:\n  gate:\n    source: 0\n    keep_gb: 5\n", "cameras.gate: keep_hours and keep_gb need record"),
        ("cameras:\n  gate:\n    source: 0\n    keep_events_hours: 5\n", "cameras.gate: keep_events_hours needs events"),
        ("cameras:\n  gate:\n    source: 0\n    record_mode: events\n", "record_mode: events needs record and events"),
        ("cameras:\n  a/b:\n    source: 0\n", "'a/b' cannot be a name"),
        ("defaults: {output: all.mp4}\ncameras: {a: {source: 0}, b: {source: 1}}\n", "cameras a and b both write to .*all.mp4"),
        ("cameras: {a: {source: 0, reconnect_max_delay: 0.1}}\n", "reconnect_max_delay: expected 0.5 s"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_config(tmp_path, text)


def test_a_variable_that_is_not_set_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cameras\.yaml:8: the environment has no variable PASSWORD"):
        run_config(tmp_path, WALL)


def test_dollars_and_names_that_are_none() -> None:
    document, used = expand(parse_yaml("a: $$5 ${B}$\nc: [1, '${B}']\n", "x"), {"B": "b"})
    assert document.data == {"a": "$5 b$", "c": [1, "b"]}
    assert used == {"b"}
    with pytest.raises(ConfigError, match=r"x:1: .* is no variable"):
        expand(parse_yaml("a: ${B C}\n", "x"), {"B C": "1"})


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_without_dollar_signs_is_left_alone(text: str) -> None:
    document = parse_yaml(json.dumps({"a": text}), "x")
    expanded, used = expand(document, {})
    if "$" not in text:
        assert expanded == document
    assert not used


def test_a_complaint_about_a_value_from_the_environment_does_not_show_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected auto, tcp or udp") as caught:
        run_config(tmp_path, "cameras: {a: {source: 0, transport: '${PASSWORD}'}}\n", PASSWORD=SECRET)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__


def test_no_beginning_of_a_long_value_of_the_environment_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        run_config(tmp_path, "cameras: {a: {source: 0, transport: '${PASSWORD}'}}\n", PASSWORD=SECRET * 10)
    assert "hunter2" not in str(caught.value)


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "source: 0\nmax_staleness: 1\nshow: true\n")
    config = load_live_config(path, {"source": None, "max_staleness": "0:02", "publish": ["udp://192.0.2.1:5000"]})
    assert (config.source, config.max_staleness, config.show) == ("0", 2.0, True)
    assert config.publish == ("udp://192.0.2.1:5000",)


def test_addresses_on_the_command_line_may_hold_variables() -> None:
    given = {"source": "rtsp://u:${PASSWORD}@h/", "publish": ["rtsp://u:${PASSWORD}@h/out"]}
    config = load_live_config(None, given, {"PASSWORD": SECRET})
    assert config.source == f"rtsp://u:{SECRET}@h/"
    assert config.publish == (f"rtsp://u:{SECRET}@h/out",)
    with pytest.raises(ConfigError, match="command line: the environment has no variable PASSWORD"):
        load_live_config(None, given, {})


def test_an_option_that_is_wrong_is_named_without_the_password() -> None:
    with pytest.raises(ConfigError, match="keep_gb") as caught:
        load_live_config(None, {"source": f"rtsp://u:{SECRET}@h/", "keep_gb": "much"})
    assert SECRET not in str(caught.value)


def test_the_schemas_know_every_key() -> None:
    run = schema("run")
    assert set(run["properties"]) == set(RunConfig.model_fields)
    assert set(run["$defs"]["CameraConfig"]["properties"]) >= {"source", "weight", "record", "publish"}
    assert set(schema("live")["properties"]) == set(LiveConfig.model_fields)
    json.dumps(run)


@pytest.mark.parametrize("name", ["webcam.yaml", "rtsp.yaml"])
def test_the_examples_for_live_load(name: str) -> None:
    config = load_live_config(CONFIGS / name, {}, {"CAMERA_PASSWORD": SECRET})
    assert config.source


def test_the_example_for_run_loads() -> None:
    config = load_run_config(CONFIGS / "wall.yaml", {}, {"CAMERA_PASSWORD": SECRET})
    assert len(config.resolved()) >= 3
