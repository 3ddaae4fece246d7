"""What every test lives under: no leaked thread, and no skip where everything is required."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from streamer import redact
from streamer.runtime import cuda

# Where everything is required the same examples are tried each time, so that what fails there was broken by what is checked.
# Elsewhere they are new ones in each run. There are no deadlines: on a busy machine an example may take any time.
settings.register_profile("local", deadline=None)
settings.register_profile("required", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("required" if os.environ.get("REQUIRE_ALL") == "1" else "local")

WITH_RAY = ("tests/cluster/", "tests/object_storage/")
"""Folders with tests that start a cluster."""
# Threads that libraries keep for the life of the process.
KEPT_BY_LIBRARIES = ("tf_", "ThreadPoolExecutor", "pydevd", "tqdm_monitor")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Models and times that tests keep are not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Fail a test that leaves a thread of ours running."""
    before = set(threading.enumerate())
    yield
    leaked = [
        thread for thread in threading.enumerate() if thread not in before and not thread.name.startswith(KEPT_BY_LIBRARIES)
    ]
    for thread in leaked:
        thread.join(5.0)
    alive = [thread.name for thread in leaked if thread.is_alive()]
    assert not alive, f"the test leaked threads: {alive}"


@pytest.fixture(autouse=True)
def no_remembered_secrets() -> Iterator[None]:
    """A secret of one test is a plain word in the next."""
    yield
    redact.forget()


class ByFile(LoadFileScheduling):  # type: ignore[misc]  # xdist publishes no types
    """Where tests run in several processes, those of a file run in one, as they share servers and models; and those that
    start a Ray cluster run in one, as two do not start at once on one machine."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "with Ray" if file.startswith(WITH_RAY) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """See ``ByFile``."""
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests for a GPU are left out where there is none, as no machine has to have one; those of minutes unless asked for."""
    left_out = [name for name, wanted in (("gpu", _has_gpu), ("minutes", _takes_minutes)) if not wanted()]
    dropped = [item for item in items if any(item.get_closest_marker(name) for name in left_out)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if not any(item.get_closest_marker(name) for name in left_out)]


def _has_gpu() -> bool:
    return not cuda.driver().problem


def _takes_minutes() -> bool:
    return os.environ.get("ALL_TESTS") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Under ``REQUIRE_ALL=1`` a skipped test is a failed one: what it needs has to be there."""
    report: pytest.TestReport = yield  # type: ignore[assignment]  # the hook's wrapper protocol is untyped
    if report.skipped and os.environ.get("REQUIRE_ALL") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped although REQUIRE_ALL=1: {item.nodeid}: {report.longrepr}"
    return report  # type: ignore[return-value]  # as above
