"""What the wall is judged by in a browser: the first picture, the delay to the canvas, what viewers cost.

    python -m benchmarks.web [delay first viewers] [--seconds 10]

A server in a process of its own shows a camera whose pictures hold a clock, 25 a second, a key frame each ten seconds; Chromium
plays it by each way, and the page's canvas is read back. ``delay``: milliseconds from the drawing of a picture (glass), and
from the hand-over of its packet (server), to the canvas. ``first``: from the click to the first picture. ``viewers``: processor
time of the server for each picture with 1 and 10 viewers that take everything and show nothing, and of encoding it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from typing import Any

import av

from benchmarks.measure import machine
from benchmarks.web_server import FPS, Server, serving
from benchmarks.web_viewers import viewers

SIZES = ((640, 360), (1280, 720))
WAYS = {
    "WebRTC, packets": ("packets", ""),
    "MSE, packets": ("packets", "delete window.RTCPeerConnection;"),
    "WebRTC, encoded": ("encoded", ""),
    "MSE, encoded": ("encoded", "delete window.RTCPeerConnection;"),
    "JPEG": ("encoded", "delete window.RTCPeerConnection; delete window.MediaSource;"),
}
PATIENT = "const wait = setTimeout; window.setTimeout = (what, ms) => wait(what, ms === 3000 ? 60000 : ms);"
READ = """async seconds => {
  const element = document.querySelector('#large canvas'), found = [], until = performance.now() + 1000 * seconds;
  const copy = new OffscreenCanvas(640, 1).getContext('2d', {willReadFrequently: true});
  let before = '';
  while (performance.now() < until) {
    await new Promise(requestAnimationFrame);
    const {pictureStamp} = element.dataset;
    if (!pictureStamp || pictureStamp === before) continue;
    before = pictureStamp;
    const at = performance.timeOrigin + performance.now(), size = Math.floor(element.width / 40);
    copy.drawImage(element, 0, element.height - Math.round(size / 2), element.width, 1, 0, 0, 640, 1);
    const row = copy.getImageData(0, 0, 640, 1).data;
    const lit = bit => row[4 * Math.floor((bit + 0.5) * size * 640 / element.width)] > 128;
    let shown = 0;
    for (let bit = 0; bit < 32; bit++) shown += lit(bit) * 2 ** bit;
    found.push([shown, at]);
  }
  return found;
}"""
FIRST = """async () => {
  const element = document.querySelector('#large canvas'), begun = performance.now();
  document.querySelector('#wall li .open').click();
  while (!element.dataset.pictureStamp) await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""


def opened(browser: Any, server: Server, way: str) -> Any:
    """The wall with one camera, in a context of its own."""
    camera, script = WAYS[way]
    page = browser.new_context().new_page()
    page.add_init_script(PATIENT + script)
    page.goto(server.url)
    page.get_by_role("button", name=f"{camera}, enlarge").wait_for()
    page.evaluate(
        "name => { for (const each of [...document.querySelectorAll('#wall li')])"
        " if (each.querySelector('h2').textContent !== name) each.remove(); }",
        camera,
    )
    return page


def spread(values: list[float]) -> str:
    """Median and 95th percentile."""
    if not values:
        return "nothing came"
    return f"{statistics.median(values):4.0f} / {sorted(values)[int(0.95 * (len(values) - 1))]:4.0f} ms"


def delay(browser: Any, seconds: float) -> None:
    """From glass, and from the server, to the canvas; median and 95th percentile."""
    for size in SIZES:
        with serving(size) as server:
            for way in WAYS:
                page = opened(browser, server, way)
                page.evaluate(FIRST)
                page.wait_for_timeout(2000)
                found = [(server.times[clock], at / 1e3) for clock, at in page.evaluate(READ, seconds) if clock in server.times]
                glass = [1e3 * (at - drawn) for (drawn, _), at in found]
                handed = [1e3 * (at - over) for (_, over), at in found]
                shown = len(found) / (FPS * seconds)
                print(
                    f"  {size[0]}x{size[1]} {way:16} glass to canvas {spread(glass)}, server to canvas {spread(handed)}, "
                    f"{shown:4.0%} of the pictures",
                    flush=True,
                )
                page.context.close()


def first(browser: Any, _seconds: float) -> None:
    """From the click to the first picture, in the middle of a group of pictures of ten seconds; median and worst of 7."""
    with serving(SIZES[1]) as server:
        for way in WAYS:
            took = []
            for _ in range(7):
                page = opened(browser, server, way)
                page.wait_for_timeout(1000)
                took.append(page.evaluate(FIRST))
                page.context.close()
            print(
                f"  first picture, 1280x720, {way:16} {statistics.median(took):5.0f} ms, worst {max(took):5.0f} ms", flush=True
            )


def main() -> None:
    """Run the named benchmarks, or all."""
    benchmarks = {f.__name__: f for f in (first, delay)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(benchmarks)}, viewers; all by default")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run")
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    print(machine(), f"PyAV {av.__version__}", flush=True)
    for name in arguments.names or (*benchmarks, "viewers"):
        if name == "viewers":  # asyncio cannot run beside playwright
            viewers(arguments.seconds)
            continue
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            benchmarks[name](browser, arguments.seconds)
            browser.close()


if __name__ == "__main__":
    main()
