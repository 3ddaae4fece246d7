"""Loading by tensorflow-hub: what hub.load gives comes from the verified cache, on real SavedModels and a real server."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer.detectors import hub_cache, saved_model
from streamer.detectors.handles import is_handle
from streamer.errors import DetectorUnavailable
from tests.detectors import saved_models
from tests.detectors.hub_server import Hub, archive, serving

pytestmark = pytest.mark.slow

FILES = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")


@pytest.fixture(scope="module")
def tensorflow() -> Any:
    return saved_model.quiet_tensorflow(None)


@pytest.fixture(scope="module")
def model(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001  # for its import alone
    return saved_models.save(tmp_path_factory.mktemp("models") / "rectangles")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(model: Path, cache: Path) -> Iterator[Hub]:  # noqa: ARG001  # downloads go there
    with serving(archive(model)) as running:
        yield running


def hub_module(name: str) -> Any:
    """A module of tensorflow-hub, imported without its warning about ``pkg_resources``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def hub_load(handle: str) -> Any:
    """As a program calls it that knows nothing of this one."""
    return hub_module("tensorflow_hub").load(handle)


def is_from_hub(loaded: Any) -> bool:
    """Only ``hub.load`` leaves this mark."""
    return hasattr(loaded, "_is_hub_module_v1")


def test_a_handle_and_a_folder_are_loaded_by_tensorflow_hub(tensorflow: Any, model: Path, server: Hub) -> None:
    for name in (server.handle(), str(model)):
        signature, loaded = saved_model.load(tensorflow, name)
        assert is_from_hub(loaded)
        assert "detection_boxes" in signature.structured_outputs


def test_hub_load_is_served_from_the_verified_cache(tensorflow: Any, model: Path, server: Hub, cache: Path) -> None:
    saved_model.load(tensorflow, str(model))
    assert "serving_default" in hub_load(server.handle()).signatures
    folder = hub_cache.entry(server.handle())
    assert folder.parent == cache
    assert set(FILES) < {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert (folder / hub_cache.MANIFEST).is_file()
    hub_load(server.handle())
    assert len(server.requests) == 1


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("harm", ["a byte flipped", "cut", "gone"])
def test_a_damaged_model_is_fetched_again_and_offline_refused(tensorflow: Any, server: Hub, file: str, harm: str) -> None:
    hub_cache.download(server.handle())
    path = hub_cache.entry(server.handle()) / file

    def damage() -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.unlink()
        if harm != "gone":
            path.write_bytes(content if harm == "a byte flipped" else content[: len(content) // 2])

    damage()
    saved_model.load(tensorflow, server.handle())
    assert len(server.requests) == 2
    damage()
    server.status = 503
    with pytest.raises(DetectorUnavailable, match=rf"the model in .* is damaged \(file {file} .*\) and cannot be fetched: "):
        saved_model.load(tensorflow, server.handle())


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_model_that_tensorflow_hub_fetched_itself_is_found(tensorflow: Any, server: Hub, slash: str) -> None:
    resolver = hub_module("tensorflow_hub.compressed_module_resolver").HttpCompressedFileResolver()
    folder = Path(resolver(server.handle() + slash))
    assert len(server.requests) == 1
    server.status = 503
    _, loaded = saved_model.load(tensorflow, server.handle())
    assert is_from_hub(loaded)
    assert (folder / hub_cache.MANIFEST).is_file(), "it loaded, so what lies there is whole"


def test_a_lock_that_tensorflow_hub_left_behind_is_no_obstacle(tensorflow: Any, server: Hub) -> None:
    """The package itself would wait ten minutes."""
    folder = hub_cache.entry(server.handle())
    folder.parent.mkdir()
    folder.with_name(folder.name + ".lock").write_text("elsewhere.4711.0123456789abcdef")
    saved_model.load(tensorflow, server.handle())
    assert len(server.requests) == 1


@pytest.mark.parametrize("missing", ["tensorflow_hub", "pkg_resources", "tf_keras"])
def test_without_tensorflow_hub_the_same_is_loaded_and_said(model: Path, server: Hub, missing: str) -> None:
    code = f"""
import logging, sys
logging.basicConfig()
sys.modules[{missing!r}] = None
from streamer.detectors import saved_model
tf = saved_model.quiet_tensorflow(None)
for name in ({server.handle()!r}, {str(model)!r}):
    signature, _ = saved_model.load(tf, name)
    assert "detection_boxes" in signature.structured_outputs
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "tensorflow-hub cannot be imported" in done.stderr
    assert hub_cache.damage(hub_cache.entry(server.handle())) == ""


def test_only_the_import_of_tensorflow_hub_is_kept_from_warning(model: Path) -> None:
    code = f"""
import warnings
from streamer.detectors import saved_model
tf = saved_model.quiet_tensorflow(None)
warnings.simplefilter("always")
during = warnings.filters[:]
saved_model.load(tf, {str(model)!r})
assert warnings.filters == during
warnings.warn("pkg_resources is deprecated", UserWarning)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("UserWarning: pkg_resources is deprecated") == 1


def test_handles_are_addresses_paths_are_not(tmp_path: Path) -> None:
    resolver = saved_model.CacheResolver()
    assert resolver.is_supported("https://tfhub.dev/publisher/model/1")
    assert resolver.is_supported("HTTP://127.0.0.1/model")
    assert resolver.is_supported("kaggle:ada/boxes/tensorFlow2/small")
    assert not resolver.is_supported(str(tmp_path))
    assert not resolver.is_supported("gs://bucket/model")
    assert is_handle("https://tfhub.dev/publisher/model/1")
    assert not is_handle(str(tmp_path))
