"""What clients and servers of the protocol say to each other, however it travels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamer.kserve.tensors import Parameter, Tensor

SHARED_MEMORY = "system_shared_memory"
"""The extension by which a tensor lies in memory that both sides have; its name among a server's extensions."""
REGION, REGION_BYTES, REGION_OFFSET = "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"
"""The parameters of such a tensor: the name that the region was registered with, and where in it the tensor lies."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output that a model declares."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1 for a side of any length."""

    def __str__(self) -> str:
        return f"{self.datatype} {list(self.shape)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetadata:
    """What a server is."""

    name: str = ""
    version: str = ""
    extensions: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """What a model takes and gives."""

    name: str
    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    versions: Sequence[str] = ()
    platform: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """A question to a model."""

    model: str
    inputs: Sequence[Tensor]
    version: str = ""
    id: str = ""
    outputs: Sequence[str] = ()
    """The outputs that are wanted; empty: all."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferResponse:
    """A model's answer."""

    model: str
    outputs: Sequence[Tensor]
    version: str = ""
    id: str = ""
