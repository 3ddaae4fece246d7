"""Machines made of namespaces: each has its own network, processes and shared memory, and can be cut off, stopped or killed.

The rest of the file system is shared, as storage is in a cluster. Machine 0 is the head, 10.213.77.10; the others follow.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cluster.machines import OBJECT_STORE
from tests.network import why_not
from tests.waiting import wait_until

_JOIN_S = 180
DOCUMENTED = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}
"""What docs/scale.md tells to set."""
_INIT = """
mount --bind {ray} /tmp/ray; mount -t tmpfs -o size=1g shm /dev/shm; touch {ray}/up
while :; do sleep 1000 & wait; done
"""
"""The first process of a machine: what is left to it, it reaps. It ends when its input does, with all others."""


class Namespaces:
    """A bridge and the machines at it; :attr:`address` is what ``--ray`` is given."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._name = f"stray{os.getpid() % 60_000}"
        self._inits: dict[int, subprocess.Popen[bytes]] = {}
        self._pids: dict[int, int] = {}
        health = {f"RAY_{name}": str(value) for name, value in DOCUMENTED.items()}
        auth = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "RAY_memory_monitor_refresh_ms": "0",  # what else runs here may need the memory
        }
        self._environment = {**os.environ, **auth, **health, "PYTHONPATH": str(Path.cwd()), **environment}
        self.address = f"{self.ip(0)}:6379"
        self._run("ip", "netns", "add", self._name)
        self._switch("link", "add", "bridge", "type", "bridge")
        self._switch("link", "set", "bridge", "up")

    @staticmethod
    def ip(machine: int) -> str:
        return f"10.213.77.{10 + machine}"

    def boot(self, machine: int, cores: int) -> None:
        """Start a machine, and Ray on it; returns when it has joined."""
        own = f"{self._name}m{machine}"
        self._run("ip", "netns", "add", own)
        for command in (
            f"link add eth0 type veth peer name port{machine} netns {self._name}",
            f"addr add {self.ip(machine)}/24 dev eth0",
            "link set eth0 up",
            "link set lo up",
        ):
            self._run("ip", "-n", own, *command.split())
        self._switch("link", "set", f"port{machine}", "master", "bridge")
        self._switch("link", "set", f"port{machine}", "up")
        ray = self._folder / str(machine)
        ray.mkdir()
        Path("/tmp/ray").mkdir(exist_ok=True)
        unshare = ("unshare", "-m", "--pid", "--fork", "--kill-child", "--mount-proc")
        init = subprocess.Popen(
            ["ip", "netns", "exec", own, *unshare, "sh", "-c", _INIT.format(ray=ray)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._inits[machine] = init
        wait_until((ray / "up").exists)
        children = Path(f"/proc/{init.pid}/task/{init.pid}/children").read_text(encoding="ascii").split()
        self._pids[machine] = int(children[0])
        where = ["--head", "--port", "6379"] if machine == 0 else ["--address", self.address]
        light = ["--object-store-memory", str(OBJECT_STORE), "--disable-usage-stats", "--include-dashboard", "false"]
        start = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            *where,
            "--node-ip-address",
            self.ip(machine),
            "--num-cpus",
            str(cores),
        ]
        for tries_left in (1, 0):
            started = subprocess.run(
                self.command(machine, *start, *(light if machine == 0 else light[:3])),
                env={**self._environment, "MACHINE": str(machine)},
                capture_output=True,
                text=True,
                timeout=_JOIN_S,
                check=False,
            )
            if started.returncode == 0 or not tries_left:
                break
            # Ray gives its own processes 30 s to come up, which are too few beside other work.
            self._signal(machine, signal.SIGKILL)
        assert started.returncode == 0, started.stdout + started.stderr

    def command(self, machine: int, *command: str) -> list[str]:
        """What runs ``command`` on that machine."""
        return ["nsenter", "-t", str(self._pids[machine]), "-m", "-n", "-p", f"--wdns={Path.cwd()}", "--", *command]

    def start(self, machine: int, *command: str, log: Path) -> subprocess.Popen[str]:
        """Run ``command`` there."""
        with log.open("w", encoding="utf-8") as stderr:
            return subprocess.Popen(
                self.command(machine, *command), env=self._environment, stdout=subprocess.DEVNULL, stderr=stderr, text=True
            )

    def send_signal(self, process: subprocess.Popen[str], number: signal.Signals) -> None:
        """Send it to what :meth:`start` runs, which is a child of its process."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        os.kill(int(children[0]), number)

    def cut(self, machine: int) -> None:
        """Take its cable out."""
        self._switch("link", "set", f"port{machine}", "down")

    def mend(self, machine: int) -> None:
        """Put it back."""
        self._switch("link", "set", f"port{machine}", "up")

    def stop(self, machine: int) -> None:
        """Let none of its processes go on."""
        self._signal(machine, signal.SIGSTOP)

    def go_on(self, machine: int) -> None:
        self._signal(machine, signal.SIGCONT)

    def kill(self, machine: int) -> None:
        """As if its power went: the end of the first process ends all others."""
        os.kill(self._pids[machine], signal.SIGKILL)
        self._inits[machine].wait()

    def remove(self) -> None:
        for machine, init in self._inits.items():
            with suppress(ProcessLookupError):
                os.kill(self._pids[machine], signal.SIGKILL)
            init.kill()
            init.wait()
            subprocess.run(["ip", "netns", "del", f"{self._name}m{machine}"], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self._name], check=False, capture_output=True)

    def _signal(self, machine: int, number: signal.Signals) -> None:
        listed = subprocess.run(
            ["pgrep", "--ns", str(self._pids[machine]), "--nslist", "pid"], capture_output=True, text=True, check=True
        )
        for pid in map(int, listed.stdout.split()):
            if pid != self._pids[machine]:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _switch(self, *command: str) -> None:
        self._run("ip", "-n", self._name, *command)

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@contextmanager
def namespaces(folder: Path, environment: Mapping[str, str]) -> Iterator[Namespaces]:
    """Machines whose processes have ``environment``, with a head that does no work. Skips where there can be none."""
    if reason := why_not():
        pytest.skip(reason)
    made = Namespaces(folder, environment)
    try:
        made.boot(0, 0)
        yield made
    finally:
        made.remove()
