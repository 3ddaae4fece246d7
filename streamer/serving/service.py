"""What is served: one model of the protocol, with a detector behind it."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future

from streamer._version import __version__
from streamer.errors import StreamerError, in_one_line
from streamer.instances import Instances
from streamer.kserve import contract
from streamer.kserve.contract import Told, Wish
from streamer.kserve.messages import SHARED_MEMORY, InferRequest, InferResponse, ModelMetadata, ServerMetadata
from streamer.kserve.tensors import BadMessage
from streamer.perception.selection import Choosy, Selection, detected
from streamer.redact import redact
from streamer.serving.failures import Busy, Failed, Unknown
from streamer.serving.pictures import picture_of
from streamer.serving.regions import Regions
from streamer.serving.work_queue import WorkQueue
from streamer.stages import Detector

log = logging.getLogger(__name__)

VERSION = "1"
MOST_WAITING = 32
"""Requests of all clients that wait; more are refused."""
MOST_OF_A_CLIENT = 4
"""Requests of one client that wait. A camera wants the newest frame: a long queue would only make answers old."""
OUTCOMES = ("answered", "bad", "busy", "failed", "left", "refused")
"""What becomes of requests; ``left``: nobody waited any longer, ``refused``: the token was missing or wrong."""


class ModelService:
    """Answers questions about one model, and to it. For any thread."""

    def __init__(
        self, name: str, detectors: Sequence[Detector], *, shared_memory: bool, load: Callable[[int], Detector] | None = None
    ) -> None:
        """``detectors`` are copies of one, and closed with it; ``load`` makes the one of that place, from 0, anew, warmed
        up, where it keeps failing. ``shared_memory``: whether clients are on this machine.
        """
        first = detectors[0]
        self.name = name
        self.detector_name = first.name
        self.requests: Counter[tuple[str, str]] = Counter({(by, of): 0 for by in ("grpc", "http") for of in OUTCOMES})
        """Requests by protocol and outcome."""
        self.instances = 0
        """Objects that were found."""
        self.queue: WorkQueue[Instances] = WorkQueue(
            detectors, most_waiting=MOST_WAITING, most_of_a_client=MOST_OF_A_CLIENT, load=load
        )
        self.regions = Regions()
        self.shares_memory = shared_memory
        self.server = ServerMetadata(
            name="streamer",
            version=__version__,
            extensions=("binary_tensor_data", *((SHARED_MEMORY,) if shared_memory else ())),
        )
        told = Told(
            labels=first.labels,
            default_classes=first.default_classes if isinstance(first, Choosy) else None,
            input_size=first.input_size,
        )
        self.model = ModelMetadata(
            name=name,
            versions=[VERSION],
            platform="streamer",
            inputs=contract.INPUTS,
            outputs=contract.OUTPUTS,
            properties=told.to_properties(),
        )
        self._lock = threading.Lock()

    def metadata(self, name: str, version: str = "") -> ModelMetadata:
        """Raises ``Unknown`` for another model than this."""
        if name != self.name:
            raise Unknown(f"there is no model {name[:80]!r}; there is {self.name!r}")
        if version not in ("", VERSION):
            raise Unknown(f"the model {name!r} has no version {version[:20]!r}; there is {VERSION}")
        return self.model

    def begin(self, client: str, request: InferRequest) -> Future[Instances]:
        """Put a request into the queue; cancelling the future takes it back.

        Raises ``Unknown``, ``Busy``, and ``BadMessage`` for what is no request to this model.
        """
        self.metadata(request.model, request.version)
        wish = Wish.from_parameters(request.parameters)
        picture = picture_of(request.inputs, self.regions)
        select = Selection(wish.score_threshold, wish.class_ids, wish.max_instances, wish.masks)

        def work(detector: Detector) -> Instances:
            height, width = picture.shape[:2]
            return select(detected(detector, picture, select).usable(width, height))

        return self.queue.submit(client, work)

    def answer(self, request: InferRequest, found: Instances) -> InferResponse:
        """The answer to a request. Raises ``BadMessage`` where it asks for outputs that there are not."""
        with self._lock:
            self.instances += len(found)
        outputs = contract.to_tensors(found, request.outputs)
        return InferResponse(model=self.name, version=VERSION, id=request.id, outputs=outputs)

    @property
    def problem(self) -> str:
        """Why it gives no answers, in words; empty while it does."""
        if (reason := self.queue.unfit_because) is not None:
            return f"the detector failed: {redact(in_one_line(reason))}"
        seconds = self.queue.stuck_s()
        return f"the detector has not answered for {seconds:.0f} s" if seconds else ""

    def note(self, protocol: str, outcome: str) -> None:
        """Count a request."""
        with self._lock:
            self.requests[protocol, outcome] += 1

    def close(self) -> None:
        """Let calls under way end, then close the detectors."""
        self.queue.close()
        self.regions.close()


def outcome_of(error: BaseException) -> tuple[str, BaseException]:
    """The outcome that an error of a request is, and what the client is told: a detector's failure in one line."""
    if isinstance(error, Busy):
        return "busy", error
    if isinstance(error, Unknown | BadMessage):
        return "bad", error
    if isinstance(error, CancelledError):
        return "left", error
    text = redact(in_one_line(error))
    log.error("the detector failed on a picture: %s", text)
    return "failed", Failed(text if isinstance(error, StreamerError) else "the detector failed; see the server's log")
