"""The pool with workers that are only played."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from streamer.archive.annotation_task import AnnotationTask
from streamer.archive.manifest import Manifest
from streamer.archive.messages import Failed, Finished, Gone, Message, NotHere, Ready, Unusable
from streamer.archive.pool import Job, Pool
from streamer.archive.run import work_on_archive
from streamer.archive.task import Work
from streamer.config.annotate import load_annotate_config
from streamer.errors import ConfigError, DetectorUnavailable, OutputWriteFailed, StreamerError

WORK = Work(AnnotationTask(load_annotate_config(None, {"input": "in.mp4"})))


@dataclass(eq=False)
class Player:
    """Says its lines, one at a time; after the first one, each is an answer to a recording."""

    lines: deque[Message]
    asked: int = 1

    def send(self, _: Work[Any]) -> None:
        self.asked += 1


@dataclass
class Cast:
    """Workers that play ``parts``, one part each, in the order in which they are started."""

    parts: deque[list[Message]]
    most_: int = 2
    ended: list[Player] = field(default_factory=list)

    def most(self, unused: int) -> int:
        return self.most_ - unused

    def start(self) -> Player:
        return Player(deque(self.parts.popleft()))

    def hear(self, workers: Sequence[Player], timeout_s: float) -> list[tuple[Player, Message]]:
        assert timeout_s > 0
        heard: list[tuple[Player, Message]] = []
        for worker in workers:
            if worker.asked and worker.lines:
                worker.asked -= 1
                heard.append((worker, worker.lines.popleft()))
                # What follows is its end, and nobody asks for that.
                worker.asked += isinstance(heard[-1][1], Unusable)
        return heard

    def end(self, workers: Sequence[Player]) -> Sequence[Player]:
        self.ended += workers
        return workers


DONE = Finished(1, (), ())
LOST = Gone("was lost with its machine", by_work=False)
DIED = Gone("was killed")
AWAY = Unusable(ConfigError("the machine does not see OUTPUT"), of_machine=True)
HIDDEN = NotHere("the machine x", "the machine x does not see a")
BROKEN = Unusable(DetectorUnavailable("no device"))


def played(names: str, *parts: list[Message], most: int = 2) -> tuple[dict[str, Finished | Failed], list[str], list[bool]]:
    """What became of the recordings, what was told of workers that cannot be used, and which recordings' ends were certain."""
    ends: dict[str, Finished | Failed] = {}
    told: list[str] = []
    certain: list[bool] = []

    def unusable(error: StreamerError) -> None:
        told.append(str(error))

    pool = Pool(
        Cast(deque(parts), most),
        deque(Job(name, WORK) for name in names),
        on_begin=lambda _: None,
        on_end=lambda job, answer: ends.update({job.name: answer}),
        on_change=lambda: None,
        clean_up=lambda _, ended: certain.append(ended),
        on_unusable=unusable,
    )
    pool.run()
    return ends, told, certain


def test_a_lost_machine_is_not_held_against_the_recording() -> None:
    ends, _, certain = played("a", [Ready(), LOST], [Ready(), LOST], [Ready(), DIED], [Ready(), DONE], most=1)
    assert ends == {"a": DONE}
    assert certain == [False, False, True]


def test_a_recording_that_takes_machines_along_is_given_up() -> None:
    lost: list[list[Message]] = [[Ready(), LOST] for _ in range(5)]
    ends, _, _ = played("ab", *lost, [Ready(), DONE], most=1)
    assert ends == {"a": Failed("the process that worked on it was lost with its machine, the last of 5 times"), "b": DONE}


def test_a_recording_at_which_two_workers_die_is_given_up() -> None:
    ends, _, _ = played("ab", [Ready(), DIED], [Ready(), DIED], [Ready(), DONE], most=1)
    assert ends == {"a": Failed("the process that worked on it was killed, twice"), "b": DONE}


def test_a_worker_that_cannot_be_used_stays_idle_while_others_work() -> None:
    ends, told, _ = played("abc", [Ready(), DONE, DONE, DONE], [AWAY])
    assert ends == {"a": DONE, "b": DONE, "c": DONE}
    assert told == ["the machine does not see OUTPUT"]


def test_a_machine_that_answers_first_does_not_end_what_others_may_do() -> None:
    ends, told, _ = played("abc", [AWAY], [Ready(), DONE, DONE, DONE])
    assert ends == {"a": DONE, "b": DONE, "c": DONE}
    assert told == ["the machine does not see OUTPUT"]
    # There is work for one only: it is another one's.
    ends, _, _ = played("a", [AWAY], [Ready(), DONE])
    assert ends == {"a": DONE}


def test_a_detector_that_cannot_be_used_ends_the_run_at_once() -> None:
    with pytest.raises(DetectorUnavailable, match="no device"):
        played("abc", [BROKEN], [Ready(), DONE, DONE, DONE])


def test_nothing_is_started_in_place_of_a_worker_that_cannot_be_used() -> None:
    ends, told, _ = played("abcdef", [Ready(), *[DONE] * 6], [BROKEN, Gone("ended with exit code 0")])
    assert set(ends) == set("abcdef")
    assert told == ["no device"]


def test_workers_that_die_loading_end_nothing_that_others_work_on() -> None:
    ends, told, _ = played("abcdef", [Ready(), *[DONE] * 6], [DIED], [DIED])
    assert set(ends) == set("abcdef")
    assert told == ["the process that loads the detector was killed; see above, or free memory"]


def test_where_none_can_be_used_the_run_ends() -> None:
    with pytest.raises(ConfigError, match="does not see"):
        played("abc", [AWAY], [AWAY])
    # The last one that worked is gone.
    with pytest.raises(ConfigError, match="does not see"):
        played("abc", [Ready(), DIED], [AWAY], [AWAY])


def test_a_recording_whose_begin_cannot_be_noted_is_not_begun_and_the_others_are() -> None:
    ends: dict[str, Finished | Failed] = {}

    def begin(job: Job) -> None:
        if job.name == "a":
            raise OutputWriteFailed("the disk is full")

    pool = Pool(
        Cast(deque([[Ready(), DONE]]), 1),
        deque(Job(name, WORK) for name in "ab"),
        on_begin=begin,
        on_end=lambda job, answer: ends.update({job.name: answer}),
        on_change=lambda: None,
        clean_up=lambda *_: None,
    )
    pool.run()
    assert ends == {"a": Failed("the disk is full"), "b": DONE}


def test_a_machine_that_loses_its_storage_gives_back_its_recording() -> None:
    ends, told, certain = played("abc", [Ready(), AWAY], [Ready(), DONE, DONE, DONE])
    assert ends == {"a": DONE, "b": DONE, "c": DONE}
    assert (told, certain) == (["the machine does not see OUTPUT"], [True])


def test_as_many_work_as_were_asked_for_where_others_cannot_be_used() -> None:
    class Asked(Cast):
        """Of four there is room for, one is wanted."""

        def most(self, unused: int) -> int:
            return min(1, 4 - unused)

    ends: dict[str, Finished | Failed] = {}
    pool = Pool(
        Asked(deque([[AWAY], [AWAY], [Ready(), DONE]])),
        deque([Job("a", WORK)]),
        on_begin=lambda _: None,
        on_end=lambda job, answer: ends.update({job.name: answer}),
        on_change=lambda: None,
        clean_up=lambda _, __: None,
    )
    pool.run()
    assert ends == {"a": DONE}


def test_what_one_machine_does_not_see_another_does() -> None:
    ends, told, _ = played("ab", [Ready(), HIDDEN], [Ready(), DONE, DONE])
    assert (ends, told) == ({"a": DONE, "b": DONE}, [])
    # There is work for one: for this recording another is started.
    ends, _, _ = played("a", [Ready(), HIDDEN], [Ready(), DONE])
    assert ends == {"a": DONE}


def test_what_no_machine_sees_fails_and_names_them() -> None:
    other = NotHere("the machine y", "the machine y does not see a")
    ends, _, _ = played("a", [Ready(), HIDDEN], [Ready(), other])
    assert ends == {"a": Failed("the machine x does not see a; the machine y does not see a")}


def test_what_a_machine_does_not_see_waits_two_minutes_for_another() -> None:
    ends: dict[str, Finished | Failed] = {}
    now = 0.0

    def tick() -> None:
        nonlocal now
        now += 50.0

    pool = Pool(
        Cast(deque([[Ready(), HIDDEN], []])),
        deque([Job("a", WORK)]),
        on_begin=lambda _: None,
        on_end=lambda job, answer: ends.update({job.name: answer}),
        on_change=tick,
        clean_up=lambda _, __: None,
        clock=lambda: now,
    )
    pool.run()
    assert (ends, now) == ({"a": Failed("the machine x does not see a")}, 250.0)


def test_machines_that_go_while_the_detector_is_loaded_say_nothing_of_it() -> None:
    ends, _, _ = played("a", [LOST], [LOST], [LOST], [Ready(), DONE], most=1)
    assert ends == {"a": DONE}
    with pytest.raises(DetectorUnavailable, match="was killed"):
        played("a", [DIED], [DIED], most=1)


def test_what_a_lost_machine_has_left_of_a_recording_is_removed_when_that_is_done(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(b"video")
    left, others = (tmp_path / "out" / name for name in (".a.partial-0123abcd.mp4", ".b.partial-0123abcd.mp4"))

    class Leaving(Cast):
        def start(self) -> Player:
            if len(self.parts) == 1:
                left.write_bytes(b"some")
                others.write_bytes(b"some")
            return super().start()

    settings = load_annotate_config(None, {"input": str(tmp_path / "in"), "output": str(tmp_path / "out")})
    cast = Leaving(deque([[Ready(), LOST], [Ready(), DONE]]), most_=1)
    status = work_on_archive(AnnotationTask(settings), employ=lambda *_: nullcontext(cast))
    assert (status.done, status.failed) == (1, [])
    assert not left.exists()
    assert others.exists()


def test_what_was_begun_of_a_recording_that_has_another_name_now_is_removed(tmp_path: Path) -> None:
    settings = load_annotate_config(None, {"input": str(tmp_path / "in"), "output": str(tmp_path / "out"), "resume": True})
    task = AnnotationTask(settings)
    with Manifest(tmp_path / "out", task) as manifest:
        manifest.begun("sub/b.mp4")
        manifest.begun("done.mp4")
        manifest.done("done.mp4", "print", [], 5)
        journal = manifest.journal("sub/b.mp4")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(b"video")
    left, others = tmp_path / "out" / "sub" / ".b.partial-0123abcd.mp4", tmp_path / "out" / "sub" / ".c.partial-0123abcd.mp4"
    for file in (left, others, journal):
        file.parent.mkdir(exist_ok=True)
        file.touch()
    work_on_archive(task, employ=lambda *_: nullcontext(Cast(deque([[Ready(), DONE]]), most_=1)))
    assert not left.exists()
    assert others.exists()
    assert journal.exists(), "under its old name, or by another pattern, it may be asked for again"
