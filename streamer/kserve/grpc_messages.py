"""The protocol's messages by gRPC: from and to bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from streamer.kserve.messages import REGION, InferRequest, InferResponse, ModelMetadata, ServerMetadata, TensorSpec
from streamer.kserve.protobuf import RAW_INPUTS, RAW_OUTPUTS, new, parse, split_raw, with_raw
from streamer.kserve.tensors import BYTES, DTYPES, MOST_SIDES, BadMessage, Parameter, Tensor

_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""Where a tensor's numbers stand that is not raw."""


def request_to_bytes(request: InferRequest) -> bytes:
    """A request, its tensors raw."""
    head = new(
        "ModelInferRequest",
        model_name=request.model,
        model_version=request.version,
        id=request.id,
        parameters=_parameters(request.parameters),
        inputs=[_declared("InferInputTensor", tensor) for tensor in request.inputs],
        outputs=[new("InferRequestedOutputTensor", name=name) for name in request.outputs],
    )
    raw = [tensor.data for tensor in request.inputs if REGION not in tensor.parameters]
    return with_raw(head.SerializeToString(), RAW_INPUTS, raw)


def request_from_bytes(data: bytes) -> InferRequest:
    """Raises ``BadMessage``."""
    rest, raw = split_raw(data, RAW_INPUTS)
    message = parse("ModelInferRequest", rest)
    return InferRequest(
        model=message.model_name,
        version=message.model_version,
        id=message.id,
        parameters=_read_parameters(message.parameters),
        inputs=_tensors(message.inputs, raw),
        outputs=[output.name for output in message.outputs],
    )


def response_to_bytes(response: InferResponse) -> bytes:
    """A response, its tensors raw."""
    head = new(
        "ModelInferResponse",
        model_name=response.model,
        model_version=response.version,
        id=response.id,
        outputs=[_declared("InferOutputTensor", tensor) for tensor in response.outputs],
    )
    return with_raw(head.SerializeToString(), RAW_OUTPUTS, [tensor.data for tensor in response.outputs])


def response_from_bytes(data: bytes) -> InferResponse:
    """Raises ``BadMessage``."""
    rest, raw = split_raw(data, RAW_OUTPUTS)
    message = parse("ModelInferResponse", rest)
    return InferResponse(
        model=message.model_name, version=message.model_version, id=message.id, outputs=_tensors(message.outputs, raw)
    )


def model_to_bytes(model: ModelMetadata) -> bytes:
    """A model's metadata."""
    message = new(
        "ModelMetadataResponse",
        name=model.name,
        versions=model.versions,
        platform=model.platform,
        inputs=[new("TensorMetadata", name=spec.name, datatype=spec.datatype, shape=spec.shape) for spec in model.inputs],
        outputs=[new("TensorMetadata", name=spec.name, datatype=spec.datatype, shape=spec.shape) for spec in model.outputs],
        properties=model.properties,
    )
    return bytes(message.SerializeToString())


def model_from_bytes(data: bytes) -> ModelMetadata:
    """Raises ``BadMessage``."""
    message = parse("ModelMetadataResponse", data)
    inputs, outputs = (
        [TensorSpec(spec.name, spec.datatype, tuple(spec.shape)) for spec in specs]
        for specs in (message.inputs, message.outputs)
    )
    return ModelMetadata(
        name=message.name,
        versions=list(message.versions),
        platform=message.platform,
        inputs=inputs,
        outputs=outputs,
        properties=dict(message.properties),
    )


def server_from_bytes(data: bytes) -> ServerMetadata:
    """Raises ``BadMessage``."""
    message = parse("ServerMetadataResponse", data)
    return ServerMetadata(name=message.name, version=message.version, extensions=list(message.extensions))


def config_from_bytes(data: bytes) -> Mapping[str, str]:
    """The parameters of a model's configuration, which Triton has. Raises ``BadMessage``."""
    return {name: value.string_value for name, value in parse("ModelConfigResponse", data).config.parameters.items()}


def _declared(kind: str, tensor: Tensor) -> Any:
    return new(kind, name=tensor.name, datatype=tensor.datatype, shape=tensor.shape, parameters=_parameters(tensor.parameters))


def _parameters(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    kinds = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
    return {name: new("InferParameter", **{kinds[type(value)]: value}) for name, value in parameters.items()}


def _read_parameters(parameters: Mapping[str, Any]) -> dict[str, Parameter]:
    read: dict[str, Parameter] = {}
    for name, value in parameters.items():
        if (kind := value.WhichOneof("choice")) is not None:
            read[name] = getattr(value, kind)
    return read


def _tensors(declared: Iterable[Any], raw: list[memoryview]) -> list[Tensor]:
    tensors, waiting = [], list(raw)
    for one in declared:
        parameters = _read_parameters(one.parameters)
        shape = tuple(one.shape[: MOST_SIDES + 1])  # one too many is refused later
        if REGION in parameters:
            data: bytes | memoryview = b""
        elif raw:
            if not waiting:
                raise BadMessage(f"{one.name}: its contents are missing")
            data = waiting.pop(0)
        else:
            data = _typed(one)
        tensors.append(Tensor(one.name, one.datatype, shape, data, parameters))
    if waiting:
        raise BadMessage(f"contents of {len(waiting)} tensors that are not declared")
    return tensors


def _typed(declared: Any) -> bytes | memoryview:
    """The contents of a tensor that is not raw, as raw ones."""
    field = _CONTENTS.get(declared.datatype)
    values = getattr(declared.contents, field) if field is not None else []
    if declared.datatype == BYTES:
        return Tensor.of_texts(declared.name, values).data
    try:
        return np.fromiter(values, DTYPES.get(declared.datatype, np.dtype(np.uint8)), len(values)).tobytes()
    except OverflowError as error:
        raise BadMessage(f"{declared.name}: numbers that {declared.datatype} does not hold") from error
