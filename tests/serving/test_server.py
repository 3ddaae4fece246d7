"""What is served: the protocol as others speak it, and nothing that a client may do to the server or to others."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.config.serve import load_serve_config
from streamer.detectors.remote.detector import RemoteDetector
from streamer.errors import ConfigError
from streamer.kserve.http_messages import JSON_LENGTH, request_to_body
from streamer.kserve.messages import REGION, REGION_BYTES, InferRequest
from streamer.kserve.protobuf import SERVICE
from streamer.kserve.tensors import BadMessage, Tensor
from streamer.serving.failures import Unknown
from streamer.serving.pictures import picture_of
from streamer.serving.regions import Regions
from streamer.serving.run import served as serving
from tests.serving.servers import Scripted, Served, ServerProcess, picture
from tests.waiting import PATIENCE_S, wait_until

SHM = Path("/dev/shm")  # where Linux keeps shared memory


def asked(
    url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes, Mapping[str, str]]:
    """Status, body and headers of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}), timeout=PATIENCE_S) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


@pytest.fixture
def server() -> Iterator[Served]:
    with Served([Scripted()]) as one:
        yield one


def test_a_request_written_by_hand_is_answered_in_json(server: Served) -> None:
    image = picture(4, 3)
    body = {
        "id": "mine",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": [3, 4, 3], "data": image.ravel().tolist()}],
        "outputs": [{"name": "boxes"}, {"name": "classes"}],
        "parameters": {"max_instances": 2},
    }
    status, text, _ = asked(f"{server.http.url}/v2/models/toy/infer", json.dumps(body).encode())
    answer = json.loads(text)
    assert status == 200
    assert answer["id"] == "mine"
    assert [output["name"] for output in answer["outputs"]] == ["boxes", "classes"]
    assert answer["outputs"][0]["shape"] == [2, 4]
    assert answer["outputs"][1]["data"] == [1, 2]


def test_what_the_server_says_of_itself(server: Served) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/toy/ready", "/v2/models/toy/versions/1/ready", "/healthz"):
        assert asked(server.http.url + path)[0] == 200
    about = json.loads(asked(f"{server.http.url}/v2")[1])
    assert about["name"] == "streamer"
    assert "system_shared_memory" in about["extensions"]
    model = json.loads(asked(f"{server.http.url}/v2/models/toy")[1])
    assert model["inputs"][0] == {"name": "image", "datatype": "UINT8", "shape": [-1, -1, 3]}
    assert json.loads(model["properties"]["labels"]) == {"1": "cup", "2": "Löffel", "3": "plate"}
    assert asked(f"{server.http.url}/v2/models/others")[0] == 404


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_figures_say_what_was_asked(server: Served, protocol: str) -> None:
    detector = RemoteDetector(server.spec(protocol), score_threshold=0.0)
    for _ in range(3):
        detector.detect(picture())
    detector.close()
    text = asked(f"{server.http.url}/metrics")[1].decode()
    assert f'streamer_serve_requests_total{{outcome="answered",protocol="{protocol}"}} 3.0' in text
    assert "streamer_serve_instances_total 12.0" in text
    assert 'streamer_serve_detector_seconds_bucket{le="+Inf"} 3.0' in text
    assert "process_resident_memory_bytes" in text
    status = json.loads(asked(f"{server.http.url}/status")[1])
    assert status["requests"][protocol]["answered"] == 3


def test_who_may_ask_by_http() -> None:
    with Served([Scripted()], token="a secret", shared=False) as server:
        url = f"{server.http.url}/v2/models/toy"
        assert asked(f"{server.http.url}/v2/health/ready")[0] == 200
        assert asked(url)[0] == asked(f"{server.http.url}/metrics")[0] == 401
        assert json.loads(asked(url)[1]) == {"error": "a token is needed"}
        assert asked(url, headers={"Authorization": "Bearer a secret"})[0] == 200
        # A browser of somebody without the token: there is no page to sign in at.
        assert asked(f"{server.http.url}/metrics", headers={"Accept": "text/html"})[0] == 401
        # A page of another site that a browser shows here.
        assert asked(url, headers={"Authorization": "Bearer a secret", "Host": "evil.example"})[0] == 403
        assert asked(f"{url}/infer", b"{}", {"Authorization": "Bearer a secret", "Origin": "http://evil.example"})[0] == 403
        # Memory of this machine is none of theirs.
        assert (
            asked(f"{server.http.url}/v2/systemsharedmemory/region/x/register", b"{}", {"Authorization": "Bearer a secret"})[0]
            == 404
        )
        for _ in range(12):
            status = asked(url, headers={"Authorization": "Bearer wrong"})[0]
        assert status == 429


def test_a_call_by_grpc_whose_message_never_comes_keeps_nobody_out(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.serving.grpc_server._READ_S", 0.5)
    end = threading.Event()

    def nothing() -> Iterator[bytes]:
        end.wait(PATIENCE_S)
        yield from ()

    with grpc.insecure_channel(f"127.0.0.1:{server.grpc.port}") as channel:
        ask = channel.stream_unary(SERVICE + "ModelInfer")
        calls = [ask.future(nothing()) for _ in range(70)]
        codes = {call.code() for call in calls}  # each is waited for
        assert codes == {grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED}
        end.set()
    detector = RemoteDetector(server.spec())
    assert len(detector.detect(picture())) == 3
    detector.close()
    wait_until(lambda: server.service.requests["grpc", "left"] > 0)


def test_a_call_by_grpc_is_refused_before_its_message_comes() -> None:
    end = threading.Event()

    def nothing() -> Iterator[bytes]:
        end.wait(PATIENCE_S)
        yield from ()

    with (
        Served([Scripted()], token="a secret", shared=False) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.grpc.port}") as channel,
    ):
        for method in ("ModelInfer", "ModelMetadata"):
            assert channel.stream_unary(SERVICE + method).future(nothing()).code() is grpc.StatusCode.UNAUTHENTICATED
        end.set()


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"[" * 50_000, 400), (b"{}", 400), (b'{"key": "/a", "byte_size": "1"}', 400), (b" " * 100_000, 413)],
)
def test_memory_that_is_told_wrongly_by_http_is_refused(server: Served, body: bytes, status: int) -> None:
    told, said, _ = asked(f"{server.http.url}/v2/systemsharedmemory/region/x/register", body)
    assert told == status
    assert json.loads(said)["error"]


def infer_url(server: Served) -> str:
    return f"{server.http.url}/v2/models/toy/infer"


@given(body=st.binary(max_size=100), length=st.none() | st.sampled_from(["0", "7", "x", "-1", "100000", "9" * 5000]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_request_that_is_garbage_is_refused(server: Served, body: bytes, length: str | None) -> None:
    status, said, _ = asked(infer_url(server), body or b" ", {} if length is None else {JSON_LENGTH: length})
    assert status == 400
    assert json.loads(said)["error"]


@given(
    st.sampled_from(["ModelInfer", "ModelMetadata", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister"]),
    st.binary(max_size=100),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_call_by_grpc_that_is_garbage_is_refused(server: Served, method: str, data: bytes) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc.port}") as channel:
        try:
            channel.unary_unary(SERVICE + method)(data, timeout=PATIENCE_S)
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)  # noqa: PT017  # or none at all


def test_a_server_whose_detector_is_stuck_is_not_ready(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.service.queue, "stuck_s", lambda: 99.0)
    for path in ("/v2/health/ready", "/v2/models/toy/ready", "/healthz"):
        assert asked(server.http.url + path)[0] == 503
    assert asked(f"{server.http.url}/v2/health/live")[0] == 200
    assert json.loads(asked(f"{server.http.url}/healthz")[1])["reasons"] == ["the detector has not answered for 99 s"]


def jpeg_header(width: int, height: int) -> bytes:
    return b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(20)


def jpeg_with_two_sizes(marker: int) -> bytes:
    """A decoder takes this marker to have no length, and then meets 65000x65000; who takes it to have one meets 8x8."""
    hidden = b"\xff\xfe\xff\xff" + bytes(0xFFFE - 4) + jpeg_header(8, 8)[2:]
    return b"\xff\xd8\xff" + bytes([marker]) + hidden.ljust(2 + 0xFFFF, b"\0") + jpeg_header(65_000, 65_000)[2:]


def jpeg_of_scans(count: int) -> bytes:
    """A progressive one, its last scan once more, and again."""
    data = cv2.imencode(".jpg", picture(16, 8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    return data[:-2] + data[data.rfind(b"\xff\xda") : -2] * count + data[-2:]


@pytest.mark.parametrize(
    ("tensor", "wrong"),
    [
        (Tensor("image", "UINT8", (2, 2, 3), b"12"), "12 bytes, got 2"),
        (Tensor("image", "UINT8", (0, 2, 3), b""), "expected UINT8"),
        (Tensor("image", "UINT8", (2, 2, 4), bytes(16)), "expected UINT8"),
        (Tensor("image", "FP32", (1, 1, 3), bytes(12)), "expected UINT8"),
        (Tensor("image", "UINT8", (60_000, 60_000, 3), b""), "too large"),
        (Tensor("picture", "UINT8", (1, 1, 3), b"123"), "expected one input, image or image_jpeg, got picture"),
        (Tensor.of_texts("image_jpeg", [b"a", b"b"]), "expected one JPEG, got 2"),
        (Tensor.of_texts("image_jpeg", [b"GIF89a"]), "no JPEG"),
        (Tensor.of_texts("image_jpeg", [jpeg_header(65_000, 65_000)]), "too large"),
        (Tensor.of_texts("image_jpeg", [jpeg_header(8, 8)]), "cannot be decoded"),
        (Tensor.of_texts("image_jpeg", [jpeg_of_scans(200)]), "more than 200 scans"),
        *((Tensor.of_texts("image_jpeg", [jpeg_with_two_sizes(mark)]), "no JPEG") for mark in (0x00, 0x01, 0xD0, 0xDA)),
        (Tensor("image", "UINT8", (1, 1, 3), b"", {REGION: "none", REGION_BYTES: 3}), "no shared memory region 'none'"),
        (Tensor("image", "UINT8", (1, 1, 3), b"", {REGION: "none", REGION_BYTES: "3"}), "expected a number of bytes"),
    ],
)
def test_a_picture_that_is_none_says_why(server: Served, tensor: Tensor, wrong: str) -> None:
    parts, length = request_to_body(InferRequest(model="toy", inputs=[tensor]))
    status, said, _ = asked(infer_url(server), b"".join(parts), {JSON_LENGTH: str(length)})
    assert status in (400, 404)
    assert wrong in json.loads(said)["error"]


@given(st.binary(max_size=80), st.integers(0, 400), st.integers(0, 255))
def test_any_jpeg_is_decoded_or_refused(tail: bytes, at: int, value: int) -> None:
    _, good = cv2.imencode(".jpg", picture(16, 8))
    damaged = bytearray(good.tobytes())
    damaged[at % len(damaged)] = value
    for data in (bytes(damaged), b"\xff\xd8\xff" + tail, tail):
        try:
            image = picture_of([Tensor.of_texts("image_jpeg", [data])], Regions())
        except BadMessage:
            continue
        assert image.ndim == 3


def test_a_jpeg_is_not_turned_as_its_camera_was_held() -> None:
    """Boxes are in pixels of what was sent."""
    exif = b"\xff\xe1" + struct.pack(">H", 34) + b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    _, plain = cv2.imencode(".jpg", picture(40, 20))
    data = plain.tobytes()
    image = picture_of([Tensor.of_texts("image_jpeg", [data[:2] + exif + data[2:]])], Regions())
    assert image.shape == (20, 40, 3)


@pytest.fixture
def memory() -> Iterator[str]:
    name = f"streamer-test-{os.getpid()}"
    (SHM / name).write_bytes(bytes(range(12)))
    yield name
    (SHM / name).unlink(missing_ok=True)


def test_memory_of_clients_is_read_and_what_is_none_is_refused(memory: str, tmp_path: Path) -> None:
    regions = Regions()
    regions.register("one", f"/{memory}", 2, 10)
    into = np.zeros((1, 2, 3), np.uint8)
    regions.read("one", 1, into)
    assert into.ravel().tolist() == [3, 4, 5, 6, 7, 8]
    with pytest.raises(BadMessage, match="ends before"):
        regions.read("one", 5, into)
    link, pipe, folder = (SHM / f"{memory}-{kind}" for kind in ("link", "pipe", "folder"))
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(100))
    link.symlink_to(secret)
    os.mkfifo(pipe)
    folder.mkdir()
    try:
        for key in (link.name, pipe.name, folder.name, "../../etc/passwd", "..", "", "/", "no\0such", "none"):
            with pytest.raises(BadMessage):
                regions.register("bad", f"/{key}", 0, 1)
    finally:
        link.unlink()
        pipe.unlink()
        folder.rmdir()
    for offset, size in ((0, 13), (-1, 5), (0, 0), (13, 1)):
        with pytest.raises(BadMessage):
            regions.register("bad", f"/{memory}", offset, size)
    # A client that shortens its memory ends no server.
    os.truncate(SHM / memory, 4)
    with pytest.raises(BadMessage, match="cut off"):
        regions.read("one", 0, into)
    regions.unregister("one")
    regions.unregister("one")
    with pytest.raises(Unknown):
        regions.read("one", 0, into)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_regions_do_not_grow_without_end(memory: str) -> None:
    regions = Regions()
    before = open_files()
    for number in range(200):
        regions.register(str(number), f"/{memory}", 0, 12)
        regions.register(str(number), f"/{memory}", 0, 12)
    assert open_files() - before <= 64
    regions.close()
    assert open_files() == before


def test_memory_of_a_client_that_is_gone_is_let_go_after_a_while(memory: str) -> None:
    now = [0.0]
    regions = Regions(lambda: now[0])
    regions.register("killed", f"/{memory}", 0, 12)
    regions.register("alive", f"/{memory}", 0, 12)
    now[0] = 200.0
    regions.read("alive", 0, np.zeros((1, 1, 3), np.uint8))
    now[0] = 400.0
    regions.register("new", f"/{memory}", 0, 12)
    assert regions.count == 2
    with pytest.raises(Unknown):
        regions.read("killed", 0, np.zeros((1, 1, 3), np.uint8))
    regions.close()
    assert regions.count == 0


def test_memory_that_the_server_forgot_is_told_again(server: Served) -> None:
    detector = RemoteDetector(server.spec(options="images=shared"))
    first = detector.detect(picture())
    server.service.regions.unregister("")
    again = detector.detect(picture())
    larger = detector.detect(picture(128, 96))
    detector.close()
    np.testing.assert_array_equal(first.boxes_xyxy, again.boxes_xyxy)
    assert len(larger) == len(first)
    assert server.service.regions.count == 0
    assert not list(SHM.glob(f"streamer-{os.getpid()}-*"))


def test_a_server_that_sees_other_memory_is_sent_pictures(
    server: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise BadMessage("there is no shared memory")

    monkeypatch.setattr(server.service.regions, "register", refuse)
    detector = RemoteDetector(server.spec())
    assert len(detector.detect(picture())) == 3
    assert len(detector.detect(picture())) == 3
    detector.close()
    assert caplog.text.count("takes no shared memory, pictures are sent to it") == 1


def test_many_clients_get_their_own_answers() -> None:
    """Eight clients by both protocols, each with a picture of its own size: boxes are in its own pixels."""
    with Served([Scripted(), Scripted()]) as server, ThreadPoolExecutor(8) as clients:

        def ask(number: int) -> bool:
            images = ("raw", "jpeg", "shared")[number % 3]
            detector = RemoteDetector(server.spec(("grpc", "http")[number % 2], f"images={images}"))
            width = 16 + 4 * number
            boxes = [detector.detect(picture(width, 32)).boxes_xyxy[0] for _ in range(20)]
            detector.close()
            return all(box.tolist() == [0, 0, width / 2, 16] for box in boxes)

        assert all(clients.map(ask, range(8)))
        assert sum(count for (_, outcome), count in server.service.requests.items() if outcome == "answered") == 160


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_too_many_requests_are_refused_and_the_rest_is_answered(protocol: str) -> None:
    let_go = threading.Event()
    with Served([Scripted(lambda _: let_go.wait(30))]) as server, ThreadPoolExecutor(50) as clients:

        def ask(_: int) -> str:
            detector = RemoteDetector(server.spec(protocol, "timeout=60"), live=True)
            try:
                return str(len(detector.detect(picture())))
            except Exception as error:  # noqa: BLE001  # the text is what is looked at
                if server.service.queue.refused >= 17:
                    let_go.set()
                return str(error)
            finally:
                detector.close()

        said = list(clients.map(ask, range(50)))
    assert said.count("3") == 33
    assert sum("is busy: too many requests of all clients wait" in text for text in said) == 17


def config(**options: object) -> object:
    return load_serve_config(
        None, {"detector": "tests.bright:Bright", "address": "127.0.0.1:0", "http": "127.0.0.1:0", **options}
    )


def test_an_address_that_is_taken_and_settings_that_cannot_be(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for options in ({"address": str(port)}, {"http": str(port)}):
            with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"), serving(config(**options), print):  # type: ignore[arg-type]  # a configuration
                pass
    for options, wrong in (
        ({"tls_cert": str(tmp_path)}, "go together"),
        ({"address": "none", "http": "none"}, "neither by gRPC nor by HTTP"),
        ({"address": "192.0.2.1:80"}, "cannot listen on 192.0.2.1"),
        ({"detector": "nanodett"}, "no detector"),
    ):
        with pytest.raises(ConfigError, match=wrong), serving(config(**options), print):  # type: ignore[arg-type]  # as above
            pass


def test_others_than_this_machine_need_a_token() -> None:
    said: list[str] = []
    with serving(config(address="0.0.0.0:0"), said.append) as ports:  # type: ignore[arg-type]  # as above
        token = next(line for line in said if line.startswith("token: ")).split()[1]
        with pytest.raises(Exception, match="a token is needed"):
            RemoteDetector(f"kserve://127.0.0.1:{ports['gRPC']}/tests-bright-Bright")
        detector = RemoteDetector(f"kserve://{token}@127.0.0.1:{ports['gRPC']}/tests-bright-Bright")
        assert "shared" not in detector.device_told
        detector.close()


@pytest.mark.parametrize(
    ("detector", "name"),
    [
        ("nanodet:large", "nanodet-large"),
        ("models/best.onnx", "best"),
        ("mine:detect", "mine-detect"),
        ("/m/saved_model/", "saved_model"),
        ("hub:https://a.example/x/1", "1"),
    ],
)
def test_what_a_model_is_called(detector: str, name: str) -> None:
    assert load_serve_config(None, {"detector": detector}).served_as == name


@pytest.mark.slow
def test_the_command_ends_with_a_signal() -> None:
    with ServerProcess("tests.bright:Bright") as server:
        server.process.send_signal(signal.SIGTERM)
        out, err = server.process.communicate(timeout=PATIENCE_S)
        assert server.process.returncode == 0, err
        assert "Traceback" not in out + err
