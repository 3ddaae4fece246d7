"""The protocol's messages: what goes in comes out, and bytes that are none are refused, not guessed at."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.kserve import grpc_messages, http_messages
from streamer.kserve.messages import REGION, REGION_BYTES, InferRequest, InferResponse, ModelMetadata, TensorSpec
from streamer.kserve.protobuf import RAW_INPUTS, new, split_raw
from streamer.kserve.tensors import DTYPES, BadMessage, Tensor

NAMES = st.text("abcxyzäöü_0 ", min_size=1, max_size=8)
PARAMETERS = st.dictionaries(
    st.text("klm", min_size=1, max_size=5),
    st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    max_size=3,
)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    name, kind = draw(NAMES), draw(st.sampled_from([*DTYPES, "BYTES", "shared"]))
    if kind == "BYTES":
        return Tensor.of_texts(name, draw(st.lists(st.binary(max_size=9), max_size=4)))
    if kind == "shared":
        return Tensor(name, "UINT8", (2, 3), b"", {REGION: "one", REGION_BYTES: 6})
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    return Tensor.of(name, np.random.default_rng(draw(st.integers(0, 99))).integers(0, 2, shape).astype(DTYPES[kind]))


def same(one: Tensor, other: Tensor) -> bool:
    fields = ("name", "datatype", "shape")
    alike = all(getattr(one, field) == getattr(other, field) for field in fields)
    return alike and bytes(one.data) == bytes(other.data) and dict(one.parameters) == dict(other.parameters)


@given(st.lists(tensors(), max_size=4), PARAMETERS, st.lists(NAMES, max_size=3), NAMES)
def test_a_request_arrives_as_it_was_sent(
    sent: list[Tensor], parameters: dict[str, bool | int | float | str], outputs: list[str], name: str
) -> None:
    request = InferRequest(model=name, version="2", id="7", inputs=sent, outputs=outputs, parameters=parameters)
    by_grpc = grpc_messages.request_from_bytes(grpc_messages.request_to_bytes(request))
    parts, length = http_messages.request_to_body(request)
    by_http, binary = http_messages.request_from_body(b"".join(parts), str(length), name, "2")
    assert binary
    for got in (by_grpc, by_http):
        assert (got.model, got.version, got.id, list(got.outputs)) == (name, "2", "7", outputs)
        assert dict(got.parameters) == parameters
        assert len(got.inputs) == len(sent)
        assert all(map(same, sent, got.inputs))


@given(st.lists(tensors().filter(lambda tensor: not tensor.parameters), max_size=4))
def test_an_answer_arrives_as_it_was_sent(sent: list[Tensor]) -> None:
    response = InferResponse(model="m", version="1", id="7", outputs=sent)
    by_grpc = grpc_messages.response_from_bytes(grpc_messages.response_to_bytes(response))
    parts, length = http_messages.response_to_body(response, binary=True)
    by_http = http_messages.response_from_body(b"".join(parts), str(length))
    for got in (by_grpc, by_http):
        assert all(map(same, sent, got.outputs))
        assert len(got.outputs) == len(sent)


def test_numbers_may_stand_in_the_message_itself() -> None:
    """As some servers answer, and as people write requests by hand."""
    scores = np.array([[0.5, 0.25]], np.float32)
    message = new("ModelInferResponse", model_name="m")
    message.outputs.add(name="scores", datatype="FP32", shape=[1, 2]).contents.fp32_contents.extend([0.5, 0.25])
    message.outputs.add(name="classes", datatype="INT32", shape=[1, 2]).contents.int_contents.extend([3, -4])
    by_grpc = grpc_messages.response_from_bytes(message.SerializeToString())
    parts, length = http_messages.response_to_body(
        InferResponse(model="m", outputs=[Tensor.of("scores", scores), Tensor.of("classes", np.array([[3, -4]], np.int32))]),
        binary=False,
    )
    assert length == len(parts[0])
    by_http = http_messages.response_from_body(b"".join(parts), None)
    for got in (by_grpc, by_http):
        np.testing.assert_array_equal(got.outputs[0].array(), scores)
        np.testing.assert_array_equal(got.outputs[1].array(), [[3, -4]])


def test_metadata_arrives_as_it_was_sent() -> None:
    model = ModelMetadata(
        name="m",
        versions=["1"],
        platform="p",
        inputs=[TensorSpec("image", "UINT8", (-1, -1, 3))],
        outputs=[TensorSpec("boxes", "FP32", (-1, 4))],
        properties={"labels": '{"1": "Fußgänger"}'},
    )
    assert grpc_messages.model_from_bytes(grpc_messages.model_to_bytes(model)) == model
    assert http_messages.model_from_json(json.dumps(http_messages.model_to_json(model)).encode()) == model


@given(st.binary(max_size=200), st.none() | st.sampled_from(["0", "5", "-1", "x", "99999"]))
def test_bytes_that_are_no_message_are_refused(data: bytes, length: str | None) -> None:
    readers = (
        lambda: grpc_messages.request_from_bytes(data),
        lambda: grpc_messages.response_from_bytes(data),
        lambda: grpc_messages.model_from_bytes(data),
        lambda: http_messages.request_from_body(data, length, "m"),
        lambda: http_messages.response_from_body(data, length),
        lambda: http_messages.model_from_json(data),
    )
    for read in readers:
        try:
            read()
        except BadMessage:
            continue


@pytest.mark.parametrize("side", ["--5", "²", "9" * 5000, True, 1.5])
def test_a_shape_that_is_none_is_refused(side: object) -> None:
    image = {"name": "image", "datatype": "UINT8", "shape": [side], "data": [1]}
    with pytest.raises(BadMessage, match="shape: expected whole numbers"):
        http_messages.request_from_body(json.dumps({"inputs": [image]}).encode(), None, "m")


def test_a_message_of_a_great_many_fields_is_refused() -> None:
    """Each field of two bytes is an object of a hundred here."""
    with pytest.raises(BadMessage, match="more than 4096 fields"):
        grpc_messages.request_from_bytes(b"\x30\x00" * 5000)


@pytest.mark.parametrize("contents", [b"\x42\0" * 5000, b""], ids=["typed", "raw"])
def test_a_great_many_texts_are_refused(contents: bytes) -> None:
    inside = new("InferInputTensor", name="image_jpeg", datatype="BYTES", shape=[1])
    if contents:
        inside.contents.MergeFromString(contents)
    raw = [] if contents else [bytes(20_000)]
    with pytest.raises(BadMessage, match="more than 1024 texts"):
        request_of(inside, raw).inputs[0].texts()


def test_a_shape_of_a_great_many_sides_is_refused() -> None:
    request = request_of(new("InferInputTensor", name="image", datatype="UINT8", shape=[1] * 5000), [b"1"])
    assert len(request.inputs[0].shape) == 9
    with pytest.raises(BadMessage, match="no shape"):
        request.inputs[0].array()


def request_of(tensor: object, raw: list[bytes]) -> InferRequest:
    message = new("ModelInferRequest", model_name="m", inputs=[tensor], raw_input_contents=raw)
    return grpc_messages.request_from_bytes(message.SerializeToString())


@given(st.integers(0, 1000), st.integers(0, 255))
def test_a_damaged_message_is_refused_or_read(at: int, value: int) -> None:
    request = InferRequest(model="m", inputs=[Tensor.of("image", np.zeros((2, 3, 3), np.uint8))], parameters={"a": 1.5})
    good = bytearray(grpc_messages.request_to_bytes(request))
    good[at % len(good)] = value
    try:
        read = grpc_messages.request_from_bytes(bytes(good))
        for tensor in read.inputs:
            tensor.array()
    except BadMessage:
        return


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "shape", "data", "parameters", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["inputs", "outputs", "parameters", "id", "versions", "properties"]), JSON, max_size=5))
def test_json_of_another_kind_is_refused_or_read(head: dict[str, object]) -> None:
    body = json.dumps(head).encode()
    for read in (
        lambda: http_messages.request_from_body(body, None, "m"),
        lambda: http_messages.response_from_body(body, None),
        lambda: http_messages.model_from_json(body),
    ):
        try:
            read()
        except BadMessage:
            continue


def test_raw_contents_are_not_copied() -> None:
    picture = Tensor.of("image", np.arange(600, dtype=np.uint8))
    data = grpc_messages.request_to_bytes(InferRequest(model="m", inputs=[picture]))
    _, (raw,) = split_raw(data, RAW_INPUTS)
    assert raw.obj is data
    assert bytes(raw) == bytes(picture.data)


@pytest.mark.parametrize(
    ("tensor", "wrong"),
    [
        (Tensor("a", "FP32", (2,), b"1234"), "8 bytes, got 4"),
        (Tensor("a", "FP32", (-1,), b""), "no shape"),
        (Tensor("a", "COMPLEX", (1,), b"1"), "expected numbers"),
        (Tensor("a", "BYTES", (1,), b"1"), "expected numbers"),
        (Tensor("a", "UINT8", (1,) * 9, b"1"), "no shape"),
        (Tensor("a", "UINT8", (0, 2**62, 2**62), b""), "no shape"),
        (Tensor("a", "BOOL", (0, 10**30), b""), "no shape"),
    ],
)
def test_a_tensor_that_is_none_says_why(tensor: Tensor, wrong: str) -> None:
    with pytest.raises(BadMessage, match=wrong):
        tensor.array()


@given(st.binary(max_size=40), st.integers(0, 4))
def test_texts_are_read_or_refused(data: bytes, count: int) -> None:
    try:
        texts = Tensor("a", "BYTES", (count,), data).texts()
    except BadMessage:
        return
    assert len(texts) == count
