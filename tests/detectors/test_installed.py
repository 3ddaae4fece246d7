"""Detectors that installed packages bring: the example package, installed as a person does it, and packages that are broken."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.detectors.installed import installed
from streamer.detectors.registry import check_detector, load_detector
from streamer.errors import ConfigError

OPTIONS = ("-q", "--no-index", "--no-deps", "--no-build-isolation")
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "streamer-bright"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with the example in it; built from a copy, without network."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source")
    for path in EXAMPLE.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".toml", ".md"):
            copy = source / path.relative_to(EXAMPLE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *OPTIONS, "--target", str(folder), str(source)],
        check=True,
        timeout=120,
    )
    return folder


@pytest.fixture
def packages(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for more packages; it and that of the example are looked in."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(site), str(tmp_path)])
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("streamer_bright", None)


def declare(folder: Path, package: str, lines: str) -> None:
    about = folder / f"{package}-2.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\n")
    (about / "entry_points.txt").write_text(f"[streamer.detectors]\n{lines}\n")


@pytest.mark.usefixtures("packages")
def test_the_example_finds_a_lamp_by_its_name() -> None:
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[20:30, 40:60] = 255
    assert check_detector("bright") is None
    detector = load_detector("bright", score_threshold=0.5)
    found = detector.detect(picture)
    assert found.boxes_xyxy.tolist() == [[40, 20, 60, 30]]
    assert detector.labels == {0: "lamp"}
    assert found.masks is not None
    assert (found.masks > 0.5).all()


@pytest.mark.usefixtures("packages")
def test_it_is_listed_and_not_imported() -> None:
    result = CliRunner().invoke(app, ["models", "list"], env={"COLUMNS": "200"})
    assert "streamer_bright:detect of streamer-bright 1.0" in result.output
    assert "licence Apache-2.0" in result.output
    assert "streamer_bright" not in sys.modules


@pytest.mark.usefixtures("packages")
def test_a_name_that_is_nearly_right() -> None:
    with pytest.raises(ConfigError, match="did you mean bright\\?"):
        load_detector("brigth", score_threshold=0.5)


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("gone", "gone = not_there_at_all:Detector", "gone of broken 2.0 cannot be used: there is no module not_there_at_all"),
        ("bright", "bright = streamer_bright:other", "both declare it"),
        ("half", "half = streamer_bright", "which is no package.module:Class"),
    ],
)
def test_what_cannot_be_used_is_named(packages: Path, name: str, line: str, words: str) -> None:
    declare(packages, "broken", line)
    with pytest.raises(ConfigError) as raised:
        check_detector(name)
    assert words in str(raised.value) or "both declare it" in str(raised.value)
    assert (
        words.split(": ")[-1] in CliRunner().invoke(app, ["models", "list"], env={"COLUMNS": "300"}).output or name == "bright"
    )


def test_what_a_package_declares_may_lie_within_a_class(packages: Path) -> None:
    (packages / "nested.py").write_text(
        "class Family:\n"
        "    labels = {0: 'lamp'}\n"
        "    @staticmethod\n"
        "    def small(image):\n"
        "        return type('Found', (), {'xyxy': [[0, 0, 8, 6]]})\n"
    )
    declare(packages, "nested", "small = nested:Family.small")
    assert check_detector("small") is None
    for spec in ("small", "nested:Family.small"):
        assert len(load_detector(spec, score_threshold=0.5).detect(np.zeros((60, 80, 3), np.uint8))) == 1
    with pytest.raises(ConfigError, match=r"has no class Family\.large; did you mean nested:Family"):
        load_detector("nested:Family.large", score_threshold=0.5)
    sys.modules.pop("nested")


def test_a_package_takes_no_name_of_ours(packages: Path) -> None:
    declare(packages, "greedy", "nanodet = streamer_bright:detect")
    detector = load_detector("nanodet", score_threshold=0.5)
    assert detector.labels[1] == "person"
    detector.close()
    assert installed(frozenset(["nanodet"]))["nanodet"].wrong == "that name is streamer's own"


def test_a_package_takes_no_name_of_a_class(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(packages, "greedy", "mine:Own = streamer_bright:detect")
    assert installed()["mine:Own"].wrong == "a class is named like that"
    # Nobody has to look for it in each package.
    monkeypatch.setattr("streamer.detectors.installed.entry_points", None)
    with pytest.raises(ConfigError, match="mine"):
        load_detector("mine:Own", score_threshold=0.5)
