"""An object of streamer on a machine that may not have streamer, or has another version of it.

What Ray is given of this module it sends by value, so nothing else of streamer may be used here before it is known to be there.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

Refusal = tuple[str, str]
"""Ray's identifier of a machine that cannot be used, and why. No class of streamer, which could not be read there."""

SAME_VERSION = "install the same version of streamer on every machine"


def sent(ray: Any, what: Any) -> Any:
    """A function or class of this module as Ray's ``remote`` makes it, by value."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return ray.remote(what)


def refusal(version: str, module: str) -> Refusal | None:
    """Why the machine that this runs on cannot be used for ``module``; None where it can. ``version`` is the driver's."""
    import ray

    name = os.uname().nodename
    told = ""
    try:
        there = importlib.import_module("streamer._version").__version__
        if there == version:
            importlib.import_module(module)
        else:
            told = f"the machine {name} has streamer {there}, this is {version}"
    except Exception as error:  # noqa: BLE001  # a package that is only half there raises all kinds
        told = f"the machine {name} cannot load streamer: {' '.join(str(error).split())}"
    return (ray.get_runtime_context().get_node_id(), told) if told else None


class OnMachine:
    """A Ray actor around an object of a class of streamer."""

    def __init__(self, version: str, module: str, name: str, *arguments: Any) -> None:
        """``name`` is that of the class, and ``arguments`` are its own, of plain types."""
        self._refusal = refusal(version, module)
        self._object = None if self._refusal else getattr(importlib.import_module(module), name)(*arguments)

    def do(self, method: str, *arguments: Any) -> Any:
        """What the object's ``method`` returns, or the ``Refusal`` of the machine."""
        return self._refusal or getattr(self._object, method)(*arguments)

    def tell(self, method: str, *arguments: Any) -> Iterator[Any]:
        """What the object's ``method`` yields, or the ``Refusal`` of the machine."""
        if self._refusal:
            yield self._refusal
        else:
            yield from getattr(self._object, method)(*arguments)
