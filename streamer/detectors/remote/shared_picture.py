"""A picture in memory that client and server share, on the same machine (the protocol's extension for system shared memory)."""

from __future__ import annotations

import mmap
import os
import secrets
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.detectors.remote.failure import Failure
from streamer.detectors.remote.transport import Transport
from streamer.kserve.messages import REGION, REGION_BYTES
from streamer.kserve.tensors import Tensor

FOLDER = Path("/dev/shm")  # where Linux keeps shared memory: its name in the protocol is one below this


class SharedPicture:
    """Memory for one picture after the other, which one server knows.

    Its file is there only until the server has opened it: a client that is killed leaves none behind. Others but the same user
    cannot open it.
    """

    def __init__(self, transport: Transport, size: int, timeout_s: float) -> None:
        """Memory of ``size`` bytes. Raises ``Failure`` where the server does not take it, ``OSError`` where there is none."""
        self.size = size
        self._transport, self._timeout_s = transport, timeout_s
        self.name = f"streamer-{os.getpid()}-{secrets.token_hex(8)}"
        path = FOLDER / self.name
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(file, 0, size)  # else a full memory shows as a signal, when it is written to
            self._memory = mmap.mmap(file, size)
            transport.register(self.name, f"/{self.name}", size, timeout_s)
        finally:
            os.close(file)
            path.unlink()

    def put(self, name: str, picture: NDArray[np.uint8]) -> Tensor:
        """The tensor of that name for ``picture``, which is copied into the memory."""
        self._memory[: picture.nbytes] = np.ascontiguousarray(picture).reshape(-1).data.cast("B")
        return Tensor(name, "UINT8", picture.shape, b"", {REGION: self.name, REGION_BYTES: picture.nbytes})

    def close(self) -> None:
        """Let go of it. Never raises: a server that is away has let go of it, too."""
        with suppress(Failure, ValueError):
            self._transport.unregister(self.name, min(self._timeout_s, 1.0))
        self._memory.close()
