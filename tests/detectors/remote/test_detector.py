"""A detector on a server: the same answers as beside it, and clear words for all that can go wrong."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.config.live import ProcessOptions
from streamer.detectors.remote.address import parse
from streamer.detectors.remote.detector import RemoteDetector
from streamer.detectors.remote.failure import Failure
from streamer.detectors.remote.http_transport import HttpTransport
from streamer.errors import DetectorContractError, DetectorError, DetectorTimeout, DetectorUnavailable
from streamer.kserve import contract
from streamer.kserve.grpc_messages import response_to_bytes
from streamer.kserve.messages import InferResponse, ModelMetadata, TensorSpec
from streamer.kserve.tensors import Tensor
from streamer.live.detector_loading import DetectorLoader
from streamer.live.shared_detector import SharedDetector
from streamer.perception.selection import Selection, detected
from streamer.stages import Detector, DetectsSelected
from tests.fakes import frame, raise_at
from tests.serving.servers import Saying, Scripted, Served, ServerProcess, picture
from tests.tls import Certificate, TlsProxy
from tests.tls import certificate as certificate  # a fixture
from tests.waiting import wait_until

OUR_MODEL = ModelMetadata(name="toy", inputs=contract.INPUTS, outputs=contract.OUTPUTS)


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def served(scripted: Scripted) -> Iterator[Served]:
    with Served([scripted]) as server:
        yield server


@pytest.mark.parametrize("images", ["raw", "jpeg", "shared"])
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_it_answers_as_the_detector_beside_it(served: Served, scripted: Scripted, protocol: str, images: str) -> None:
    image = picture()
    detector = RemoteDetector(served.spec(protocol, f"images={images}"), score_threshold=0.5)
    try:
        detector.warm_up()
        found = detector.detect(image)
        detector.detect(np.ascontiguousarray(image[::-1, ::-1]))
    finally:
        detector.close()
        detector.close()
    expected = Scripted().detect(image)[:3]
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_array_equal(found.has_mask, expected.has_mask)
    assert found.masks is not None
    assert expected.masks is not None
    assert np.abs(found.masks - expected.masks).max() < 0.003
    seen = scripted.pictures[1].astype(int)
    assert np.abs(seen - image).max() <= (0 if images != "jpeg" else 24)
    assert isinstance(detector, Detector)
    assert isinstance(detector, DetectsSelected)
    assert detector.labels == scripted.labels
    assert detector.input_size == scripted.input_size
    assert detector.default_classes == scripted.default_classes


def test_the_server_is_told_what_is_wanted(served: Served, scripted: Scripted) -> None:
    detector = RemoteDetector(served.spec(), score_threshold=0.1)
    found = detected(detector, picture(), Selection(0.2, frozenset({1, 3}), 2, masks=False))
    detector.close()
    assert found.class_ids.tolist() == [1, 1]
    assert found.masks is None
    assert scripted.with_masks == [False]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_without_the_token_it_is_refused_and_the_token_is_never_shown(protocol: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Served([Scripted()], token="correct horse") as server:
        detector = RemoteDetector(server.spec(protocol, token="correct%20horse"))
        assert len(detector.detect(picture())) == 3
        for wrong in ("wrong-horse", ""):
            with pytest.raises(DetectorUnavailable, match=r"refuses: a token is needed.*before the host") as refusal:
                RemoteDetector(server.spec(protocol, token=wrong).replace("//@", "//"))
            assert "wrong-horse" not in str(refusal.value)
        detector.close()
        assert server.service.requests[protocol, "refused"] >= (2 if protocol == "grpc" else 0)
    assert "horse" not in f"{detector.name} {detector.device} {detector.device_told} {caplog.text}"


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_server_that_knows_its_clients_by_their_certificates(protocol: str, certificate: Certificate, tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    own = Certificate(tmp_path / "client")
    with Served([Scripted()]) as server:
        proxy = TlsProxy(certificate, server.grpc.port if protocol == "grpc" else server.http.port, clients=own.file)
        scheme = "kserves" if protocol == "grpc" else "kserve+https"
        spec = f"{scheme}://127.0.0.1:{proxy.port}/toy?images=raw&patience=0&ca={certificate.file}"
        try:
            detector = RemoteDetector(f"{spec}&cert={own.file}&key={own.key}")
            assert len(detector.detect(picture())) == 3
            detector.close()
            with pytest.raises(DetectorUnavailable, match=r"certificate of its clients.*cert=FILE&key=FILE"):
                RemoteDetector(spec)
        finally:
            proxy.close()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_tls_with_a_certificate_that_is_trusted_and_one_that_is_not(protocol: str, certificate: Certificate) -> None:
    with Served([Scripted()], certificate=certificate) as server:
        detector = RemoteDetector(server.spec(protocol, f"ca={certificate.file}"))
        assert len(detector.detect(picture())) == 3
        detector.close()
        with pytest.raises(DetectorUnavailable, match=r"certificate is not trusted.*ca=FILE"):
            RemoteDetector(server.spec(protocol))
        with pytest.raises(DetectorUnavailable, match="does not answer"):
            RemoteDetector(server.spec(protocol).replace("kserves", "kserve").replace("https", "http"))


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_server_that_takes_too_long(protocol: str) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def wait(call: int) -> None:
        if call == 2:
            begun.set()
            let_go.wait(30)

    with Served([Scripted(wait)]) as server:
        detector = RemoteDetector(server.spec(protocol, "timeout=0.3"), live=True)
        first = detector.detect(picture())
        with pytest.raises(DetectorTimeout, match=r"toy at .* did not answer within 0\.3 s; .*timeout="):
            detector.detect(picture())
        begun.wait(30)
        # What waits behind it is not worked on once nobody waits for it.
        with pytest.raises(DetectorTimeout):
            detector.detect(picture())
        let_go.set()
        wait_until(lambda: server.service.queue.left_out == 1)
        again = RemoteDetector(server.spec(protocol))
        np.testing.assert_array_equal(again.detect(picture()).boxes_xyxy, first.boxes_xyxy)
        again.close()
        detector.close()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_detector_that_fails_there_says_so_here(protocol: str) -> None:
    with Served([Scripted(raise_at(1, RuntimeError("secret details")))]) as server:
        detector = RemoteDetector(server.spec(protocol))
        with pytest.raises(DetectorError, match=r"toy at .* failed: the detector failed; see the server's log"):
            detector.detect(picture())
        assert len(detector.detect(picture())) == 3
        detector.close()


def test_nobody_there_and_no_such_model(served: Served) -> None:
    with pytest.raises(DetectorUnavailable, match="does not answer"):
        RemoteDetector("kserve://127.0.0.1:9/toy")
    with pytest.raises(DetectorUnavailable, match="does not answer"):
        RemoteDetector("kserve+http://127.0.0.1:9/toy")
    for protocol in ("grpc", "http"):
        with pytest.raises(DetectorUnavailable, match="has no model toys: there is no model 'toys'; there is 'toy'"):
            RemoteDetector(served.spec(protocol) + "s")
        with pytest.raises(DetectorUnavailable, match="has no version '9'"):
            RemoteDetector(served.spec(protocol, "version=9"))


def test_a_server_that_says_a_size_beyond_any_memory_is_sent_a_small_picture() -> None:
    told = ModelMetadata(
        name="toy", inputs=contract.INPUTS, outputs=contract.OUTPUTS, properties={"input_size": "[99999999, 99999999]"}
    )
    answer = response_to_bytes(InferResponse(model="toy", outputs=contract.to_tensors(Scripted().detect(picture()))))
    with Saying(told, lambda _: answer) as server:
        detector = RemoteDetector(server.spec("images=raw"))
        detector.warm_up()
        assert len(detector.detect(picture())) == 3
        detector.close()


def test_a_server_that_answers_byte_by_byte_takes_no_longer_than_it_may() -> None:
    end = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not end.wait(0.05):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        dripping = threads.submit(drip, listener)
        transport = HttpTransport(parse(f"kserve+http://127.0.0.1:{listener.getsockname()[1]}/toy"))
        with pytest.raises(Failure, match=r"no whole answer within 0\.2 s"):
            transport.model(0.2)
        transport.close()
        end.set()
        dripping.result(30)


def model(inputs: list[TensorSpec], outputs: list[TensorSpec], **properties: str) -> ModelMetadata:
    return ModelMetadata(name="toy", inputs=inputs, outputs=outputs, properties=properties)


IMAGE = TensorSpec("image", "UINT8", (-1, -1, 3))
OUTPUTS = list(contract.OUTPUTS)


@pytest.mark.parametrize(
    ("metadata", "wrong"),
    [
        (model([IMAGE], []), "no boxes, scores, classes; it has inputs image UINT8"),
        (model([], OUTPUTS), "no image or image_jpeg among its inputs"),
        (model([TensorSpec("image", "FP32", (3, -1, -1))], OUTPUTS), "its input image is FP32"),
        (model([TensorSpec("image", "UINT8", (100_000, 100_000, 3))], OUTPUTS), r"its input image is UINT8 \[100000"),
        (model([TensorSpec("image_jpeg", "UINT8", (-1,))], OUTPUTS), "its input image_jpeg is UINT8"),
        (model([IMAGE], [*OUTPUTS[1:], TensorSpec("boxes", "BYTES", (1,))]), "its output boxes is BYTES"),
        (model([IMAGE], [TensorSpec("detection_boxes", "FP32", (1, -1, 4))]), "no num_detections, detection_classes"),
        (model([IMAGE], OUTPUTS, labels="person"), "labels: expected JSON"),
        (b"\xff\xff", "cut off|no ModelMetadata"),
    ],
)
def test_another_kind_of_model_is_refused_in_a_line_that_says_what_is_missing(
    metadata: ModelMetadata | bytes, wrong: str
) -> None:
    with Saying(metadata) as server, pytest.raises(DetectorContractError, match=wrong) as refusal:
        RemoteDetector(server.spec())
    assert "\n" not in str(refusal.value)


@given(st.binary(max_size=120))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_answer_that_is_garbage_is_an_error_and_no_more(garbled: tuple[Saying, RemoteDetector], answer: bytes) -> None:
    server, detector = garbled
    server.infer = lambda _: answer
    with pytest.raises(DetectorContractError, match="toy at"):
        detector.detect(picture())


@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_answer_that_is_damaged_is_an_error_or_instances(
    garbled: tuple[Saying, RemoteDetector], at: int, value: int
) -> None:
    server, detector = garbled
    good = response_to_bytes(InferResponse(model="toy", outputs=contract.to_tensors(Scripted().detect(picture()))))
    damaged = bytearray(good)
    damaged[at % len(good)] = value
    server.infer = lambda _: bytes(damaged)
    try:
        found = detector.detect(picture())
    except DetectorContractError:
        return
    found.usable(64, 48)


@pytest.fixture
def garbled() -> Iterator[tuple[Saying, RemoteDetector]]:
    with Saying(OUR_MODEL) as server:
        detector = RemoteDetector(server.spec("images=raw"), live=True)
        yield server, detector
        detector.close()


def test_a_model_of_the_contract_of_mask_rcnn() -> None:
    """As Triton shows a model that takes batches."""
    outputs = {
        "num_detections": np.array([[2.0]], np.float32)[0],
        "detection_boxes": np.array([[[0.0, 0.25, 0.5, 0.75], [0.5, 0.5, 1.0, 1.0], [0, 0, 0, 0]]], np.float32),
        "detection_classes": np.array([[1, 3, 0]], np.float32),
        "detection_scores": np.array([[0.9, 0.6, 0.0]], np.float32),
        "detection_masks": np.stack([np.full((1, 4, 4), level, np.float32) for level in (0.9, 0.4, 0.1)], axis=1),
    }
    specs = [TensorSpec(name, "FP32", (-1, *array.shape[1:])) for name, array in outputs.items()]
    metadata = model([TensorSpec("input_tensor", "UINT8", (-1, -1, -1, 3))], specs)
    answer = response_to_bytes(InferResponse(model="toy", outputs=[Tensor.of(name, array) for name, array in outputs.items()]))
    with Saying(metadata, lambda _: answer) as server:
        detector = RemoteDetector(server.spec(), score_threshold=0.5)
        found = detector.detect(picture(80, 40))
        assert detector.labels[1] == "person"
        assert detector.family == "TF Object Detection API"
        detector.close()
        with pytest.raises(DetectorContractError, match="takes no pictures as jpeg; it takes: raw"):
            RemoteDetector(server.spec("images=jpeg"))
    np.testing.assert_allclose(found.boxes_xyxy, [[20, 0, 60, 20], [40, 20, 80, 40]])
    assert found.class_ids.tolist() == [1, 3]
    assert found.masks is not None
    np.testing.assert_allclose(found.masks[:, 0, 0], [0.9, 0.4])


def test_a_model_of_one_size_is_handed_that_size() -> None:
    sizes = []

    def infer(data: bytes) -> bytes:
        from streamer.kserve.grpc_messages import request_from_bytes

        sizes.append(request_from_bytes(data).inputs[0].shape)
        box = np.array([[16, 12, 32, 24]], np.float32)
        arrays = {"boxes": box, "scores": np.array([0.9], np.float32), "classes": np.array([1])}
        return response_to_bytes(InferResponse(model="toy", outputs=[Tensor.of(name, array) for name, array in arrays.items()]))

    with Saying(model([TensorSpec("image", "UINT8", (1, 24, 32, 3))], OUTPUTS), infer) as server:
        detector = RemoteDetector(server.spec())
        found = detector.detect(picture(128, 96))
        detector.close()
    assert sizes == [(1, 24, 32, 3)]
    np.testing.assert_allclose(found.boxes_xyxy, [[64, 48, 128, 96]])


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_recording_waits_for_a_server_that_was_killed(protocol: str, caplog: pytest.LogCaptureFixture) -> None:
    bright = picture()
    bright[10:20, 30:50] = 255
    with ServerProcess("tests.bright:Bright") as first, ThreadPoolExecutor(1) as own:
        spec = first.grpc if protocol == "grpc" else first.http
        detector, live = RemoteDetector(spec), RemoteDetector(spec, live=True)
        before = detector.detect(bright)
        live.detect(bright)
        first.kill()
        with pytest.raises(DetectorUnavailable, match="does not answer"):
            live.detect(bright)
        waiting = own.submit(detector.detect, bright)
        wait_until(lambda: "asking again" in caplog.text)
        with ServerProcess("tests.bright:Bright", grpc_port=first.grpc_port, http_port=first.http_port):
            after = waiting.result(60)
            np.testing.assert_array_equal(before.boxes_xyxy, after.boxes_xyxy)
            assert len(live.detect(bright)) == 1
        detector.close()
        live.close()
    assert [
        record.message for record in caplog.records if "asking again" in record.message or "answers again" in record.message
    ][1:] == [f"{detector.name} at 127.0.0.1:{spec.rpartition(':')[2].partition('/')[0]} answers again"]


def test_cameras_have_two_pictures_with_the_server_at_once() -> None:
    together = threading.Barrier(2)

    def at(call: int) -> None:
        if call:
            together.wait(30)

    with Served([Scripted(at), Scripted(at)]) as server:
        process = ProcessOptions(detector=server.spec())
        detectors = DetectorLoader(process, 0.5).load()
        shared = SharedDetector(*detectors)
        clients = [shared.client("gate"), shared.client("yard")]
        for client in clients:
            client.submit(frame(0))
        for client in clients:
            wait_until(client.poll)
        shared.close(30.0)
    assert len(detectors) == 2


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_closing_ends_a_question_under_way(protocol: str) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def at(_: int) -> None:
        begun.set()
        let_go.wait(30)

    with Served([Scripted(at)]) as server, ThreadPoolExecutor(1) as threads:
        detector = RemoteDetector(server.spec(protocol, "images=shared"))
        asking = threads.submit(detector.detect, picture())
        begun.wait(30)
        detector.close()
        if protocol == "http":  # httpx ends it when the answer comes, or the deadline
            let_go.set()
        with contextlib.suppress(DetectorUnavailable):
            asking.result(30)
        let_go.set()
    assert not list(Path("/dev/shm").glob(f"streamer-{os.getpid()}-*"))


def test_cameras_are_told_once_and_go_on_by_themselves(caplog: pytest.LogCaptureFixture) -> None:
    failing = threading.Event()

    def fail(_: int) -> None:
        if failing.is_set():
            raise RuntimeError("out of memory")

    with Served([Scripted(fail)]) as server:
        shared = SharedDetector(RemoteDetector(server.spec(), live=True))
        gate = shared.client("gate")

        def frames_until(happened: Callable[[], object]) -> None:
            def came() -> object:
                gate.submit(frame(0))
                return happened()

            wait_until(came)

        frames_until(gate.poll)
        failing.set()
        frames_until(lambda: gate.failures >= 4)
        assert "the detector failed" in gate.error
        failing.clear()
        frames_until(lambda: not gate.error)
        shared.close()
    told = [record.message for record in caplog.records if "frames go on without new masks" in record.message]
    assert len(told) == 1
    assert any("the detector works again" in record.message for record in caplog.records)
