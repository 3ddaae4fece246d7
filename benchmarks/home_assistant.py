"""A real Home Assistant shows two cameras without YAML, and shows them again after every order of restarts.

    python3.13 -m venv hass && hass/bin/pip install homeassistant    # once: some minutes, 600 MB
    python -m benchmarks.home_assistant hass/bin/hass [--record FILE]

Starts mosquitto, two RTSP cameras, `streamer run` and Home Assistant, each with nothing but what is written here. Prints a line
for each thing that was seen, and ends with 1 at the first that was not. `--record` keeps the discovery messages as they came.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.blinking import encode
from tests.camera import Camera
from tests.events.broker import Mosquitto, free_port, subscribed

CONFIGURATION = """\
homeassistant: {{name: test, unit_system: metric, time_zone: UTC, latitude: 0, longitude: 0, elevation: 0}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
api:
config:
onboarding:
logger: {{default: warning}}
"""
WALL = """\
detector: tests.bright:Bright
mqtt: mqtt://127.0.0.1:{broker}
ha_discovery: true
defaults:
  events: {folder}/events
  event_classes: light
  event_min_duration: 0.2
  event_merge_after: 1
  transport: tcp
  zones:
    middle: {{polygon: [[0.2, 0.2], [0.8, 0.2], [0.8, 0.95], [0.2, 0.95]]}}
    corner: {{polygon: [[0.0, 0.0], [0.1, 0.0], [0.1, 0.1], [0.0, 0.1]]}}
cameras:
  gate: {{source: "{gate}"}}
  back yard: {{source: "{yard}"}}
"""
DEVICES = ("gate", "back_yard")
ENTITIES = (
    "binary_sensor.{}_occupancy",
    "binary_sensor.{}_light",
    "binary_sensor.{}_middle",
    "binary_sensor.{}_middle_light",
    "binary_sensor.{}_corner",
    "binary_sensor.{}_corner_light",
    "binary_sensor.{}_connection",
    "sensor.{}_objects",
    "image.{}_snapshot",
)
BLINKING = {
    "binary_sensor.{}_occupancy": ("on", "off"),
    "binary_sensor.{}_light": ("on", "off"),
    "binary_sensor.{}_middle": ("on", "off"),
    "binary_sensor.{}_middle_light": ("on", "off"),
    "sensor.{}_objects": ("1", "0"),
}
PATIENCE_S = 90.0


class HomeAssistant:
    """A headless Home Assistant that is asked by REST."""

    def __init__(self, program: Path, folder: Path, broker_port: int) -> None:
        self._program, self._folder, self._broker_port = program, folder, broker_port
        self.port = free_port()
        self._base = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""
        folder.mkdir()
        (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=self.port), encoding="utf-8")

    def start(self) -> None:
        new = not self._token
        # Its own packages are installed at the first start.
        command = [str(self._program), "-c", str(self._folder), *([] if new else ["--skip-pip"])]
        with (self._folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("Home Assistant answers", self._answers, 300.0)
        client = {"client_id": self._base + "/"}
        if new:
            said = {**client, "name": "o", "username": "o", "password": "opassword", "language": "en"}
            code = self.ask("/api/onboarding/users", said)["auth_code"]
        else:
            flow = self.ask(
                "/auth/login_flow", {**client, "handler": ["homeassistant", None], "redirect_uri": self._base + "/"}
            )
            said = {**client, "username": "o", "password": "opassword"}
            code = self.ask(f"/auth/login_flow/{flow['flow_id']}", said)["result"]
        form = urllib.parse.urlencode({**client, "grant_type": "authorization_code", "code": code}).encode()
        self._token = self.ask("/auth/token", form)["access_token"]
        if new:
            flow = self.ask("/api/config/config_entries/flow", {"handler": "mqtt", "show_advanced_options": False})
            broker = {"broker": "127.0.0.1", "port": self._broker_port}
            made = self.ask(f"/api/config/config_entries/flow/{flow['flow_id']}", broker)
            if made.get("type") != "create_entry":
                raise RuntimeError(f"Home Assistant does not take the broker: {made}")

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def ask(self, path: str, said: dict[str, Any] | bytes | None = None) -> Any:
        data = json.dumps(said).encode() if isinstance(said, dict) else said
        kind = "application/json" if isinstance(said, dict) else "application/x-www-form-urlencoded"
        return json.loads(self._fetch(path, data, kind))

    def states(self) -> dict[str, str]:
        return {each["entity_id"]: each["state"] for each in self.ask("/api/states")}

    def picture(self, entity: str) -> bytes:
        return self._fetch(f"/api/image_proxy/{entity}", None, "application/json")

    def _answers(self) -> bool:
        try:
            self._fetch("/auth/providers", None, "application/json")
        except urllib.error.HTTPError as answer:  # before there is a user
            answer.close()
        except OSError:
            return False
        return True

    def _fetch(self, path: str, data: bytes | None, kind: str) -> bytes:
        headers = {"Content-Type": kind, **({"Authorization": f"Bearer {self._token}"} if self._token else {})}
        with urllib.request.urlopen(urllib.request.Request(self._base + path, data, headers), timeout=60) as answer:
            return bytes(answer.read())


class Streamer:
    """`streamer run`, which can be killed."""

    def __init__(self, folder: Path, text: str) -> None:
        self._configuration, self._log = folder / "wall.yaml", folder / "streamer.log"
        self._configuration.write_text(text, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "streamer", "run", str(self._configuration)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(30)


def wait_for(what: str, true: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Print how long it took. Ends the program where it does not come true."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > patience_s:
            print(f"NOT SEEN within {patience_s:.0f} s: {what}", flush=True)
            sys.exit(1)
        time.sleep(0.1)
    print(f"{time.monotonic() - begun:6.1f} s  {what}", flush=True)


def check(hass: HomeAssistant, when: str, *, steadily: bool = False) -> None:
    """Everything is there, and follows what the cameras see; ``steadily``: without having been unavailable in between.

    What a broker kept that was killed together with streamer may be seen until streamer is connected to it again.
    """
    expected = {entity.format(device) for entity in ENTITIES for device in DEVICES}
    seen: dict[str, set[str]] = {}

    def look() -> dict[str, str]:
        states = {entity: state for entity, state in hass.states().items() if entity in expected}
        for entity, state in states.items():
            seen.setdefault(entity, set()).add(state)
        return states

    def alive() -> bool:
        states = look()
        return states.keys() == expected and not {"unavailable", "unknown"} & set(states.values())

    def blinks() -> bool:
        look()
        return all(set(two) <= seen[entity.format(device)] for entity, two in BLINKING.items() for device in DEVICES)

    def steady() -> bool:
        return not {"unavailable", "unknown"} & set().union(*seen.values())

    wait_for(f"{when}: all {len(expected)} entities have a state", alive)
    seen.clear()
    wait_for(f"{when}: the light comes and goes, in zones and counts", blinks)
    for device in DEVICES:
        wait_for(f"{when}: {device} is connected", lambda: hass.states()[f"binary_sensor.{device}_connection"] == "on")  # noqa: B023  # asked at once
        if steadily and not steady():
            sys.exit(f"states came and went again: {seen}")
        if seen[f"binary_sensor.{device}_corner"] - {"unavailable"} != {"off"}:
            sys.exit(f"the corner of {device} was {seen[f'binary_sensor.{device}_corner']}")
        if not hass.picture(f"image.{device}_snapshot").startswith(b"\xff\xd8"):
            sys.exit(f"the snapshot of {device} is no JPEG")


@contextmanager
def cameras(folder: Path) -> Iterator[list[Camera]]:
    """Two RTSP cameras with a light that goes on and off."""
    units = folder / "light.units"
    encode(units)
    made = []
    for name in DEVICES:
        (folder / name).mkdir()
        made.append(Camera(folder / name, video=units))
        made[-1].start()
    try:
        yield made
    finally:
        for camera in made:
            camera.stop()


def record(port: int, target: Path) -> None:
    """Keep the discovery messages that the broker holds."""
    with subscribed(port, "record") as subscriber:
        prefix = "homeassistant/device/"
        wait_for(
            "the discovery is kept", lambda: len({t for t, _, _ in subscriber.got if t.startswith(prefix)}) == len(DEVICES)
        )
        found = {topic: json.loads(body) for topic, body, _ in subscriber.got if topic.startswith(prefix)}
    target.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hass", type=Path, help="the program of Home Assistant")
    parser.add_argument("--record", type=Path, help="file for the discovery messages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with cameras(folder) as (gate, yard):
            broker = Mosquitto(folder)
            streamer = Streamer(folder, WALL.format(broker=broker.port, folder=folder, gate=gate.url, yard=yard.url))
            hass = HomeAssistant(options.hass, folder / "hass", broker.port)
            parts: dict[str, Any] = {"broker": broker, "streamer": streamer, "Home Assistant": hass}
            try:
                for part in parts.values():
                    part.start()
                check(hass, "from nothing")
                if options.record is not None:
                    record(broker.port, options.record)
                prove(folder, parts, gate)
            finally:
                for part in reversed(parts.values()):
                    part.kill()
                if keep := os.environ.get("KEEP_LOGS"):
                    shutil.copy(folder / "streamer.log", keep)
    print("all seen")


def prove(folder: Path, parts: dict[str, Any], gate: Camera) -> None:
    hass, broker, streamer = parts["Home Assistant"], parts["broker"], parts["streamer"]
    gate.stop()
    wait_for("a camera that is gone is disconnected", lambda: hass.states()["binary_sensor.gate_connection"] == "off")
    wait_for("and its other entities unavailable", lambda: hass.states()["sensor.gate_objects"] == "unavailable")
    gate.start()
    check(hass, "the camera is back")
    streamer.kill()
    wait_for("a killed process makes all unavailable", lambda: hass.states()["binary_sensor.gate_connection"] == "unavailable")
    streamer.start()
    check(hass, "the process is back", steadily=True)
    broker.kill()
    for kept in folder.glob("kept-*/*"):
        kept.unlink()
    broker.start()
    check(hass, "the broker has forgotten everything")
    for order in itertools.permutations(parts):
        for part in order:
            parts[part].kill()
            parts[part].start()
        check(hass, ", ".join(order))
    for order in itertools.permutations(parts):
        for part in parts.values():
            part.kill()
        for part in order:
            parts[part].start()
        check(hass, "all killed, then " + ", ".join(order))
    streamer.kill()
    wall = folder / "wall.yaml"
    lines = [line for line in wall.read_text(encoding="utf-8").splitlines() if "corner:" not in line]
    wall.write_text("\n".join(lines) + "\n", encoding="utf-8")
    streamer.start()
    wait_for("a zone that is no more leaves Home Assistant", lambda: not any("corner" in entity for entity in hass.states()))


if __name__ == "__main__":
    main()
