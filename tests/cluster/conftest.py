"""One cluster for all tests of this folder: starting it takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.machines import Machines, machines


@pytest.fixture(scope="package")
def go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that lets ``Waiting`` go on."""
    return tmp_path_factory.mktemp("go") / "go"


@pytest.fixture(scope="package")
def stamped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that ``Stamping`` writes to."""
    return tmp_path_factory.mktemp("stamps") / "stamps"


@pytest.fixture(scope="package")
def cluster(go: Path, stamped: Path) -> Iterator[Machines]:
    """A head, and one machine of two cores."""
    with machines({"GO": str(go), "STAMPS": str(stamped)}) as running:
        running.add(2)
        yield running
