"""The head of a cluster that answers no more, without a cluster."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from streamer.cluster import head_watch
from streamer.cluster.head_watch import GONE_S, HeadWatch
from streamer.errors import ClusterUnavailable
from tests.waiting import wait_until


def test_a_head_that_answers_no_more_is_given_up_and_one_that_answers_again_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_watch, "_LOOK_S", 0.001)
    now, answers, asked = [0.0], threading.Event(), threading.Event()
    answers.set()

    def nodes() -> list[dict[str, bool]]:
        asked.set()
        answers.wait()
        return [{"Alive": True}, {"Alive": False}]

    with HeadWatch(SimpleNamespace(nodes=nodes), "start it again", clock=lambda: now[0]) as watch:
        answers.clear()
        asked.clear()
        wait_until(asked.is_set)
        now[0] = GONE_S
        assert watch.machines() == [{"Alive": True}]
        now[0] += 1.0
        with pytest.raises(ClusterUnavailable, match="has not answered for 31 s; start it again"):
            watch.machines()
        answers.set()
        wait_until(lambda: not _gone(watch))


def _gone(watch: HeadWatch) -> bool:
    try:
        watch.machines()
    except ClusterUnavailable:
        return True
    return False
