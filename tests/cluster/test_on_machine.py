"""Machines of a cluster on which streamer is missing or another one, on a real Ray cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from streamer._version import __version__
from streamer.cluster.on_machine import refusal
from streamer.cluster.placing import not_on
from tests.archive.test_run import results
from tests.cluster.machines import Machines, machines
from tests.media import ffmpeg

pytestmark = pytest.mark.timeout(600)
slow = pytest.mark.slow

WAIT_S = 240.0
MISSING = "No module named 'streamer'"


def test_a_machine_says_why_it_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    context = SimpleNamespace(get_node_id=lambda: "c0ffee")
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get_runtime_context=lambda: context))
    assert refusal(__version__, "streamer.cluster.worker") is None
    machine, other = refusal("0.0.0", "streamer.cluster.worker") or ("", "")
    assert machine == "c0ffee"
    assert other.endswith(f"has streamer {__version__}, this is 0.0.0")
    _, broken = refusal(__version__, "streamer.cluster.nowhere") or ("", "")
    assert broken.endswith("cannot load streamer: No module named 'streamer.cluster.nowhere'")


def test_machines_are_kept_away_from_by_their_names() -> None:
    assert not_on([]) is None
    assert not_on({"b", "a"}) == {"ray.io/node-id": "!in(a,b)"}


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of a machine that has no streamer."""
    folder = tmp_path_factory.mktemp("without")
    (folder / "streamer").mkdir()
    (folder / "streamer" / "__init__.py").write_text(f'raise ModuleNotFoundError("{MISSING}")', encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    for name in "abcdef":
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=1", folder / f"{name}.mp4")
    return folder


@contextmanager
def one_more(cluster: Machines, environment: Mapping[str, str]) -> Iterator[None]:
    """A machine of four cores."""
    machine = cluster.add(4, environment)
    try:
        yield
    finally:
        cluster.kill(machine)


def streamer(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run it in a folder in which no streamer is found."""
    command = [sys.executable, "-m", "streamer", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=WAIT_S)


@slow
def test_an_archive_is_done_by_the_machines_that_have_streamer(
    cluster: Machines, without: Mapping[str, str], tree: Path, tmp_path: Path
) -> None:
    annotate = ("annotate", tree, "--detector", "tests.bright:Bright")
    assert streamer(tmp_path, *annotate, "-o", tmp_path / "here").returncode == 0
    with one_more(cluster, without):
        done = streamer(tmp_path, *annotate, "-o", tmp_path / "there", "--ray", cluster.address)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(MISSING) == 1, done.stderr
    assert "a worker that is not used: the machine " in done.stderr
    assert "install the same version of streamer on every machine" in done.stderr
    assert results(tmp_path / "there") == results(tmp_path / "here")


@slow
def test_cameras_run_on_the_machines_that_have_streamer(
    cluster: Machines, without: Mapping[str, str], tree: Path, tmp_path: Path
) -> None:
    cameras = ", ".join(f"{name}: {{source: {tree}/{name}.mp4}}" for name in "abcd")
    (tmp_path / "fleet.yaml").write_text(
        f"detector: tests.bright:Bright\ndefaults: {{cores: 0.5, detections: '{tmp_path}/{{name}}.jsonl'}}\n"
        f"cameras: {{{cameras}}}\n",
        encoding="utf-8",
    )
    with one_more(cluster, without):
        done = streamer(tmp_path, "run", "fleet.yaml", "--ray", cluster.address)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(MISSING) == 1, done.stderr
    assert len(list(tmp_path.glob("*.jsonl"))) == 4


@slow
def test_where_no_machine_has_streamer_that_is_said_in_a_line(without: Mapping[str, str], tree: Path, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(
        f"detector: tests.bright:Bright\ncameras: {{gate: {{source: {tree}/a.mp4}}}}\n", encoding="utf-8"
    )
    annotate = ("annotate", tree, "-o", tmp_path / "out", "--detector", "tests.bright:Bright")
    with machines({}) as cluster:
        cluster.add(4, without)
        for command in (annotate, ("run", "fleet.yaml")):
            done = streamer(tmp_path, *command, "--ray", cluster.address)
            *_, line = done.stderr.splitlines()
            assert (done.returncode, MISSING in line, "Traceback" in done.stderr) == (1, True, False), done.stderr
    with machines({}, on_head=without) as cluster:
        done = streamer(tmp_path, "run", "fleet.yaml", "--ray", cluster.address)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "the head of the cluster keeps no fleet: the machine " in done.stderr
