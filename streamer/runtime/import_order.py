"""OpenCV is loaded before PyAV, else its window hangs.

Both wheels carry libraries of the X window system under the same names. Those of the one that is imported first serve both, and
OpenCV's window, given PyAV's, waits for ever in ``cv2.namedWindow`` (Linux only; the other way round all is well). Reported as
PyAV-Org/PyAV#978 and #1050, opencv/opencv#21952 and #29195. No module, and no user, should have to keep the order of two
imports in mind, so it is kept here: an ``import av`` after ``import streamer`` gets OpenCV first. Nothing is loaded before
PyAV is asked for.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


class _OpenCVFirst:
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002  # the signature is importlib's
        if fullname == "av":
            sys.meta_path.remove(self)
            importlib.import_module("cv2")
        return None


def keep() -> None:
    """See to it that an ``import av`` to come loads OpenCV before; does nothing where either is loaded already."""
    known = any(isinstance(finder, _OpenCVFirst) for finder in sys.meta_path)
    if not known and "av" not in sys.modules and "cv2" not in sys.modules:
        sys.meta_path.insert(0, _OpenCVFirst())


def screen_first() -> None:
    """The other way round, for capturing a screen: FFmpeg's ``x11grab`` ends the process where OpenCV's libraries serve.

    Has no effect where either is loaded already; then :func:`kept` tells which one can be had.
    """
    if "av" in sys.modules or "cv2" in sys.modules:
        return
    for finder in [finder for finder in sys.meta_path if isinstance(finder, _OpenCVFirst)]:
        sys.meta_path.remove(finder)
    importlib.import_module("av")


def kept() -> bool:
    """Whether a window of OpenCV can be shown: PyAV was not imported before it, or this is not Linux."""
    if not sys.platform.startswith("linux"):
        return True
    for name in sys.modules:  # in the order of import
        if name in ("cv2", "av"):
            return name == "cv2"
    return True
