"""A Label Studio server takes ``golden/label-studio.json`` and ``.xml``, and gives the tasks back.

``python read_label_studio.py VIDEO DATA``; ``DATA`` is the server's own folder, made where it is not there: the first start
takes a minute or two, later ones seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from scene import HEIGHT, NAMES, PTS, SCORES, SIDE, WIDTH, scene

GOLDEN = Path(__file__).parent.parent / "golden"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
STARTS_WITHIN_S = 600
NEAR_PX = 0.01

Box = tuple[int, int | None, str, float]
"""Frame from 0, track, class, score."""


class Server:
    """A Label Studio of this machine."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"{self._address}/health", timeout=5):
                return True
        except OSError:
            return False

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """What it answers. Raises ``SystemExit`` with what it says where it refuses."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._address + path, content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            sys.exit(f"label-studio: {method} {path} was refused: {error.code} {error.read()[:500]!r}")


@contextmanager
def running(data: Path, files: Path) -> Iterator[Server]:
    """A server that hands out ``files``; it ends with the block."""
    data.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("label-studio"), "start", "--no-browser", "--data-dir", data, "-p", port]
    command += ["--internal-host", "127.0.0.1", "--username", "judge@example.com", "--password", "of-no-use-elsewhere"]
    command += ["--user-token", TOKEN, "--enable-legacy-api-token"]
    said = {
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(files),
        # Nothing leaves this machine.
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    log = data / "server.log"
    with log.open("w") as written:
        process = subprocess.Popen(
            list(map(str, command)), env=os.environ | said, stdin=subprocess.DEVNULL, stdout=written, stderr=written
        )
    try:
        server = Server(port)
        until = time.monotonic() + STARTS_WITHIN_S
        while not server.is_up():
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f"label-studio: the server does not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def boxes(regions: list[dict[str, Any]]) -> dict[Box, tuple[float, ...]]:
    """The rectangles of regions, in pixels: left, top, right, bottom."""
    found: dict[Box, tuple[float, ...]] = {}
    for region in regions:
        (name,) = region["value"]["labels"]
        for at in region["value"]["sequence"]:
            left, top = at["x"] * WIDTH / 100, at["y"] * HEIGHT / 100
            corners = left, top, left + at["width"] * WIDTH / 100, top + at["height"] * HEIGHT / 100
            found[at["frame"] - 1, region["meta"].get("track_id"), name, region["score"]] = corners
    return found


def judge(reader: str, read: Mapping[Box, tuple[float, ...]]) -> int:
    """Print one line; the number of objects that are not as they were written."""
    left = dict(read)
    wrong = []
    objects = 0
    for frame, (_, expected) in enumerate(scene()):
        for row, (class_id, track, (x, y), _) in enumerate(expected):
            objects += 1
            key = frame, track, NAMES[class_id], SCORES[row]
            box = left.pop(key, None)
            if box is None:
                wrong.append(f"{key} is missing")
            elif max(abs(a - b) for a, b in zip(box, (x, y, x + SIDE, y + SIDE), strict=True)) > NEAR_PX:
                wrong.append(f"{key} has another box: {box}")
    wrong += [f"{key} is not there" for key in left]
    print(f"{reader}: {objects - len(wrong)} of {objects} objects as they were written", *wrong, sep="\n  ")
    return len(wrong)


def main(video: Path, data: Path) -> int:
    """0 where all is as it was written."""
    with tempfile.TemporaryDirectory() as working, running(data.resolve(), Path(working).resolve()) as server:
        files = Path(working).resolve()
        (files / "data").mkdir()
        shutil.copy(video, files / "data" / "video.mp4")
        config = (GOLDEN / "label-studio.xml").read_text()
        project = json.loads(server.ask("POST", "/api/projects", {"title": "judge", "label_config": config}))["id"]
        try:
            place = {"project": project, "path": str(files / "data"), "use_blob_urls": True}
            server.ask("POST", "/api/storages/localfiles", place)
            tasks = json.loads((GOLDEN / "label-studio.json").read_text())
            server.ask("POST", f"/api/projects/{project}/import", tasks)
            told = json.loads(server.ask("GET", f"/api/predictions?project={project}"))
            (prediction,) = told if isinstance(told, list) else told["results"]
            wrong = judge("label-studio, predictions", boxes(prediction["result"]))
            # As a person does who takes them over: what is exported are annotations.
            server.ask("POST", f"/api/tasks/{prediction['task']}/annotations", {"result": prediction["result"]})
            (task,) = json.loads(server.ask("GET", f"/api/projects/{project}/export?exportType=JSON"))
            (annotation,) = task["annotations"]
            wrong += judge("label-studio, exported annotations", boxes(annotation["result"]))
            if annotation["result"] != tasks[0]["predictions"][0]["result"]:
                wrong += 1
                print("label-studio: the exported regions differ from those of the file")
            lengths = {region["value"]["framesCount"] for region in annotation["result"]}
            if lengths != {len(PTS)}:
                wrong += 1
                print(f"label-studio: it says that there are {lengths} frames, for {len(PTS)}")
            if server.ask("GET", task["data"]["video"]) != video.read_bytes():
                wrong += 1
                print("label-studio: the video is not handed out as it is")
        finally:
            server.ask("DELETE", f"/api/projects/{project}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
