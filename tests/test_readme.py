"""What the README shows works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import streamer
from streamer.cli.app import app
from tests.media import Clip

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``in.mp4`` in it, entered."""
    lamp = "drawbox=x=50:y=50:w=60:h=40:color=white:t=fill"
    Clip(size="320x240", seconds=0.4, filters=lamp).write(tmp_path / "in.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_detector_of_ten_lines_works(folder: Path) -> None:
    (block,) = [block for block in BLOCKS if block.startswith("# mine.py")]
    (folder / "mine.py").write_text(block)
    summary = streamer.annotate("in.mp4", "out.mp4", detector="mine:Bright")
    assert summary.frames_out == 10
    assert summary.instances == {"light": 10}


def test_the_examples_in_python_run(folder: Path) -> None:
    examples = [block for block in BLOCKS if block.startswith("import streamer")]
    assert len(examples) == 2
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})
    assert (folder / "out.mp4").exists()


@pytest.mark.slow
def test_the_notebook_runs_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    notebook = ROOT / "docs/examples/notebook.ipynb"
    command = [sys.executable, "-m", "tests.notebook_main", str(notebook)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "person" in done.stdout
    assert (tmp_path / "notebook.mp4").stat().st_size > 10_000


def test_every_file_that_it_links_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_option_that_it_names_exists() -> None:
    import typer.main

    command = typer.main.get_command(app)
    known = set()
    stack = [command]
    while stack:
        entry = stack.pop()
        known |= {name for parameter in entry.params for name in (*parameter.opts, *parameter.secondary_opts)}
        stack += getattr(entry, "commands", {}).values()
    lines = [line for line in README.splitlines() if line.startswith("    streamer ")]
    used = {option for line in lines for option in re.findall(r"(?<=\s)--[a-z-]+", line.partition("#")[0])}
    assert used
    assert used - known == set()
