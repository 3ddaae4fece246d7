"""Choosing where a SavedModel computes; TensorFlow and its GPUs are made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamer.config.annotate import load_annotate_config
from streamer.detectors import device, registry
from streamer.detectors.device import Device, choose
from streamer.errors import ConfigError, DetectorUnavailable
from streamer.runtime import cuda


class FakeTensorFlow:
    """As much of TensorFlow as choosing asks for."""

    def __init__(self, gpus: int, *, began_on: list[str] | None = None) -> None:
        self.seen = [f"GPU:{index}" for index in range(gpus)] if began_on is None else began_on
        self.grows: list[str] = []
        self._began = began_on is not None
        self._gpus = [f"GPU:{index}" for index in range(gpus)]
        self.config: Any = self
        self.experimental: Any = self

    def list_physical_devices(self, _kind: str) -> list[str]:
        return self._gpus

    def get_visible_devices(self, _kind: str) -> list[str]:
        return self.seen

    def set_visible_devices(self, devices: list[str], _kind: str) -> None:
        if self._began:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.seen = devices

    def set_memory_growth(self, gpu: str, on: bool) -> None:
        assert on
        self.grows.append(gpu)

    def get_device_details(self, gpu: str) -> dict[str, str]:
        return {"device_name": f"Card {gpu[-1]}"}


@pytest.mark.parametrize(
    ("asked", "gpus", "seen", "chosen"),
    [
        ("auto", 1, ["GPU:0"], Device("Card 0")),
        ("auto", 2, ["GPU:0"], Device("Card 0", "the first of 2 GPUs")),
        ("cpu", 2, [], Device("CPU")),
        ("cuda", 2, ["GPU:0"], Device("Card 0")),
        ("cuda:1", 2, ["GPU:1"], Device("Card 1")),
    ],
)
def test_tensorflow_sees_the_chosen_device_alone(asked: str, gpus: int, seen: list[str], chosen: Device) -> None:
    tf = FakeTensorFlow(gpus)
    assert choose(tf, asked) == chosen
    assert tf.seen == tf.grows == seen


def test_auto_says_why_it_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "obstacle", lambda _index=0: cuda.Obstacle("libcudnn.so.9 not found, of CUDA 12.5.1", "get it"))
    assert str(choose(FakeTensorFlow(0), "auto")) == "CPU (no GPU: libcudnn.so.9 not found, of CUDA 12.5.1)"
    monkeypatch.setattr(cuda, "obstacle", lambda _index=0: None)
    assert str(choose(FakeTensorFlow(0), "auto")) == "CPU (TensorFlow shows no GPU)"


def test_a_gpu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DetectorUnavailable, match="cuda:2 cannot be used: TensorFlow shows 2 GPUs"):
        choose(FakeTensorFlow(2), "cuda:2")


def test_where_tensorflow_works_already_it_stays() -> None:
    assert choose(FakeTensorFlow(2, began_on=["GPU:1"]), "cuda:1").name == "Card 1"
    with pytest.raises(DetectorUnavailable, match="works on another one"):
        choose(FakeTensorFlow(2, began_on=["GPU:1"]), "cuda:0")


def test_what_is_in_the_way_is_named_before_tensorflow_is_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[int] = []

    def obstacle(index: int) -> cuda.Obstacle:
        asked.append(index)
        return cuda.Obstacle("libcudnn.so.9 not found, of CUDA 12.5.1", 'pip install "streamer[gpu]"')

    monkeypatch.setattr(cuda, "obstacle", obstacle)
    (tmp_path / "saved_model.pb").touch()
    for load in (
        lambda: registry.load_detector(str(tmp_path), score_threshold=0.5, device="cuda:1"),
        lambda: registry.check_detector(str(tmp_path), device="cuda:1"),
    ):
        with pytest.raises(DetectorUnavailable) as refused:
            load()
        assert str(refused.value) == (
            'the device cuda:1 cannot be used: libcudnn.so.9 not found, of CUDA 12.5.1; pip install "streamer[gpu]"'
        )
    assert asked == [1, 1]
    device.check("auto")
    device.check("cpu")
    assert asked == [1, 1]


def test_a_built_in_detector_runs_on_the_cpu_only() -> None:
    with pytest.raises(ConfigError, match="nanodet runs on the CPU only"):
        registry.load_detector("nanodet", score_threshold=0.5, device="cuda")
    with pytest.raises(ConfigError, match="nanodet runs on the CPU only"):
        registry.check_detector("nanodet", device="cuda")
    registry.check_detector("nanodet", device="cpu")


@pytest.mark.parametrize(
    ("asked", "devices", "first"),
    [
        ("auto", ("auto",), None),
        ("cpu", ("cpu",), None),
        ("cuda", ("cuda",), 0),
        ("cuda:3", ("cuda:3",), 3),
        ("cuda:2,0", ("cuda:2", "cuda:0"), 2),
        ("cuda:1,1", ("cuda:1", "cuda:1"), 1),
        ("cuda:all", ("cuda:0", "cuda:1", "cuda:2"), 0),
    ],
)
def test_several_devices(asked: str, devices: tuple[str, ...], first: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "driver", lambda: cuda.Driver(gpus=(cuda.Gpu("Card", (9, 0)),) * 3))
    assert device.each(asked) == devices
    assert device.gpu_index(asked) == first


def test_all_of_no_gpus_is_an_error() -> None:
    with pytest.raises(DetectorUnavailable, match="the device cuda cannot be used"):
        device.each("cuda:all")


@pytest.mark.parametrize("value", ["auto", "cpu", "cuda", " cuda:11 ", "cuda:0,1", "cuda:all"])
def test_devices_in_settings(value: str) -> None:
    assert load_annotate_config(None, {"input": "in.mp4", "device": value}).device == value.strip()


@pytest.mark.parametrize("value", ["gpu", "cuda:", "cuda:-1", "cuda:a", "CPU", 0, "", "cuda:0,", "cuda:0,all", "cpu,cpu"])
def test_no_devices_in_settings(value: object) -> None:
    with pytest.raises(ConfigError, match="expected auto, cpu, cuda, cuda:N, cuda:N,M or cuda:all"):
        load_annotate_config(None, {"input": "in.mp4", "device": value})


def test_no_device_from_python() -> None:
    with pytest.raises(ConfigError, match="there is no device 'gpu'"):
        registry.load_detector("nanodet", score_threshold=0.5, device="gpu")


CLASSES = """
class Takes:
    labels = {1: "x"}
    def __init__(self, device): self.device = device
    def detect(self, image): ...
class Takes_not:
    labels = {1: "x"}
    def detect(self, image): ...
"""


def test_a_class_of_ones_own_is_given_the_device_if_it_takes_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "on_devices.py").write_text(CLASSES)
    monkeypatch.chdir(tmp_path)
    made: Any = registry.load_detector("on_devices:Takes", score_threshold=0.5, device="cuda:1")
    assert made.device == "cuda:1"
    registry.load_detector("on_devices:Takes_not", score_threshold=0.5)
    with pytest.raises(ConfigError, match="takes no device"):
        registry.load_detector("on_devices:Takes_not", score_threshold=0.5, device="cuda:1")
