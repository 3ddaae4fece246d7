"""Makes the picture of the wall in docs/web.md anew: ``python -m benchmarks.wall_picture``. Look at it then. Needs Chromium."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.measure import SAMPLES

PICTURE = Path(__file__).parent.parent / "docs" / "wall.jpg"
CAMERAS = {"car-park": "pedestrians.mp4", "street": "bikes.mp4", "table": "bottles.mp4"}
SETTLE_S = 6.0
"""What rates and masks need until they are what they stay."""


def main() -> None:
    lines = [f"  {name}: {{source: '{SAMPLES / file}', live: true, loop: true}}" for name, file in CAMERAS.items()]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "wall.yaml"
        file.write_text("\n".join(["web: 0", "cameras:", *lines]), encoding="utf-8")
        run = subprocess.Popen([sys.executable, "-m", "streamer", "run", str(file)], stderr=subprocess.PIPE, text=True)
        try:
            assert run.stderr is not None
            found = None
            while found is None:
                found = re.search(r"cameras at (\S+)", run.stderr.readline())
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1200, "height": 400}, color_scheme="dark")
            page.goto(found[1])
            page.wait_for_selector("#wall li:nth-child(3) canvas[data-number]", timeout=60_000)
            time.sleep(SETTLE_S)
            page.screenshot(path=PICTURE, type="jpeg", quality=80)
        finally:
            run.terminate()
            run.wait(20)


if __name__ == "__main__":
    main()
