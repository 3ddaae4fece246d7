"""The commands below ``streamer models``, run as a person runs them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streamer.cli.app import app
from streamer.detectors import hub_cache, weights
from tests.detectors.exported.tiny_networks import Graph
from tests.detectors.hub_server import Hub, archive, serving


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def no_more_handlers() -> Iterator[None]:
    """The command shows what it does on stderr, which ends with the test."""
    logger = logging.getLogger("streamer")
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph" * 1000)
    with serving(archive(folder)) as running:
        yield running


def models(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["models", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_models_are_listed_with_size_and_licence(hub: Hub, cache: Path) -> None:
    hub_cache.download(hub.handle())
    by_hand = cache / "by_hand"
    by_hand.mkdir()
    (by_hand / "saved_model.pb").touch()
    listed = {model["name"]: model for model in json.loads(models("list", "--json").stdout)}
    assert set(listed) == {"nanodet", "nanodet:large", "mask-rcnn", f"hub:{hub.handle()}", "by_hand"}
    assert {name: model["present"] for name, model in listed.items() if not model["present"]} == {"mask-rcnn": False}
    assert listed["nanodet"]["license"] == listed["mask-rcnn"]["license"] == "Apache-2.0"
    assert listed[f"hub:{hub.handle()}"]["size_bytes"] > 5000
    shown = models().stdout
    assert shown == models("list").stdout
    for words in ("licence Apache-2.0", "not here; would lie in", "kaggle:OWNER/MODEL/FRAMEWORK/VARIATION[/VERSION]"):
        assert words in shown


def test_a_download_says_what_it_does(hub: Hub) -> None:
    result = models("download", f"hub:{hub.handle()}")
    assert f"hub:{hub.handle()} is in {hub_cache.entry(hub.handle())}" in result.stdout
    assert f"fetching it from {hub.handle()}" in result.stderr
    models("download", f"hub:{hub.handle()}")
    assert len(hub.requests) == 1
    models("download", f"hub:{hub.handle()}", "--again")
    assert len(hub.requests) == 2


def test_a_model_that_was_replaced_can_be_accepted(hub: Hub, tmp_path: Path) -> None:
    models("download", f"hub:{hub.handle()}")
    (tmp_path / "source" / "saved_model.pb").write_bytes(b"GRAPH")
    hub.body = archive(tmp_path / "source")
    refused = models("download", f"hub:{hub.handle()}", "--again", code=1)
    assert f"streamer models download hub:{hub.handle()} --accept-changed" in refused.stderr
    models("download", f"hub:{hub.handle()}", "--accept-changed")
    models("verify", f"hub:{hub.handle()}")


def test_whole_models_are_verified(hub: Hub) -> None:
    hub_cache.download(hub.handle())
    found = json.loads(models("verify", "--json").stdout)
    assert {finding["name"]: finding["condition"] for finding in found} == {
        "nanodet": "whole",
        "nanodet:large": "whole",
        f"hub:{hub.handle()}": "whole",
    }


@pytest.mark.parametrize("by", ["name", "all", "folder", "path"])
def test_a_damaged_model_is_named_and_the_exit_code_says_so(hub: Hub, by: str) -> None:
    folder = hub_cache.download(hub.handle())
    (folder / "saved_model.pb").write_bytes(b"GRAPH" * 1000)
    names = {"name": [f"hub:{hub.handle()}"], "all": [], "folder": [folder.name], "path": [str(folder)]}[by]
    shown = models("verify", *names, code=1).stdout
    assert "damaged (file saved_model.pb has changed: its sha256 is not" in shown


def test_a_model_and_its_manifest_that_both_changed_differ_from_the_lock_file(hub: Hub) -> None:
    folder = hub_cache.download(hub.handle())
    (folder / "saved_model.pb").write_bytes(b"GRAPH" * 1000)
    hub_cache.write_manifest(folder, hub.handle())
    assert f"by the lock file {hub_cache.lock_file()}" in models("verify", folder.name, code=1).stdout


def test_a_model_that_is_not_there_is_told_apart(cache: Path) -> None:
    assert "mask-rcnn: absent" in models("verify", "mask-rcnn", code=1).stdout
    (cache / "by_hand").mkdir(parents=True)
    (cache / "by_hand" / "saved_model.pb").touch()
    assert "by_hand: without checksums" in models("verify").stdout
    assert "there is no model 'mask-rcn'" in models("verify", "mask-rcn", code=2).stderr


def test_damaged_weights_of_the_package_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    monkeypatch.setattr(weights.verified, "__defaults__", (tmp_path,))
    assert "nanodet: damaged (the weights" in models("verify", "nanodet", code=1).stdout


def test_a_model_is_removed_when_asked_for_twice(hub: Hub) -> None:
    folder = hub_cache.download(hub.handle())
    refused = models("remove", f"hub:{hub.handle()}", code=2)
    assert "give --yes" in refused.stderr
    assert folder.exists()
    assert f"removed hub:{hub.handle()}" in models("remove", f"hub:{hub.handle()}", "--yes").stdout
    assert [path.name for path in folder.parent.iterdir() if path.suffix != ".streamer-lock"] == ["models.lock"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nanodet", "built in"),
        ("mask-rcnn", "is not in the cache"),
        ("nothing", "there is no model 'nothing'"),
        (str(Path(__file__).parent), "does not lie in the cache"),
    ],
)
def test_only_what_lies_in_the_cache_is_removed(name: str, words: str) -> None:
    assert words in models("remove", name, "--yes", code=2).stderr


def test_a_check_prints_json() -> None:
    report = json.loads(models("check", "nanodet", "--threads", "1", "--json").stdout)
    assert report["name"] == "nanodet"
    assert report["peak_memory_bytes"] > 10_000_000
    assert report["ms_per_frame"] > 0


def test_what_an_unknown_file_has_is_shown(tmp_path: Path) -> None:
    graph = Graph([1, 3, 8, 8])
    graph.give(graph.part("images", 0, 5, axis=2), "strange", [1, 3, 5, 8])
    result = models("check", str(graph.save(tmp_path / "model.onnx", {"author": "me"})), code=2)
    for words in (
        "images float32 [1, 3, 8, 8]",
        "strange float32 [1, 3, 5, 8]",
        "author: me",
        "of no known family; nearest is",
    ):
        assert words in result.output
