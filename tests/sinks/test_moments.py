from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import SourceNotFound
from streamer.runtime.utc import iso_utc
from streamer.sinks import moments
from streamer.sinks.moments import lines_between

BEGAN = 1_767_225_600


def write(path: Path, times: list[int], *, width: int = 0, tail: str = "") -> None:
    lines = [
        {"type": "stream"},
        *({"type": "frame", "frame": at, "utc": iso_utc(BEGAN + at), "more": width * "x"} for at in times),
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + tail, encoding="utf-8")


@given(
    st.lists(st.integers(0, 500), max_size=60).map(sorted),
    st.integers(-5, 505),
    st.integers(-5, 505),
    st.sampled_from([0, 10, 300]),
    st.sampled_from(["", '{"type": "end"}\n', '{"type": "frame", "utc": "20', "not JSON\n", "[]\n", "null\n"]),
)
def test_the_lines_of_a_time_are_found_wherever_they_are(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], start: int, end: int, width: int, tail: str
) -> None:
    path = tmp_path_factory.mktemp("records") / "found.jsonl"
    write(path, times, width=width, tail=tail)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "_NEAR_BYTES", 100)  # so that also a small file is searched by halves
        found = [line["frame"] for line in lines_between(path, BEGAN + start, BEGAN + end)]
    assert found == [at for at in times if start <= at <= end]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"nothing\.jsonl"):
        list(lines_between(tmp_path / "nothing.jsonl", 0, 1))
