"""Workers of a cluster without a cluster."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from streamer.cluster.workforce import RayWorkforce
from streamer.config.annotate import load_annotate_config


def test_while_nobody_is_there_to_be_heard_time_goes_by(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    ray = SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": {"CPU": 2.0}}])
    workforce = RayWorkforce(ray, load_annotate_config(None, {"input": "in", "output": "out"}), Path("manifest"), None, 1)
    assert workforce.hear([], 0.25) == []
    assert slept == [0.25]
    assert workforce.most() == 2
