"""A Ray cluster on this machine: a head that does no work, and nodes that can be killed like machines."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

OBJECT_STORE = 80 << 20
_TOKEN = secrets.token_hex(32)
"""Of all clusters of this process: Ray reads it once."""
QUICK = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 5000,
    "health_check_failure_threshold": 3,
}
"""A machine that is gone is noticed soon; one that only is slow, as with many tests side by side, is none that is gone."""


class Machines:
    """The cluster; :attr:`address` is what ``--ray`` is given."""

    def __init__(self, on_head: Mapping[str, str]) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": OBJECT_STORE, "include_dashboard": False, "_system_config": QUICK}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args={**head, "env_vars": dict(on_head)})
        self.address = str(self._cluster.address)
        self.logs = Path(self._cluster.head_node.get_logs_dir_path())
        """Where all processes of the cluster write their logs."""

    def add(self, cores: int, environment: Mapping[str, str] | None = None) -> Any:
        """A machine with so many cores; ``environment`` is added to that of its processes."""
        return self._cluster.add_node(num_cpus=cores, object_store_memory=OBJECT_STORE, env_vars=dict(environment or {}))

    def kill(self, machine: Any) -> None:
        """As if its power went."""
        self._cluster.remove_node(machine, allow_graceful=False)

    def stop(self) -> None:
        self._cluster.shutdown()


@contextmanager
def machines(environment: Mapping[str, str], on_head: Mapping[str, str] | None = None) -> Iterator[Machines]:
    """A cluster whose processes have ``environment``, as this one has meanwhile; those of the head have ``on_head`` besides."""
    with pytest.MonkeyPatch.context() as patch:
        known = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": _TOKEN,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "RAY_memory_monitor_refresh_ms": "0",  # what else runs here may need the memory
        }
        for name, value in {**known, "PYTHONPATH": str(Path.cwd()), **environment}.items():
            patch.setenv(name, value)
        running = Machines(on_head or {})
        try:
            yield running
        finally:
            running.stop()
