"""Settings of ``serve``: a detector, and who may use it where."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from streamer.config.delivery import Secret
from streamer.config.fields import Endpoint, FilePath, Name, Names, Option, Settings, Share, Text, Unset
from streamer.config.shared import DetectorOptions, LogOptions
from streamer.config.validation import load
from streamer.errors import ConfigError
from streamer.runtime.secret_variable import filled_in


class ServeOptions(Settings):
    """Where a detector is served, and to whom."""

    panel: ClassVar[str] = "Server"

    address: Annotated[Endpoint | None, Unset("127.0.0.1:8001")] = "127.0.0.1:8001"
    """Serve gRPC there, ``none``: not at all; 127.0.0.1 where only a port is named. For others than this machine a token is
    needed: one that is made and told once, or ``token``."""
    http: Annotated[Endpoint | None, Unset("127.0.0.1:8000")] = "127.0.0.1:8000"
    """Serve HTTP there, with /metrics, /healthz and /status; ``none``: not at all."""
    model_name: Annotated[Name | None, Unset("after the detector")] = None
    """What clients call the model."""
    score_threshold: Annotated[Share | None, Unset("half of the detector's usual one")] = None
    """Least score of what is given out; clients may ask for more."""
    token: Annotated[Secret | None, Field(repr=False), Unset("made where one is needed")] = None
    """What clients have to know; better from the environment, as `${NAME}`."""
    hosts: Annotated[Names, Unset("none", by_none=False)] = None
    """Further names by which clients find the server by HTTP, such as that of a proxy."""
    tls_cert: Annotated[FilePath | None, Unset("none")] = None
    """File of the certificate, with those that lead to a trusted one: the server speaks TLS."""
    tls_key: Annotated[FilePath | None, Unset("none")] = None
    """File of its key."""


class ServeConfig(ServeOptions, DetectorOptions, LogOptions):
    """Everything that ``streamer serve`` can be told."""

    detector: Annotated[Text, Option(argument=True), Field(repr=False)]
    """What is served: anything that ``--detector`` of ``annotate`` takes."""

    @property
    def served_as(self) -> str:
        """What clients call the model."""
        if self.model_name is not None:
            return self.model_name
        name = self.detector.rstrip("/")
        if "/" in name or ("." in name and ":" not in name):
            name = name.rpartition("/")[2].rpartition(".")[0] or name.rpartition("/")[2]
        return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "model"

    def check_server(self) -> None:
        """Raise ``ConfigError`` for what cannot be served."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("tls_cert and tls_key go together", hint="name both files, or neither")
        if self.address is None and self.http is None:
            raise ConfigError("it is served neither by gRPC nor by HTTP", hint="name address or http")


def load_serve_config(
    path: str | os.PathLike[str] | None, overrides: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> ServeConfig:
    """Settings of ``streamer serve`` from a YAML file (or none) and ``overrides``, which win unless they are None.

    ``${VAR}`` comes from the environment, in the file and as the token. Raises ``ConfigError`` that names file and line, or
    the option.
    """
    token = overrides.get("token")
    filled = {**overrides, "token": filled_in(token, environ)} if isinstance(token, str) else overrides
    return load(ServeConfig, path, filled, environ)
