"""Models of Kaggle by their handle, ``kaggle:OWNER/MODEL/FRAMEWORK/VARIATION[/VERSION]``, through kagglehub."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from streamer.detectors import hub_transfer
from streamer.detectors.handles import KAGGLE
from streamer.detectors.hub_archive import MODEL_FILE
from streamer.detectors.hub_transfer import reason
from streamer.errors import ConfigError, DetectorUnavailable

_HANDLE = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*){3}(?:/\d+)?", re.ASCII)


def check_handle(handle: str) -> None:
    """Raise ``ConfigError`` for a handle that cannot name a model of Kaggle."""
    if not _HANDLE.fullmatch(handle.removeprefix(KAGGLE)):
        raise ConfigError(
            f"the Kaggle handle {handle} has another form than kaggle:OWNER/MODEL/FRAMEWORK/VARIATION[/VERSION]",
            hint="such as kaggle:tensorflow/mask-rcnn-inception-resnet-v2/tensorFlow2/1024x1024/1",
        )


def fetch(handle: str, into: Path) -> Path:
    """Bring the model into the folder ``into``, which does not exist yet, and return the folder of the SavedModel in it.

    Raises ``DetectorUnavailable`` where kagglehub is missing or the model cannot be had.
    """
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")  # kagglehub's bars are for eyes
    try:
        import kagglehub

        _bound_waits()
    except ImportError as error:
        raise DetectorUnavailable(
            f"models of Kaggle need kagglehub, which cannot be imported: {error}", hint='pip install "streamer[kaggle]"'
        ) from error
    # It prints each file on stdout, which belongs to the command.
    logger = logging.getLogger("kagglehub")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.WARNING)
    try:
        # Not into kagglehub's own cache, which takes a cut file for whole where its mark of completion is there.
        kagglehub.model_download(handle.removeprefix(KAGGLE), output_dir=str(into), force_download=True)
    except Exception as error:
        # It raises a dozen unrelated types: its own, those of requests, ValueError for a framework that Kaggle does not know.
        raise DetectorUnavailable(_unreachable(error) or reason(error)) from error
    shutil.rmtree(into / ".complete", ignore_errors=True)  # its marks, where it leaves some
    models = [path.parent for path in into.rglob(MODEL_FILE)]
    if len(models) != 1:
        raise DetectorUnavailable(f"expected one {MODEL_FILE} in it, found {len(models)}")
    return models[0]


@cache
def _bound_waits() -> None:
    """Let kagglehub's calls end when a server is silent for ``hub_transfer.TIMEOUT_S``: they would wait for ever."""
    from kagglesdk import kaggle_client
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

    class BoundedAdapter(HTTPAdapter):
        def send(  # the signature of the class above
            self,
            request: PreparedRequest,
            stream: bool = False,
            timeout: Any = None,
            verify: Any = True,
            cert: Any = None,
            proxies: Any = None,
        ) -> Response:
            return super().send(request, stream, timeout or hub_transfer.TIMEOUT_S, verify, cert, proxies)

    class BoundedClient(kaggle_client.KaggleHttpClient):  # type: ignore[misc]  # it has no types
        """Neither library takes a timeout; each of kagglehub's clients is entered before it is used."""

        def __enter__(self) -> Any:
            entered = super().__enter__()
            for scheme in ("https://", "http://"):
                self._session.mount(scheme, BoundedAdapter())
            return entered

    kaggle_client.KaggleHttpClient = BoundedClient


def _unreachable(error: Exception) -> str:
    """Which server did not answer, where that is why; requests says it in three lines."""
    from requests import ConnectionError as NoConnection
    from requests import ReadTimeout, Timeout
    from urllib3.exceptions import ReadTimeoutError

    if not isinstance(error, NoConnection | Timeout):
        return ""
    silent = f"does not answer: silent for {hub_transfer.TIMEOUT_S:g} s"
    if error.request is None:
        # The body of an answer, of which requests does not say whose it is.
        return f"Kaggle {silent}" if isinstance(error.args[0], ReadTimeoutError) else ""
    host = urlsplit(str(error.request.url)).hostname
    return f"{host} {silent}" if isinstance(error, ReadTimeout) else f"{host} cannot be reached"
