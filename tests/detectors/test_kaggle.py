"""Models of Kaggle, fetched by the real kagglehub from a service on the loopback interface."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kagglesdk import kaggle_env

from streamer.detectors import hub_cache, hub_transfer, kaggle
from streamer.detectors.handles import MASK_RCNN
from streamer.detectors.registry import check_detector
from streamer.errors import ConfigError, DetectorUnavailable
from tests.detectors.hub_server import archive, serving

HANDLE = "kaggle:ada/boxes/tensorFlow2/small"
DOWNLOAD = "DownloadModelInstanceVersion"
MIRROR = hub_cache.OTHER_SOURCES[MASK_RCNN][0]


class Kaggle:
    """What the service has, and what it was asked for."""

    def __init__(self) -> None:
        self.files = {"saved_model.pb": b"graph" * 100, "variables/variables.index": b"index"}
        self.status = 200
        self.cut = False
        self.wrong_md5 = False
        self.silent_from = ""
        """The call that is never answered, or in the middle of whose file it falls silent."""
        self.over = threading.Event()
        self.asked: list[str] = []


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub_transfer, "WAITS_S", (0.0,))
    return tmp_path / "cache"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    made = Kaggle()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            call = self.path.rpartition("/")[2]
            made.asked.append(call)
            if call == made.silent_from and call != DOWNLOAD:
                made.over.wait()
                return None
            if made.status != 200:
                return self.answer({"code": made.status, "message": "Permission denied"}, made.status)
            if call == "GetModelInstance":
                return self.answer({"versionNumber": 7})
            if call == "ListModelInstanceVersionFiles":
                return self.answer({"files": [{"name": name} for name in made.files], "nextPageToken": ""})
            return self.send_file(made.files[asked["path"]])

        def send_file(self, content: bytes) -> None:
            md5 = hashlib.md5(b"other" if made.wrong_md5 else content, usedforsecurity=False).digest()
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("x-goog-hash", f"md5={base64.b64encode(md5).decode()}")
            self.end_headers()
            self.wfile.write(content[:-3] if made.cut or made.silent_from == DOWNLOAD else content)
            if made.silent_from == DOWNLOAD:
                made.over.wait()

        def answer(self, data: dict[str, Any], status: int = 200) -> None:
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
            """Tests have nothing to read there."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, address)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="kaggle")
    thread.start()
    try:
        yield made
    finally:
        made.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_model_comes_whole_into_the_verified_cache(service: Kaggle, capfd: pytest.CaptureFixture[str]) -> None:
    folder = hub_cache.download(HANDLE)
    assert folder == hub_cache.entry(HANDLE)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "saved_model.pb",
        hub_cache.MANIFEST,
        "variables/variables.index",
    ]
    assert hub_cache.damage(folder) == ""
    assert HANDLE in hub_cache.lock_file().read_text()
    asked = len(service.asked)
    assert hub_cache.download(HANDLE) == folder
    assert len(service.asked) == asked
    assert capfd.readouterr().out == "", "stdout belongs to the command"


def test_with_a_version_that_very_one_is_fetched(service: Kaggle) -> None:
    hub_cache.download(HANDLE + "/3")
    assert "GetModelInstance" not in service.asked
    hub_cache.download(HANDLE)
    assert "GetModelInstance" in service.asked


def test_a_damaged_entry_is_fetched_again(service: Kaggle, caplog: pytest.LogCaptureFixture) -> None:
    folder = hub_cache.download(HANDLE)
    (folder / "saved_model.pb").write_bytes(b"GRAPH" * 100)
    hub_cache.download(HANDLE)
    assert "is damaged (file saved_model.pb has changed" in caplog.text
    (folder / "saved_model.pb").unlink()
    service.status = 500
    with pytest.raises(DetectorUnavailable, match=r"is damaged \(file saved_model.pb is missing\) and cannot be fetched: "):
        hub_cache.download(HANDLE)


@pytest.mark.parametrize("fault", ["refused", "cut", "wrong md5", "no model"])
def test_what_cannot_be_had_is_one_line(service: Kaggle, fault: str) -> None:
    service.status = 403 if fault == "refused" else 200
    service.cut, service.wrong_md5 = fault == "cut", fault == "wrong md5"
    if fault == "no model":
        del service.files["saved_model.pb"]
    with pytest.raises(DetectorUnavailable, match=f"cannot download {HANDLE}: .+") as caught:
        hub_cache.download(HANDLE)
    assert "\n" not in str(caught.value)
    assert f"https://www.kaggle.com/models/{HANDLE.removeprefix('kaggle:')}" in caught.value.hint
    assert not hub_cache.entry(HANDLE).exists()


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9")
    with pytest.raises(DetectorUnavailable) as caught:
        hub_cache.download(HANDLE)
    assert caught.value.message == f"cannot download {HANDLE}: 127.0.0.1 cannot be reached"


@pytest.mark.parametrize(
    ("call", "who"),
    [("GetModelInstance", "127.0.0.1"), ("ListModelInstanceVersionFiles", "127.0.0.1"), (DOWNLOAD, "Kaggle")],
)
def test_a_server_that_falls_silent_is_given_up(service: Kaggle, monkeypatch: pytest.MonkeyPatch, call: str, who: str) -> None:
    monkeypatch.setattr(hub_transfer, "TIMEOUT_S", 0.2)
    service.silent_from = call
    with pytest.raises(DetectorUnavailable) as caught:
        hub_cache.download(HANDLE)
    assert caught.value.message == f"cannot download {HANDLE}: {who} does not answer: silent for 0.2 s"


def test_without_kagglehub_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DetectorUnavailable, match=r'need kagglehub, .*; pip install "streamer\[kaggle\]"$'):
        hub_cache.download(HANDLE)


@pytest.mark.parametrize(
    "handle", ["kaggle:", "kaggle:ada/boxes", "kaggle:ada/boxes/tensorFlow2/small/latest", "kaggle:a/b/c/../1"]
)
def test_another_form_is_a_mistake_in_the_arguments(handle: str) -> None:
    for refuse in (hub_cache.download, kaggle.check_handle, check_detector):
        with pytest.raises(ConfigError, match="kaggle:OWNER/MODEL/FRAMEWORK/VARIATION"):
            refuse(handle)


@pytest.fixture
def own_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The headline model's own address, on the loopback interface, with Kaggle behind it."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "saved_model.pb").write_bytes(b"graph" * 100)
    with serving(archive(source)) as hub:
        monkeypatch.setattr(hub_cache, "OTHER_SOURCES", {hub.handle(): (MIRROR,)})
        yield hub


def test_the_headline_model_comes_from_its_own_address_first(
    service: Kaggle, own_address: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hub_cache.download(own_address.handle())
    assert service.asked == []
    assert [record.getMessage() for record in caplog.records if record.name == hub_cache.__name__] == [
        f"{own_address.handle()} is not in the cache, {hub_cache.root()}",
        f"fetching it from {own_address.handle()}",
    ]


def test_where_that_fails_it_comes_from_kaggle(service: Kaggle, own_address: Any, caplog: pytest.LogCaptureFixture) -> None:
    own_address.status = 403
    folder = hub_cache.download(own_address.handle())
    assert service.asked[-1] == DOWNLOAD
    assert (folder / "saved_model.pb").read_bytes() == b"graph" * 100
    assert [record.getMessage() for record in caplog.records if record.name == hub_cache.__name__] == [
        f"{own_address.handle()} is not in the cache, {hub_cache.root()}",
        f"fetching it from {own_address.handle()}",
        f"{own_address.handle()}: HTTP 403 Forbidden",
        f"fetching it from {MIRROR}",
    ]


def test_where_all_fail_the_steps_by_hand_are_told(service: Kaggle, own_address: Any) -> None:
    own_address.status, service.status = 404, 403
    with pytest.raises(DetectorUnavailable) as caught:
        hub_cache.download(own_address.handle())
    assert f"{own_address.handle()}: HTTP 404 Not Found; {MIRROR}: " in caught.value.message
    assert "put it there by hand" in caught.value.hint
    assert "\n" not in str(caught.value)
