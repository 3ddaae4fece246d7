"""What a cluster is asked and told, without one."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from unittest import mock

import pytest

from streamer.cluster.connection import connected
from streamer.errors import ClusterUnavailable


@pytest.mark.parametrize("address", ["..:6379", f"{'a' * 70}.example:6379", "head\0:6379", "127.0.0.1:99999"])
def test_what_is_no_address_of_a_machine_is_refused_in_a_line(address: str) -> None:
    with mock.patch.dict(os.environ), pytest.raises(ClusterUnavailable, match="nothing answers at"), connected(address):
        pass


def test_the_address_in_the_environment_is_asked_first_as_one_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with (
        mock.patch.dict(os.environ),
        pytest.raises(ClusterUnavailable, match="nothing answers at 127"),
        connected("auto"),
    ):
        pass


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        ("RPC error ... ray.exceptions.AuthenticationError: InvalidAuthToken", "asks for another token than this process has"),
        ("No node info found matching attributes: '' when trying to resolve", "this machine does not belong to it; ray start"),
        ("timed out", "cannot be joined: ConnectionError: Failed to connect; give the address"),
    ],
)
def test_why_a_cluster_cannot_be_joined_is_told(monkeypatch: pytest.MonkeyPatch, cause: str, told: str) -> None:
    def init(**_: object) -> None:
        raise ConnectionError("Failed to connect") from RuntimeError(cause)

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init, shutdown=lambda: None))
    with mock.patch.dict(os.environ), pytest.raises(ClusterUnavailable, match=told), connected("auto"):
        pass


def test_what_ray_prints_in_weeks_is_not_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=lambda **_: None, shutdown=lambda: None))
    with mock.patch.dict(os.environ), connected("local"):
        print("a worker died")  # as Ray does
        with pytest.raises(OSError, match="not readable"):
            sys.stdout.read()
    assert capsys.readouterr().out == ""
