"""What is said of GPUs; the GPUs are made up."""

from __future__ import annotations

import pytest

from streamer.doctor import gpu
from streamer.doctor.finding import Verdict
from streamer.runtime import cuda

BUILD = cuda.Build("2.21.0", "12.5.1", "9", ("sm_80", "compute_90"))
OLD = cuda.Gpu("Old", (6, 1))
NEW = cuda.Gpu("New", (9, 0))


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "driver", lambda: cuda.Driver(cuda="12.8", gpus=(OLD, NEW)))
    monkeypatch.setattr(cuda, "tensorflow_build", lambda: BUILD)


def test_the_driver_names_its_gpus() -> None:
    (finding,) = gpu.driver()
    assert finding.verdict is Verdict.OK
    assert finding.text == "CUDA up to 12.8: Old (compute capability 6.1), New (compute capability 9.0)"


@pytest.mark.parametrize(("cards", "verdict"), [(0, Verdict.MISSING), (1, Verdict.BROKEN)])
def test_a_card_without_its_driver_is_broken(cards: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "driver", lambda: cuda.Driver(problem="libcuda.so.1 is not here"))
    monkeypatch.setattr(cuda, "nvidia_cards", lambda: cards)
    (finding,) = gpu.driver()
    assert (finding.verdict, finding.fatal) == (verdict, False)


@pytest.mark.parametrize(
    ("here", "verdict"),
    [
        (cuda.Libraries(("libcudart.so.12", "libcudnn.so.9")), Verdict.OK),
        (cuda.Libraries(("libcudart.so.12",), ("libcudnn.so.9",)), Verdict.BROKEN),
        (cuda.Libraries((), ("libcudart.so.12", "libcudnn.so.9")), Verdict.MISSING),
    ],
)
def test_libraries_that_are_not_here_are_named(here: cuda.Libraries, verdict: Verdict) -> None:
    (finding,) = gpu.libraries(BUILD, here)
    assert finding.verdict is verdict
    assert all(name in finding.text for name in here.missing)
    assert finding.remedy == ("" if verdict is Verdict.OK else 'pip install "streamer[gpu]"')


def test_each_gpu_needs_code_for_itself() -> None:
    old, new = gpu.architecture()
    assert (old.verdict, new.verdict) == (Verdict.BROKEN, Verdict.OK)
    assert "6.1" in old.text
