"""A detector on a server."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detectors.label_file import read_labels
from streamer.detectors.labels import COCO
from streamer.detectors.picture import refuse_other_than_rgb
from streamer.detectors.remote.address import RemoteAddress, parse
from streamer.detectors.remote.connecting import connect
from streamer.detectors.remote.connection import Connection
from streamer.detectors.remote.failure import NO_CERTIFICATE, Failure, Kind
from streamer.detectors.remote.model import model_of
from streamer.detectors.remote.transport import Transport
from streamer.errors import (
    DetectorAway,
    DetectorBusy,
    DetectorContractError,
    DetectorError,
    DetectorTimeout,
    DetectorUnavailable,
)
from streamer.instances import Instances
from streamer.kserve.contract import MOST_PIXELS, Told, Wish
from streamer.kserve.messages import SHARED_MEMORY, InferResponse, ModelMetadata
from streamer.kserve.tensors import BadMessage
from streamer.redact import redact
from streamer.runtime.backoff import Backoff

log = logging.getLogger(__name__)
T = TypeVar("T")

_OPEN_S = 10.0
"""What asking for metadata may take at least; a call of the model has a limit of its own."""
_OPEN_LIVE_S = 3.0
"""The same for cameras, which go on without the detector meanwhile."""
_LOOK_S = 1.0
"""How often the metadata is read again: a server that was started anew between two questions may have another model."""
_WARM_UP_S = 120.0
"""What the first call may take: a server may load or build the model for it."""
_WARM_UP_SIZE = 640, 360
"""In pixels, where the server says no size that is one."""
_BACKOFF = Backoff(initial_s=0.1, max_s=5.0)
_ENDED_TLS = "TSI_DATA_CORRUPTED"
"""All that gRPC tells of a server that ended TLS after the handshake."""
_PASSING = (Kind.AWAY, Kind.SLOW, Kind.BUSY)
"""Failures that a recording waits out."""


class RemoteDetector:
    """Asks a model on a server, by the protocol that the address names. Calls from any one thread at a time.

    For cameras (``live``) a question that fails is not asked again: the next frame is newer. For recordings it is, for as long
    as the address says (``patience``), since no frame may be left out. A server with another model than when this object was
    made is not asked any more: ``DetectorUnavailable`` says so, and a new object knows the new one.
    """

    def __init__(
        self,
        spec: str,
        *,
        score_threshold: float = 0.5,
        labels_path: Path | None = None,
        live: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect, and read what the model takes and gives.

        Raises ``ConfigError`` for an address that is none, ``DetectorAway`` where the server does not answer,
        ``DetectorTimeout`` and ``DetectorBusy`` where it takes too long or has too much to do, ``DetectorUnavailable`` where it
        does not know the model or refuses the token, and ``DetectorContractError`` for a model that is no detector.
        """
        self._address: RemoteAddress = parse(spec)
        self.name = self._address.model
        self._patience_s = 0.0 if live else self._address.patience_s
        self._score_threshold = score_threshold
        self._clock = clock
        self._closed = threading.Event()
        self._lock = threading.Lock()
        """Held while somebody asks."""
        labels = None if labels_path is None else read_labels(labels_path)
        transport = connect(self._address)
        self._open_s = _OPEN_LIVE_S if live else max(_OPEN_S, self._address.timeout_s)
        try:
            metadata, told, self._extensions = self._opened(transport)
            self._model = model_of(metadata, str(self._address))
            self._images = self._way()
        except BaseException:
            transport.close()
            raise
        self._transport = transport
        self._known = metadata.inputs, metadata.outputs, told
        self._look_at = clock() + _LOOK_S
        self._contract = {spec.name: str(spec) for spec in (*metadata.inputs, *metadata.outputs)}
        self._connection = Connection(self._address, transport, self._model, self._images, clock)
        self.labels: Mapping[int, str] = labels or told.labels or COCO
        if told.default_classes is not None:
            self.default_classes = told.default_classes
        self.input_size: tuple[int, int] | None = self._model.fixed_size or told.input_size
        self.device = f"{self._address.protocol.replace('grpc', 'gRPC').replace('http', 'HTTP')} server {self._address.server}"
        self.device_told = f"{self.device}, pictures {self._images}"
        self.family = self._model.family
        log.info("the detector %s: asked by %s", self._address, self.device_told)

    @property
    def contract(self) -> Mapping[str, str]:
        """Inputs and outputs, as the server declares them."""
        return self._contract

    def detect(self, image: NDArray[np.uint8]) -> Instances:
        """Find objects in an RGB picture, uint8 (height, width, 3); boxes in pixels of that very array.

        Raises ``DetectorUnavailable`` where the server does not answer, ``DetectorTimeout`` where it takes too long,
        ``DetectorContractError`` for an answer that is none, and ``DetectorError`` where it cannot work on the picture.
        """
        return self._detect(image, Wish(score_threshold=self._score_threshold))

    def detect_selected(
        self,
        image: NDArray[np.uint8],
        *,
        score_threshold: float,
        class_ids: frozenset[int] | None,
        max_instances: int | None,
        masks: bool,
    ) -> Instances:
        """See ``stages.DetectsSelected``."""
        least = max(score_threshold, self._score_threshold)
        wish = Wish(score_threshold=least, class_ids=class_ids, max_instances=max_instances, masks=masks)
        return self._detect(image, wish)

    def warm_up(self) -> None:
        """Have the server answer once, on a black picture: the first answer may take it long."""
        width, height = self.input_size or _WARM_UP_SIZE
        if width * height > MOST_PIXELS:
            width, height = _WARM_UP_SIZE
        self._detect(np.zeros((height, width, 3), np.uint8), Wish(), timeout_s=max(_WARM_UP_S, self._address.timeout_s))

    def close(self) -> None:
        """End the connection; a call under way ends with an error."""
        self._closed.set()
        if self._lock.acquire(blocking=False):
            self._connection.close()
            self._lock.release()
        else:
            self._connection.interrupt()  # whoever is asking lets go of the rest

    def _opened(self, transport: Transport) -> tuple[ModelMetadata, Told, Collection[str]]:
        """What the server tells of its model, and what it can do besides. Raises a ``DetectorError``."""
        try:
            return *self._told(transport), transport.server(self._open_s).extensions
        except Failure as failure:
            raise self._raised(failure, self._open_s) from failure
        except BadMessage as error:
            raise self._unfit(error) from error

    def _told(self, transport: Transport) -> tuple[ModelMetadata, Told]:
        """What the server tells of its model now. Raises ``Failure`` and ``BadMessage``."""
        metadata = transport.model(self._open_s)
        return metadata, Told.from_properties(metadata.properties or transport.configuration(self._open_s))

    def _refuse_another(self) -> None:
        """Raise ``DetectorUnavailable`` where the server's model is not the one that it was; ``Failure`` and ``BadMessage``."""
        metadata, told = self._told(self._transport)
        self._look_at = self._clock() + _LOOK_S
        if (metadata.inputs, metadata.outputs, told) == self._known:
            return
        was = self._known[-1]
        what = "other classes" if told.labels != was.labels else "another contract"
        raise DetectorUnavailable(
            f"the server {self._address.server} has another model {self._address.model} than before, with {what}",
            hint="start again to use it",
        )

    def _way(self) -> str:
        """How pictures travel. Raises ``DetectorContractError`` where the model does not take them so."""
        wanted = self._address.images
        offered = {"raw": self._model.image is not None, "jpeg": self._model.jpeg is not None}
        offered["shared"] = offered["raw"] and SHARED_MEMORY in self._extensions
        if wanted == "auto":
            if self._address.is_here and offered["shared"]:
                return "shared"
            # On this machine a picture is copied faster than it is compressed.
            return "raw" if offered["raw"] and (self._address.is_here or not offered["jpeg"]) else "jpeg"
        if not offered[wanted]:
            there = ", ".join(name for name, is_there in offered.items() if is_there)
            raise DetectorContractError(f"the model {self._address} takes no pictures as {wanted}", hint=f"it takes: {there}")
        return wanted

    def _detect(self, image: NDArray[np.uint8], wish: Wish, timeout_s: float | None = None) -> Instances:
        refuse_other_than_rgb(image)
        height, width = image.shape[:2]
        size = self._model.fixed_size or (width, height)
        if size != (width, height):
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        limit_s = timeout_s or self._address.timeout_s
        with self._lock:
            try:
                response = self._patiently(limit_s, lambda: self._asked(image, wish, limit_s))
            finally:
                if self._closed.is_set():
                    self._connection.close()
        try:
            found = self._model.read(response.outputs, size, wish.score_threshold, wish.masks)
        except BadMessage as error:
            raise self._unfit(error) from error
        return found if size == (width, height) else found.scaled(width / size[0], height / size[1])

    def _asked(self, image: NDArray[np.uint8], wish: Wish, timeout_s: float) -> InferResponse:
        if self._clock() >= self._look_at:
            self._refuse_another()
        answer = self._connection.ask(image, wish, timeout_s)
        if self._connection.refusal and self._images == "shared":
            self._images = "raw"
            text = "%s takes no shared memory, pictures are sent to it: %s"
            log.warning(text, self._address, redact(self._connection.refusal))
        return answer

    def _patiently(self, limit_s: float, ask: Callable[[], T]) -> T:
        """What ``ask`` returns, asked again for as long as the patience lasts. Raises a ``DetectorError``."""
        failing_since: float | None = None
        again_at_once = self._connection.shares_memory
        while True:
            try:
                answer = ask()
            except Failure as failure:
                now = self._clock()
                self._look_at = now  # it may be another one that answers next
                if again_at_once and failure.kind in (Kind.BAD, Kind.NO_MODEL):
                    # It may have been started anew between two questions, and know nothing of the memory.
                    again_at_once = False
                    continue
                if failing_since is None:
                    failing_since = now
                away_s = now - failing_since
                if failure.kind not in _PASSING or away_s >= self._patience_s or self._closed.is_set():
                    raise self._raised(failure, limit_s) from failure
                if away_s == 0.0:
                    text = "%s does not answer, asking again for %.0f s: %s"
                    log.warning(text, self._address, self._patience_s, redact(str(failure)))
                self._closed.wait(_BACKOFF.delay_s(away_s, random.random))
            except BadMessage as error:
                raise self._unfit(error) from error
            else:
                if failing_since is not None:
                    log.warning("%s answers again", self._address)
                return answer

    def _unfit(self, error: BadMessage) -> DetectorContractError:
        return DetectorContractError(f"the model {self._address}: {redact(str(error))}")

    def _raised(self, failure: Failure, limit_s: float) -> DetectorError:
        """The error of streamer's for a failure."""
        where, text = str(self._address), redact(str(failure))
        if failure.kind is Kind.SLOW:
            hint = "a slow model needs more: …?timeout=60"
            return DetectorTimeout(f"the model {where} did not answer within {limit_s:g} s", hint=hint)
        if failure.kind is Kind.REFUSED:
            hint = "the token stands before the host, with an @ between them"
            if "certificate" in text:
                hint = "give …?cert=FILE&key=FILE" if text == NO_CERTIFICATE else "give …?ca=FILE"
            return DetectorUnavailable(f"the server {self._address.server} refuses: {text}", hint=hint)
        if failure.kind is Kind.NO_MODEL:
            return DetectorUnavailable(
                f"the server {self._address.server} has no model {self._address.model}: {text}", hint="check name and version"
            )
        if failure.kind is Kind.BUSY:
            return DetectorBusy(f"the server {self._address.server} is busy: {text}", hint="try again later")
        if failure.kind is Kind.AWAY:
            hint = "does it run there, with this protocol and with TLS or without?"
            if _ENDED_TLS in text and self._address.own_certificate is None:
                hint = "it may want a certificate of its clients: …?cert=FILE&key=FILE"
            return DetectorAway(f"the server {self._address.server} does not answer: {text}", hint=hint)
        return DetectorError(f"the model {where} failed: {text}", hint="see the server's log")
