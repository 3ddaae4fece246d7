"""A network between two hosts on this machine, which tests can damage: a namespace behind a virtual cable."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest


def why_not() -> str:
    """Why no such network can be built here, with what to install; empty when it can."""
    missing = [package for command, package in (("ip", "iproute2"), ("nft", "nftables")) if shutil.which(command) is None]
    if missing:
        return f"no network namespaces; install: {' '.join(missing)}"
    if os.geteuid() != 0:
        return "network namespaces need root; run as root"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, timeout=10, check=False)
    return "" if probe.returncode == 0 else "this kernel or container allows no network namespaces; run where it does"


class Network:
    """``there`` is an address in the namespace; commands run in it with :attr:`prefix`."""

    def __init__(self, number: int) -> None:
        self.name = f"streamer{number}"
        self.here = f"10.213.{number % 256}.1"
        self.there = f"10.213.{number % 256}.2"
        self._cable = f"st{number}a", f"st{number}b"

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command to run it in the namespace."""
        return ("ip", "netns", "exec", self.name)

    def build(self) -> None:
        near, far = self._cable
        for command in (
            f"ip netns add {self.name}",
            f"ip link add {near} type veth peer name {far} netns {self.name}",
            f"ip addr add {self.here}/24 dev {near}",
            f"ip link set {near} up",
            f"ip -n {self.name} addr add {self.there}/24 dev {far}",
            f"ip -n {self.name} link set {far} up",
            f"ip -n {self.name} link set lo up",
            "nft add table inet damage",
            "nft add chain inet damage out { type filter hook output priority 0 ; }",
            "nft add chain inet damage in { type filter hook input priority 0 ; }",
        ):
            self._run(*(self.prefix if command.startswith("nft") else ()), *command.split())

    def blackhole(self) -> None:
        """From now on every packet vanishes, both ways."""
        for chain in ("out", "in"):
            self._run(*self.prefix, "nft", "add", "rule", "inet", "damage", chain, "drop")

    def lose(self, percent: int) -> None:
        """From now on so many of the UDP packets that leave the namespace vanish."""
        rule = f"meta l4proto udp numgen random mod 100 < {percent} drop"
        self._run(*self.prefix, "nft", "add", "rule", "inet", "damage", "out", *rule.split())

    def mend(self) -> None:
        """From now on nothing is lost."""
        self._run(*self.prefix, "nft", "flush", "table", "inet", "damage")

    def remove(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, timeout=10, check=False)
        subprocess.run(["ip", "link", "del", self._cable[0]], capture_output=True, timeout=10, check=False)

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@pytest.fixture
def network() -> Iterator[Network]:
    """A network that works, until told otherwise."""
    if reason := why_not():
        pytest.skip(reason)
    network = Network(os.getpid() % 60_000)
    try:
        network.build()
        yield network
    finally:
        network.remove()
