"""One connection to a server: how a picture travels by it, and what is asked about it."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors.remote.address import RemoteAddress
from streamer.detectors.remote.failure import Failure, Kind
from streamer.detectors.remote.model import RemoteModel
from streamer.detectors.remote.shared_picture import SharedPicture
from streamer.detectors.remote.transport import Transport
from streamer.kserve.contract import Wish
from streamer.kserve.messages import InferRequest, InferResponse
from streamer.kserve.tensors import Tensor


class Connection:
    """Used by one thread at a time, but for :meth:`interrupt`."""

    def __init__(
        self,
        address: RemoteAddress,
        transport: Transport,
        model: RemoteModel,
        images: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``images``: ``raw``, ``jpeg`` or ``shared``."""
        self.refusal = ""
        """Why the server takes no shared memory, where it was to; pictures are sent then."""
        self._address, self._transport, self._model, self._images = address, transport, model, images
        self._clock = clock
        self._shared: SharedPicture | None = None

    @property
    def shares_memory(self) -> bool:
        """Whether the server was told of memory, which it may have forgotten."""
        return self._shared is not None

    def ask(self, image: NDArray[np.uint8], wish: Wish, timeout_s: float) -> InferResponse:
        """The answer about an RGB picture. Raises ``Failure`` and ``BadMessage``."""
        begun = self._clock()
        request = InferRequest(
            model=self._address.model,
            version=self._address.version,
            id="1",  # KServe's own server demands one by HTTP
            inputs=[self._picture(image, timeout_s)],
            outputs=[out for out in self._model.outputs if wish.masks or out not in self._model.mask_outputs],
            parameters=wish.to_parameters() if self._model.family == "streamer" else {},
        )
        try:
            return self._transport.infer(request, max(0.001, timeout_s - (self._clock() - begun)))
        except Failure:
            # A server that was started anew knows nothing of the memory: the next question tells it again.
            self._forget_shared()
            raise

    def interrupt(self) -> None:
        """From any thread: a question under way ends with a failure."""
        self._transport.close()

    def close(self) -> None:
        """End it. May be called twice."""
        self._forget_shared()
        self._transport.close()

    def _picture(self, image: NDArray[np.uint8], timeout_s: float) -> Tensor:
        if self._images == "jpeg":
            assert self._model.jpeg is not None
            # OpenCV writes BGR.
            bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, self._address.quality])
            shape = (1,) * max(1, len(self._model.jpeg.shape))
            return Tensor.of_texts(self._model.jpeg.name, [data.tobytes()], shape)
        assert self._model.image is not None
        picture = image[None] if len(self._model.image.shape) == 4 else image
        if self._images == "shared" and (shared := self._memory(image.nbytes, timeout_s)) is not None:
            return shared.put(self._model.image.name, picture)
        return Tensor.of(self._model.image.name, picture)

    def _memory(self, size: int, timeout_s: float) -> SharedPicture | None:
        if self._shared is not None and self._shared.size < size:
            self._forget_shared()
        if self._shared is None:
            try:
                self._shared = SharedPicture(self._transport, size, timeout_s)
            except (Failure, OSError) as error:
                if isinstance(error, Failure) and error.kind is not Kind.BAD:
                    raise
                # It is on this machine, but in a container, of another user, or out of memory.
                self._images, self.refusal = "raw", str(error)
        return self._shared

    def _forget_shared(self) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()
