"""``python -m benchmarks``: names, and the options of one benchmark."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "benchmarks", *arguments], capture_output=True, text=True, check=False)


def test_options_behind_a_name_are_those_of_the_benchmark() -> None:
    done = run("archive_kills", "--help")
    assert (done.returncode, "--kills KILLS" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["archive_kills", "privacy", "--kills", "1"], "--kills is an option of one benchmark"),
        (["--kills", "1"], "--kills is an option of one benchmark"),
        (["nothing", "--kills", "1"], "there is no benchmark nothing"),
    ],
)
def test_options_of_nobody_are_refused(arguments: list[str], told: str) -> None:
    done = run(*arguments)
    assert (done.returncode, told in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["zones", "line", "resources", "datasets"])
def test_an_option_that_a_benchmark_does_not_have_is_refused(name: str) -> None:
    done = run(name, "--nothing")
    assert (done.returncode, "--nothing" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


def test_help_names_the_benchmarks() -> None:
    done = run("--help")
    assert (done.returncode, "archive_kills" in done.stdout) == (0, True)
