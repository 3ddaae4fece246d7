"""What is known of a GPU without importing TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.runtime import cuda

INFO = "import collections\nbuild_info = collections.OrderedDict({})\n"


def built(folder: Path, content: str) -> cuda.Build:
    (folder / "python/platform").mkdir(parents=True)
    (folder / "python/platform/build_info.py").write_text(content)
    build = cuda.tensorflow_build(folder)
    assert build is not None
    return build


def test_the_build_of_tensorflow_is_read_from_its_files(tmp_path: Path) -> None:
    made_for = [("cuda_compute_capabilities", ["sm_80"]), ("cuda_version", "12.5.1"), ("cudnn_version", "9")]
    build = built(tmp_path, INFO.format([*made_for, ("is_cuda_build", True)]))
    assert (build.cuda, build.cudnn, build.capabilities, build.problem) == ("12.5.1", "9", ("sm_80",), "")


@pytest.mark.parametrize("content", ["", "build_info = {", "build_info = dict(1)", INFO.format("[('is_cuda_build', True)]")])
def test_a_build_that_cannot_be_read_is_said_to_be(tmp_path: Path, content: str) -> None:
    assert built(tmp_path, content).problem


def test_the_installed_tensorflow_is_found() -> None:
    build = cuda.tensorflow_build()
    assert build is not None
    assert not build.problem
    assert build.version[0].isdigit()


@pytest.mark.parametrize(
    ("capabilities", "runs"),
    [
        (("sm_80",), True),
        (("sm_89",), False),
        (("sm_70",), False),
        (("compute_70",), True),
        (("compute_90",), False),
        (("nonsense",), False),
    ],
)
def test_code_runs_on_its_own_family_and_what_is_compiled_there_on_later_ones(
    capabilities: tuple[str, ...], runs: bool
) -> None:
    assert cuda.Build("2", capabilities=capabilities).runs_on(cuda.Gpu("card", (8, 6))) == runs


GPU = cuda.Gpu("card", (9, 0))
BUILD = cuda.Build("2.21.0", "12.5.1", "9", ("compute_90",))


@pytest.mark.parametrize(
    ("build", "driver", "libraries", "told"),
    [
        (None, cuda.Driver(gpus=(GPU,)), cuda.Libraries(), "not installed"),
        (cuda.Build("2.21.0"), cuda.Driver(gpus=(GPU,)), cuda.Libraries(), "without CUDA"),
        (BUILD, cuda.Driver(problem="libcuda.so.1 is not here"), cuda.Libraries(), "libcuda.so.1"),
        (BUILD, cuda.Driver(), cuda.Libraries(), "no GPU 0"),
        (BUILD, cuda.Driver(gpus=(GPU,)), cuda.Libraries((), ("libcudnn.so.9",)), "libcudnn.so.9 not found"),
        (BUILD, cuda.Driver(gpus=(cuda.Gpu("old", (6, 1)),)), cuda.Libraries(), "no code for old, compute capability 6.1"),
        (BUILD, cuda.Driver(gpus=(GPU,)), cuda.Libraries(), ""),
    ],
)
def test_what_is_in_the_way_of_a_gpu_is_named(
    build: cuda.Build | None, driver: cuda.Driver, libraries: cuda.Libraries, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda, "tensorflow_build", lambda: build)
    monkeypatch.setattr(cuda, "driver", lambda: driver)
    monkeypatch.setattr(cuda, "libraries", lambda _build: libraries)
    obstacle = cuda.obstacle()
    assert (obstacle is None) == (not told)
    if obstacle is not None:
        assert told in obstacle.what
        assert obstacle.remedy


def test_libraries_that_no_package_and_no_system_has_are_missing() -> None:
    here = cuda.libraries(cuda.Build("2", "99.1", "98"))
    assert here.found == ()
    assert "libcudart.so.99" in here.missing
    assert "libcudnn.so.98" in here.missing
    assert cuda.libraries(cuda.Build("2")) == cuda.Libraries()
