"""Addresses of models on servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.archive.annotation_task import AnnotationTask
from streamer.config.annotate import AnnotateConfig, load_annotate_config
from streamer.detectors.preparing import times_of
from streamer.detectors.registry import check_detector, load_detector
from streamer.detectors.remote.address import is_remote, parse
from streamer.errors import ConfigError
from streamer.redact import redact
from streamer.runtime.tls import ca_file


def test_what_an_address_says(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(Path(ca_file()).read_bytes())
    address = parse(
        f"kserves://tok%40en@gpu.example/mask-rcnn?images=jpeg&quality=80&timeout=1.5&patience=0&version=3&ca={tmp_path}/ca.pem"
    )
    assert (address.protocol, address.tls, address.host, address.port) == ("grpc", True, "gpu.example", 8001)
    assert (address.model, address.version, address.token) == ("mask-rcnn", "3", "tok@en")
    assert (address.images, address.quality, address.timeout_s, address.patience_s) == ("jpeg", 80, 1.5, 0.0)
    assert address.ca == tmp_path / "ca.pem"
    assert str(address) == "mask-rcnn at gpu.example:8001"
    assert "tok" not in repr(address)
    other = parse("kserve+http://[::1]:99/a%20b")
    assert (other.protocol, other.tls, other.host, other.server, other.model, other.token) == (
        "http",
        False,
        "::1",
        "[::1]:99",
        "a b",
        None,
    )
    assert [parse(f"kserve://{host}/m").is_here for host in ("localhost", "127.0.0.2", "[::1]", "192.0.2.1", "gpu")] == [
        True
    ] * 3 + [False] * 2


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ("kserve://host:8001", "no address of a model"),
        ("kserve://host:8001/", "no address of a model"),
        ("kserve:///model", "no address of a model"),
        ("kserve://host:0/m", "no address of a model"),
        ("kserve://host:70000/m", "no address of a model"),
        ("kserve://host/a/b", "no address of a model"),
        ("kserve://user:sesame@host/m", "a user and a password"),
        ("kserve://host/m?quality=0", r"quality=0.*1\.\.100"),
        ("kserve://host/m?timeout=nan", "timeout=nan"),
        ("kserve://host/m?images=png", "images=png; take auto, raw, jpeg, shared"),
        ("kserve://host/m?image=raw", "no option 'image'; did you mean 'images'"),
        ("kserve://host/m?ca=/none.pem", "no file /none.pem"),
        (f"kserve://host/m?ca={__file__}", "no certificates to read"),
        ("kserves://host/m?cert=/none.pem", "go together"),
        ("kserve://host/m?cert=/none.pem&key=/none.pem", "and with TLS"),
        ("kserves://host/m?cert=/none.pem&key=/none.pem", "no certificate and its key"),
        ("kserve+http://[:::]/m", "no address of a model"),
        ("kserve+http://a..b/m", "no address of a model"),
        (f"kserve+http://{'a' * 64}/m", "no address of a model"),
        ("kserve+http://sesam%C3%A9@host/m", "token that cannot be sent"),
        ("kserve://sesame%0A@host/m", "token that cannot be sent"),
        ("kserve://${NO_SUCH_TOKEN}@host/m", "no variable NO_SUCH_TOKEN"),
    ],
)
def test_an_address_that_is_none_says_why(spec: str, wrong: str) -> None:
    for check in (parse, check_detector):
        with pytest.raises(ConfigError, match=wrong) as error:
            check(spec)
        assert "sesame" not in str(error.value)


@given(st.sampled_from(["kserve", "kserves", "kserve+http", "KSERVE+HTTPS"]), st.text(max_size=30))
def test_any_address_is_understood_or_refused(scheme: str, rest: str) -> None:
    spec = f"{scheme}://{rest}"
    assert is_remote(spec)
    try:
        parse(spec)
    except ConfigError:
        return


def test_a_token_from_the_environment_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GPU_TOKEN", "s3same/open&up")
    assert parse("kserve://${GPU_TOKEN}@host/m").token == "s3same/open&up"
    file = tmp_path / "annotate.yaml"
    file.write_text('detector: "kserve://${GPU_TOKEN}@host/m"\n')
    from_file = load_annotate_config(file, {"input": "a.mp4", "output": "b.mp4"})
    assert parse(from_file.detector).token == "s3same/open&up"
    assert "s3same" not in f"{from_file!r}"
    assert "s3same" not in redact(from_file.detector)
    assert "s3same" not in f"{vars(times_of(from_file))}"

    def digest(token: str) -> str:
        return AnnotationTask(AnnotateConfig(input="a.mp4", output=Path("b.mp4"), detector=f"kserve://{token}@host/m")).digest()

    assert digest("one-token") == digest("another-token")


def test_what_a_server_does_cannot_be_asked_for_here() -> None:
    with pytest.raises(ConfigError, match="runs on its server"):
        load_detector("kserve://host/m", score_threshold=0.5, device="cuda")
    with pytest.raises(ConfigError, match="has a precision of its own"):
        load_detector("kserve://host/m", score_threshold=0.5, precision="mixed")
    with pytest.raises(ConfigError, match="label file"):
        check_detector("kserve://host/m", Path("/none.txt"))
    assert check_detector("kserve://host/m", Path("coco80")) is not None
    assert check_detector("kserve://host/m") is None
