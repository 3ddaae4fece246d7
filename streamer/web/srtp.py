"""libsrtp loaded so that TensorFlow does not break it: imported by ``peer.py`` before aiortc."""

from __future__ import annotations

import ctypes
import os
from importlib.util import find_spec
from pathlib import Path


def load_srtp() -> None:
    """Load pylibsrtp's library with its own OpenSSL, whatever the process has loaded before.

    TensorFlow opens its libraries for all to see, BoringSSL among them. pylibsrtp holds an OpenSSL under the same names;
    what is loaded after TensorFlow would be bound to BoringSSL, and the process dies of it at ``import pylibsrtp``. Bound to
    itself first (``RTLD_DEEPBIND``, glibc), the library stays so. Where there is no such flag (macOS, Windows, musl), names are
    not shared in this way, or nothing can be done.
    """
    deep = getattr(os, "RTLD_DEEPBIND", None)
    spec = find_spec("pylibsrtp")
    if deep is None or spec is None or not spec.submodule_search_locations:
        return
    for folder in spec.submodule_search_locations:
        for library in Path(folder).glob("_binding*.so"):
            ctypes.CDLL(str(library), mode=os.RTLD_NOW | deep)
