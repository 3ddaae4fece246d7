"""What both protocols can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from streamer.kserve.messages import InferRequest, InferResponse, ModelMetadata, ServerMetadata

MOST_ANSWER_BYTES = 256 << 20
"""A larger answer is none of a detector: masks of a hundred objects as large as a picture of 1080p fit."""


class Transport(Protocol):
    """A connection to a server. Calls from any one thread; each takes ``timeout_s`` seconds at most and raises ``Failure``, or
    ``BadMessage`` for an answer that is none."""

    def server(self, timeout_s: float) -> ServerMetadata:
        """What the server is."""
        ...

    def model(self, timeout_s: float) -> ModelMetadata:
        """What the model takes and gives."""
        ...

    def configuration(self, timeout_s: float) -> Mapping[str, str]:
        """The parameters of the model's configuration, which Triton has; empty elsewhere."""
        ...

    def infer(self, request: InferRequest, timeout_s: float) -> InferResponse:
        """Ask the model."""
        ...

    def register(self, region: str, key: str, size: int, timeout_s: float) -> None:
        """Tell the server of shared memory: the name of the region, and its file below ``/dev/shm`` as ``/NAME``."""
        ...

    def unregister(self, region: str, timeout_s: float) -> None:
        """The server is to let go of it."""
        ...

    def close(self) -> None:
        """End the connection, and a call under way. May be called twice, from any thread."""
        ...
