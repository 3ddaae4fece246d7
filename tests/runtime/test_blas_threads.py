"""What OpenBLAS is told."""

from __future__ import annotations

import os

import pytest

from streamer.runtime.blas_threads import sleep_when_idle


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "20")
    sleep_when_idle()
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == "20"
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT")
    sleep_when_idle()
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == "4"
