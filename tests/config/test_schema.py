"""The JSON schemas accept what the loader accepts, and refuse what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streamer.config.annotate import load_annotate_config
from streamer.config.live import load_live_config, load_run_config
from streamer.config.schema import FILES, schema
from streamer.config.validation import build
from streamer.config.yaml_file import load_yaml, parse_yaml
from streamer.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
OF = {"annotate.yaml": "annotate", "webcam.yaml": "live", "rtsp.yaml": "live"}
ENVIRON = {"CAMERA_PASSWORD": "secret", "NUMBER": "3", "SWITCH": "on"}
CHECKS = {command: Draft202012Validator(schema(command)) for command in FILES}


def loads(command: str, path: Path) -> bool:
    given = {"annotate": {"input": "in.mp4"}, "live": {"source": "0"}}
    try:
        if command == "annotate":
            load_annotate_config(path, {} if "input" in load_yaml(path).data else given["annotate"], ENVIRON)
        elif command == "live":
            load_live_config(path, {} if "source" in load_yaml(path).data else given["live"], ENVIRON)
        else:
            load_run_config(path, {}, ENVIRON)
    except ConfigError:
        return False
    return True


def test_the_schemas_are_schemas() -> None:
    for command in FILES:
        Draft202012Validator.check_schema(schema(command))
        json.dumps(schema(command))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_good(path: Path) -> None:
    command = OF.get(path.name, "run")
    CHECKS[command].validate(load_yaml(path).data)
    assert loads(command, path)


@pytest.mark.parametrize("command", FILES)
def test_every_field_has_a_description_and_a_default_that_is_good(command: str) -> None:
    made = schema(command)
    for definition in [made, *made.get("$defs", {}).values()]:
        for name, told in definition["properties"].items():
            assert told["description"], name
            if name in definition.get("required", ()) or name in ("input", "source"):
                continue
            assert "default" in told, name
            if "$ref" not in told:
                whole = {**told, "$defs": made.get("$defs", {})}
                assert Draft202012Validator(whole).is_valid(told["default"]), name


CAMERA = "cameras: {{a: {{source: 'test:', {0}}}}}"

GOOD = [
    "source: 0",
    "source: '0'",
    "source: test:x",
    "open_timeout: 1:30",
    "open_timeout: '1:30'",
    "open_timeout: 0:01:30.5",
    "open_timeout: '5'",
    "open_timeout: 5",
    "open_timeout: ' .5 '",
    "classes: person",
    "classes: person, car",
    "classes: [person, car]",
    "classes: all",
    "classes: ['no']",
    "max_fps: 1_0",
    "max_fps: 1e1",
    "score_threshold: 5e-1",
    "draw: none",
    "draw: masks,outlines,",
    "draw: [masks]",
    "draw: []",
    "publish: rtsp://host/1",
    "publish: [rtsp://host/1, 'udp://host:1']",
    "publish: []",
    "max_fps: ${NUMBER}",
    "live: ${SWITCH}",
    "max_fps: '10'",
    "max_fps: 2.5",
    "max_fps: none",
    "keep_gb: none",
    "record: none",
    "record: ${CAMERA_PASSWORD}",
    "show: yes",
    "show: 'Yes'",
    "show: 1",
    "show: ON",
    "reconnect_attempts: '3'",
    "reconnect_attempts: 3.0",
    "score_threshold: '0.50'",
    "score_threshold: 1",
    "max_instances: '007'",
    "masks: none",
    "transport: tcp",
    "zones: {door: {polygon: [[0, 0], [1, 0], [1, 1]], count: coverage, coverage: 0.3, classes: person}}",
    "lines: {gate: {points: [[0, 100], [200, 100]], count: centre}}",
]
BAD = [
    "source:",
    "source: ''",
    "source: [0]",
    "source: 1.5",
    "record:",
    "record: ''",
    "record: 5",
    "record: [a]",
    "open_timeout: 0",
    "open_timeout: '0:00'",
    "open_timeout: -1",
    "open_timeout: '1:60'",
    "open_timeout: 5s",
    "open_timeout: true",
    "open_timeout: null",
    "classes: ''",
    "classes: ','",
    "classes: ['']",
    "classes: [1]",
    "classes: {a: b}",
    "draw: mask",
    "draw: ''",
    "draw: [masks, none]",
    "publish: ''",
    "publish: 5",
    "publish: ['']",
    "max_fps: 0",
    "max_fps: '0'",
    "max_fps: true",
    "max_fps: fast",
    "max_fps: 1_0x",
    "max_fps: .inf",
    "classes: no",
    "classes: [no]",
    "score_threshold: 1.01",
    "score_threshold: '1.01'",
    "score_threshold: '-0'",
    "max_instances: 0",
    "max_instances: 1.5",
    "max_instances: '1.5'",
    "reconnect_attempts: -1",
    "show: 2",
    "show: maybe",
    "show: none",
    "transport: TCP",
    "transport: none",
    "masks: no",
    "damaged:",
    "weight: 0",
    "weihgt: 1",
    "zones: {door: {}}",
    "zones: {door: {polygon: [[0, 0], [1, 0]]}}",
    "zones: {door: {polygon: [[0, 0], [1, 0], [1, 1]], coverage: 0}}",
    "lines: {gate: {points: [[0, -1], [1, 1]]}}",
    "lines: [gate]",
]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("line", GOOD)
def test_what_is_good_for_both(tmp_path: Path, line: str) -> None:
    for command, text in (("live", line), ("run", f"cameras:\n  a:\n    source: 'test:'\n    {line}\n")):
        if line.startswith("source") and command == "run":
            text = f"cameras:\n  a:\n    {line}\n"
        path = written(tmp_path, text)
        assert (CHECKS[command].is_valid(load_yaml(path).data), loads(command, path)) == (True, True), command


@pytest.mark.parametrize("line", BAD)
def test_what_is_bad_for_both(tmp_path: Path, line: str) -> None:
    for command, text in (("live", line), ("run", f"cameras:\n  a:\n    source: 'test:'\n    {line}\n")):
        if line.startswith("source") and command == "run":
            text = f"cameras:\n  a:\n    {line}\n"
        path = written(tmp_path, text)
        assert (CHECKS[command].is_valid(load_yaml(path).data), loads(command, path)) == (False, False), command


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("input: in.mp4\nstart: 1:30\nend: '0:02:00'", True),
        ("inference_interval: auto", True),
        ("inference_interval: 5", True),
        ("inference_interval: '5'", True),
        ("crf: 63", True),
        ("crf: '62.5'", True),
        ("preset: 8", True),
        ("encoder: none", True),
        ("audio: none", True),
        ("coco: ${NUMBER}.json", True),
        ("inference_interval: 0", False),
        ("inference_interval: often", False),
        ("crf: 63.5", False),
        ("crf: '64'", False),
        ("preset: 1.5", False),
        ("audio: no", False),
        ("start: 5m", False),
        ("coco:", False),
        ("metrics: 9090", False),
    ],
)
def test_the_file_of_annotate(tmp_path: Path, text: str, good: bool) -> None:
    path = written(tmp_path, text)
    assert (CHECKS["annotate"].is_valid(load_yaml(path).data), loads("annotate", path)) == (good, good)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("metrics: 9090", True),
        ("metrics: '[::1]:9090'", True),
        ("metrics: 0.0.0.0:9090", True),
        ("metrics: none", True),
        ("metrics: 65536", False),
        ("metrics: localhost", False),
        ("metrics: 'localhost:65536'", False),
        ("threads: 2", True),
        ("threads: 0", False),
        ("detector:", False),
        ("detector: ''", False),
        ("defaults:", False),
        ("defaults: {source: 0}", False),
        ("defaults: {max_fps: 5, draw: none}", True),
    ],
)
def test_the_top_of_the_file_of_run(tmp_path: Path, text: str, good: bool) -> None:
    path = written(tmp_path, f"{text}\ncameras: {{a: {{source: 'test:'}}}}\n")
    assert (CHECKS["run"].is_valid(load_yaml(path).data), loads("run", path)) == (good, good)


@pytest.mark.parametrize(
    "text", ["cameras: {}", "cameras: []", "cameras:", "detector: nanodet", "cameras: {a: {}}", "cameras: {a: 0}"]
)
def test_a_run_needs_cameras(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert (CHECKS["run"].is_valid(load_yaml(path).data), loads("run", path)) == (False, False)


TEXTS = [
    *("1", "007", "0.5", ".5", "63", "+2", "5e-1", " 7 ", "1:30", "0:01:30.25", "90:00", "yes", "OFF", "t", "person", "a, b,"),
    *("masks", "boxes,labels", ",masks, masks", "none", "all", "9090", "0.0.0.0:9090", "[::1]:9090", ":8080", "rtsp://host/1"),
    *("auto", "cpu", " cuda ", "cuda:1"),
    *("0,0 0.5,0 0.5,0.3", "0,0 1,0 1,1;0,0 .5,0 0,.5", "person=blur, car=fill"),
]
"""Texts, each of them good for some of the settings."""


def _values(told: dict[str, Any]) -> st.SearchStrategy[object]:
    """Good values of one property, made from its schema."""
    if "const" in told:
        return st.just(told["const"])
    if "enum" in told:
        return st.sampled_from(told["enum"])
    if "anyOf" in told:
        return st.one_of(*(_values(form) for form in told["anyOf"] if "\\$" not in form.get("pattern", "")))
    kind = told["type"]
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        return st.integers(told.get("minimum", 0), told.get("maximum", 10**6))
    if kind == "number":
        low = told.get("exclusiveMinimum", told.get("minimum", 0))
        numbers = st.decimals(low, told.get("maximum", 10**6), places=3).map(float)
        return numbers.filter(lambda number: "exclusiveMinimum" not in told or number > 0)
    if kind == "object":
        return st.just({})
    if kind == "array":
        return st.lists(_values(told["items"]), min_size=told.get("minItems", 0), max_size=told.get("maxItems", 3))
    if "pattern" in told:
        return st.sampled_from([text for text in TEXTS if re.search(told["pattern"], text)])
    return st.text(st.characters(categories=["L", "N"], include_characters=" ./:-_"), min_size=1, max_size=12)


def _files(command: str) -> st.SearchStrategy[dict[str, object]]:
    told = schema(command)["properties"]
    return st.fixed_dictionaries({}, optional={name: _values(form) for name, form in told.items() if name not in CROSSING})


CROSSING = {
    "mqtt",
    "webhook",
    "kafka",
    "delivery",
    "start",
    "end",
    "keep_hours",
    "keep_gb",
    "reconnect_initial_delay",
    "reconnect_max_delay",
}
"""Settings that must suit each other, which a schema does not say."""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["annotate", "live"])
@settings(deadline=None)  # the first example pays for imports
@given(data=st.data())
def test_what_the_schema_accepts_the_loader_accepts(command: str, data: st.DataObject) -> None:
    values = data.draw(_files(command))
    assert CHECKS[command].is_valid(values)
    text = json.dumps(values, ensure_ascii=False)
    required = {"input": "in.mp4"} if command == "annotate" else {"source": "test:"}
    build(FILES[command], parse_yaml(text, "c.yaml"), {name: value for name, value in required.items() if name not in values})
