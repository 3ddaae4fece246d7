"""The protocol's messages as protobuf writes them.

The classes are made from the table below when this is imported, by protobuf's own descriptors: generated code would have to be
made anew for each of its major versions. Names and numbers are those of the protocol, see
https://github.com/kserve/open-inference-protocol, and of Triton's extensions of it (shared memory, and of a model's
configuration only its parameters).

The bytes of raw tensors stand beside protobuf, not within it: it would copy a picture of 6 MB twice on each side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from streamer.kserve.tensors import BadMessage

PACKAGE = "inference"
SERVICE = f"/{PACKAGE}.GRPCInferenceService/"
"""What a method's name begins with."""

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}
_NAME = ("string name", "string version")
_TENSOR = ("string name", "string datatype", "int64* shape", "InferParameter{} parameters", "InferTensorContents contents")
_REGION = ("string name", "string key", "uint64 offset", "uint64 byte_size")
_CONTENTS = (
    *("bool* bool_contents", "int32* int_contents", "int64* int64_contents", "uint32* uint_contents"),
    *("uint64* uint64_contents", "float* fp32_contents", "double* fp64_contents", "bytes* bytes_contents"),
)
_TABLE: Mapping[str, Iterable[str]] = {
    # Fields are numbered from 1 on, unless a number says otherwise. * is repeated, {} a map by name, | one of several.
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready",),
    "ModelReadyRequest": _NAME,
    "ModelReadyResponse": ("bool ready",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": ("string name", "string version", "string* extensions"),
    "ModelMetadataRequest": _NAME,
    "TensorMetadata": ("string name", "string datatype", "int64* shape"),
    "ModelMetadataResponse": (
        *("string name", "string* versions", "string platform"),
        *("TensorMetadata* inputs", "TensorMetadata* outputs", "string{} properties"),
    ),
    "InferParameter": (
        *("bool| bool_param", "int64| int64_param", "string| string_param", "double| double_param", "uint64| uint64_param"),
    ),
    "InferTensorContents": _CONTENTS,
    "InferInputTensor": _TENSOR,
    "InferOutputTensor": _TENSOR,
    "InferRequestedOutputTensor": ("string name", "InferParameter{} parameters"),
    "ModelInferRequest": (
        *("string model_name", "string model_version", "string id", "InferParameter{} parameters"),
        *("InferInputTensor* inputs", "InferRequestedOutputTensor* outputs", "bytes* raw_input_contents"),
    ),
    "ModelInferResponse": (
        *("string model_name", "string model_version", "string id", "InferParameter{} parameters"),
        *("InferOutputTensor* outputs", "bytes* raw_output_contents"),
    ),
    "ModelConfigRequest": _NAME,
    "ModelParameter": ("string string_value",),
    "ModelConfig": ("ModelParameter{} parameters 14",),
    "ModelConfigResponse": ("ModelConfig config",),
    "SystemSharedMemoryRegisterRequest": _REGION,
    "SystemSharedMemoryRegisterResponse": (),
    "SystemSharedMemoryUnregisterRequest": ("string name",),
    "SystemSharedMemoryUnregisterResponse": (),
}
RAW_INPUTS, RAW_OUTPUTS = 7, 6
"""The numbers of the fields that hold raw tensors, of a request and of a response."""
_LENGTH_DELIMITED = 2
_MOST_FIELDS = 4096
"""Top-level fields of a message; each is an object here, however few bytes it has."""


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="streamer/inference.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _TABLE.items():
        message = file.message_type.add(name=name)
        for number, line in enumerate(fields, 1):
            _add_field(message, number, line)
    # A pool of its own: another package may bring the same protocol.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in _TABLE}


def _add_field(message: descriptor_pb2.DescriptorProto, number: int, line: str) -> None:
    kind, name, *explicit = line.split()
    field = message.field.add(name=name, number=int(explicit[0]) if explicit else number, label=_Field.LABEL_OPTIONAL)
    if kind.endswith("{}"):
        entry = message.nested_type.add(name="".join(part.capitalize() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _add_field(entry, 1, "string key")
        _add_field(entry, 2, f"{kind[:-2]} value")
        field.label, field.type = _Field.LABEL_REPEATED, _Field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{message.name}.{entry.name}"
        return
    if kind.endswith("*"):
        field.label = _Field.LABEL_REPEATED
    if kind.endswith("|"):
        if not message.oneof_decl:
            message.oneof_decl.add(name="choice")
        field.oneof_index = 0
    kind = kind.rstrip("*|")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"


_CLASSES = _classes()


def new(kind: str, /, **fields: Any) -> Any:
    """A message of that kind."""
    return _CLASSES[kind](**fields)


def parse(kind: str, data: bytes | memoryview) -> Any:
    """The message of that kind in ``data``. Raises ``BadMessage``."""
    try:
        return _CLASSES[kind].FromString(bytes(data))
    except DecodeError as error:
        raise BadMessage(f"no {kind}") from error


def with_raw(head: bytes, field: int, contents: Iterable[bytes | memoryview]) -> bytes:
    """A message, with raw tensors in the repeated field of that number."""
    tag = _varint(field << 3 | _LENGTH_DELIMITED)
    return b"".join([head, *(part for raw in contents for part in (tag + _varint(len(raw)), raw))])


def split_raw(data: bytes, field: int) -> tuple[bytes, list[memoryview]]:
    """A message without its raw tensors, and those, which are not copied. Raises ``BadMessage``."""
    view = memoryview(data)
    rest: list[memoryview] = []
    raw: list[memoryview] = []
    for number, start, value, end in _fields(view):
        if number == field:
            raw.append(view[value:end])
        else:
            rest.append(view[start:end])
    return b"".join(rest), raw


def _fields(view: memoryview) -> Iterator[tuple[int, int, int, int]]:
    """Of each top-level field its number, and where it begins, where its value begins, and where it ends."""
    at = count = 0
    while at < len(view):
        count += 1
        if count > _MOST_FIELDS:
            raise BadMessage(f"a protobuf message of more than {_MOST_FIELDS} fields")
        start = at
        tag, at = _read_varint(view, at)
        kind = tag & 7
        value = at
        if kind == 0:
            _, at = _read_varint(view, at)
        elif kind == _LENGTH_DELIMITED:
            length, value = _read_varint(view, at)
            at = value + length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise BadMessage("no protobuf message")
        if at > len(view):
            raise BadMessage("a protobuf message that is cut off")
        yield tag >> 3, start, value, at


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            raise BadMessage("a protobuf message that is cut off")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise BadMessage("no protobuf message")
