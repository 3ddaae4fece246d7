"""The protocol's messages by HTTP: JSON, with the tensors' bytes behind it (the extension for binary data)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamer.kserve.messages import REGION, InferRequest, InferResponse, ModelMetadata, ServerMetadata, TensorSpec
from streamer.kserve.tensors import BYTES, DTYPES, BadMessage, Parameter, Tensor

JSON_LENGTH = "Inference-Header-Content-Length"
"""The header that says how many bytes are JSON."""
_BINARY = "binary_data_size"


def request_to_body(request: InferRequest) -> tuple[list[bytes | memoryview], int]:
    """The parts of a request's body, and how many bytes of it are JSON. Outputs are asked for in binary."""
    head: dict[str, Any] = {
        "id": request.id,
        "parameters": {**request.parameters, "binary_data_output": True},
        "inputs": [_declared(tensor) for tensor in request.inputs],
    }
    if request.outputs:
        head["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in request.outputs]
    return _body(head, request.inputs)


def request_from_body(body: bytes, json_length: str | None, model: str, version: str = "") -> tuple[InferRequest, bool]:
    """The request, and whether its answer is to be binary. Raises ``BadMessage``."""
    head, binary = _split(body, json_length)
    outputs = _objects(head, "outputs")
    parameters = _parameters(head)
    wants_binary = bool(parameters.pop("binary_data_output", False)) or any(
        _parameters(output).get("binary_data", False) for output in outputs
    )
    request = InferRequest(
        model=model,
        version=version,
        id=_text(head, "id"),
        parameters=parameters,
        inputs=_tensors(_objects(head, "inputs"), binary),
        outputs=[_text(output, "name") for output in outputs],
    )
    return request, wants_binary


def response_to_body(response: InferResponse, *, binary: bool) -> tuple[list[bytes | memoryview], int]:
    """The parts of a response's body, and how many bytes of it are JSON."""
    outputs = response.outputs
    head = {
        "model_name": response.model,
        "model_version": response.version,
        "id": response.id,
        "outputs": [_declared(tensor) if binary else _in_json(tensor) for tensor in outputs],
    }
    return _body(head, outputs if binary else ())


def response_from_body(body: bytes, json_length: str | None) -> InferResponse:
    """Raises ``BadMessage``."""
    head, binary = _split(body, json_length)
    return InferResponse(
        model=_text(head, "model_name"),
        version=_text(head, "model_version"),
        id=_text(head, "id"),
        outputs=_tensors(_objects(head, "outputs"), binary),
    )


def model_to_json(model: ModelMetadata) -> dict[str, Any]:
    """A model's metadata."""
    return {
        "name": model.name,
        "versions": list(model.versions),
        "platform": model.platform,
        "inputs": [_spec(spec) for spec in model.inputs],
        "outputs": [_spec(spec) for spec in model.outputs],
        "properties": dict(model.properties),
    }


def model_from_json(body: bytes) -> ModelMetadata:
    """Raises ``BadMessage``."""
    head = _json(body)
    inputs, outputs = (
        [TensorSpec(_text(spec, "name"), _text(spec, "datatype"), _shape(spec)) for spec in _objects(head, key)]
        for key in ("inputs", "outputs")
    )
    properties = head.get("properties")
    return ModelMetadata(
        name=_text(head, "name"),
        versions=[str(version) for version in _list(head, "versions")],
        platform=_text(head, "platform"),
        inputs=inputs,
        outputs=outputs,
        properties={str(k): str(v) for k, v in properties.items()} if isinstance(properties, dict) else {},
    )


def server_from_json(body: bytes) -> ServerMetadata:
    """Raises ``BadMessage``."""
    head = _json(body)
    extensions = [str(extension) for extension in _list(head, "extensions")]
    return ServerMetadata(name=_text(head, "name"), version=_text(head, "version"), extensions=extensions)


def config_from_json(body: bytes) -> Mapping[str, str]:
    """The parameters of a model's configuration, which Triton has. Raises ``BadMessage``."""
    parameters = _json(body).get("parameters")
    if not isinstance(parameters, dict):
        return {}
    return {name: _text(value, "string_value") for name, value in parameters.items() if isinstance(value, dict)}


def region_from_json(body: bytes) -> tuple[str, int, int]:
    """Key, offset and size in bytes of shared memory that is to be registered. Raises ``BadMessage``."""
    said = _json(body)
    key, offset, size = said.get("key"), said.get("offset", 0), said.get("byte_size")
    if not isinstance(key, str) or type(offset) is not int or type(size) is not int:
        raise BadMessage("expected key as a text, offset and byte_size as numbers")
    return key, offset, size


def error_of(body: bytes) -> str:
    """What an answer that is none says. Raises ``BadMessage``."""
    return _text(_json(body), "error")


def _body(head: Mapping[str, Any], tensors: Sequence[Tensor]) -> tuple[list[bytes | memoryview], int]:
    text = json.dumps(head).encode()
    return [text, *(tensor.data for tensor in tensors if REGION not in tensor.parameters)], len(text)


def _declared(tensor: Tensor) -> dict[str, Any]:
    parameters = dict(tensor.parameters)
    if REGION not in parameters:
        parameters[_BINARY] = len(tensor.data)
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape), "parameters": parameters}


def _in_json(tensor: Tensor) -> dict[str, Any]:
    values = tensor.array().ravel().tolist()
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape), "data": values}


def _spec(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _split(body: bytes, json_length: str | None) -> tuple[dict[str, Any], memoryview]:
    length = len(body)
    if json_length is not None:
        try:
            length = int(json_length)
        except ValueError:
            length = -1
        if not 0 <= length <= len(body):
            raise BadMessage(f"{JSON_LENGTH}: expected a number of bytes up to {len(body)}")
    return _json(body[:length]), memoryview(body)[length:]


def _json(text: bytes) -> dict[str, Any]:
    try:
        head = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadMessage("no JSON") from error
    if not isinstance(head, dict):
        raise BadMessage("JSON that is no object")
    return head


def _tensors(declared: Sequence[Mapping[str, Any]], binary: memoryview) -> list[Tensor]:
    tensors, at = [], 0
    for one in declared:
        name, datatype, shape, parameters = _text(one, "name"), _text(one, "datatype"), _shape(one), _parameters(one)
        size = parameters.pop(_BINARY, None)
        data: bytes | memoryview
        if REGION in parameters:
            data = b""
        elif size is not None:
            if type(size) is not int or not 0 <= size <= len(binary) - at:
                raise BadMessage(f"{name}: {_BINARY}: there are {len(binary) - at} bytes left, not {size!r:.20}")
            data, at = binary[at : at + size], at + size
        else:
            data = _from_json(name, datatype, one.get("data"))
        tensors.append(Tensor(name, datatype, shape, data, parameters))
    if at != len(binary):
        raise BadMessage(f"{len(binary) - at} bytes that belong to no tensor")
    return tensors


def _from_json(name: str, datatype: str, values: object) -> bytes | memoryview:
    if not isinstance(values, list):
        raise BadMessage(f"{name}: it has neither data nor {_BINARY}")
    if datatype == BYTES:
        if not all(isinstance(value, str) for value in values):
            raise BadMessage(f"{name}: expected texts")
        return Tensor.of_texts(name, [value.encode("utf-8", "surrogatepass") for value in values]).data
    if datatype not in DTYPES:
        raise BadMessage(f"{name}: there is no datatype {datatype[:20]}")
    try:
        return np.asarray(values, DTYPES[datatype]).tobytes()
    except (TypeError, ValueError, OverflowError) as error:
        raise BadMessage(f"{name}: expected numbers of {datatype}") from error


def _text(head: Mapping[str, Any], key: str) -> str:
    value = head.get(key, "")
    if not isinstance(value, str):
        raise BadMessage(f"{key}: expected a text")
    return value


def _list(head: Mapping[str, Any], key: str) -> list[Any]:
    value = head.get(key) or []
    if not isinstance(value, list):
        raise BadMessage(f"{key}: expected a list")
    return value


def _objects(head: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    values = _list(head, key)
    if not all(isinstance(value, dict) for value in values):
        raise BadMessage(f"{key}: expected objects")
    return values


def _shape(head: Mapping[str, Any]) -> tuple[int, ...]:
    values = _list(head, "shape")
    # Triton writes a model's shapes as numbers, some of its backends as texts.
    if not all(type(value) in (int, str) for value in values):
        raise BadMessage("shape: expected whole numbers")
    try:
        return tuple(map(int, values))
    except ValueError as error:
        raise BadMessage("shape: expected whole numbers") from error


def _parameters(head: Mapping[str, Any]) -> dict[str, Parameter]:
    parameters = head.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise BadMessage("parameters: expected an object")
    return {name: value for name, value in parameters.items() if isinstance(value, bool | int | float | str)}
