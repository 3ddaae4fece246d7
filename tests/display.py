"""The fixture of a virtual display: real windows, real keys, screenshots."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import Xlib.display
import Xlib.protocol.event
import Xlib.X

from streamer.frame import Plane
from tests.waiting import wait_until

PROGRAMS = {"Xvfb": "xvfb", "xdotool": "xdotool", "import": "imagemagick"}
"""What is needed, and the Debian package that it is in."""


def why_not() -> str:
    """Why no window can be shown here, with what to install; empty when it can."""
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    return f"no virtual display; install: {' '.join(missing)}" if missing else ""


class VirtualDisplay:
    """An X server without a screen."""

    def __init__(self) -> None:
        read_end, write_end = os.pipe()
        command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1280x720x24", "-nolisten", "tcp", "-noreset"]
        self._process = subprocess.Popen(command, pass_fds=[write_end], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write_end)
        self._said = os.fdopen(read_end)
        self.environ = {**os.environ, "DISPLAY": f":{self._said.readline().strip()}"}

    def window(self, title: str) -> str:
        """The id of the window with that title, once it is there."""
        found: list[str] = []

        def there() -> bool:
            said = self._run("xdotool", "search", "--onlyvisible", "--name", f"^{re.escape(title)}$", check=False)
            found[:] = said.split()
            return bool(found)

        wait_until(there, what=f"a window called {title!r}")
        return found[-1]

    def press(self, window: str, key: str) -> None:
        """A key, as a person would."""
        self._run("xdotool", "key", "--window", window, key)

    def press_close_button(self, window: str) -> None:
        """Ask the window to go, as the close button does (WM_DELETE_WINDOW)."""
        connection = Xlib.display.Display(self.environ["DISPLAY"])
        protocols, delete = connection.intern_atom("WM_PROTOCOLS"), connection.intern_atom("WM_DELETE_WINDOW")
        target = connection.create_resource_object("window", int(window))
        data = (32, [delete, Xlib.X.CurrentTime, 0, 0, 0])
        target.send_event(Xlib.protocol.event.ClientMessage(window=target, client_type=protocols, data=data), event_mask=0)
        connection.sync()  # closing at once may lose what was sent
        connection.close()

    def screenshot(self, folder: Path) -> Plane:
        """What is on the screen, BGR."""
        path = folder / "screen.png"
        self._run("import", "-window", "root", str(path))
        picture = cv2.imread(str(path))
        assert picture is not None
        return np.asarray(picture, np.uint8)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._said.close()

    def _run(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=30, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout


@pytest.fixture
def display() -> Iterator[VirtualDisplay]:
    """A virtual display of 1280x720 for one test."""
    if reason := why_not():
        pytest.skip(reason)
    shown = VirtualDisplay()
    yield shown
    shown.stop()
