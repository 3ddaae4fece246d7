"""What an NVIDIA GPU needs here, found without importing TensorFlow: driver, device, the libraries that TensorFlow opens."""

from __future__ import annotations

import ast
import ctypes
import importlib.util
import sysconfig
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

GPU_EXTRA = 'pip install "streamer[gpu]"'
"""Brings the libraries of CUDA that TensorFlow wants."""

_PCI = Path("/sys/bus/pci/devices")
_NVIDIA = "0x10de"
_DISPLAY_CLASS = "0x03"
_NAME_BYTES = 128
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU that the driver shows."""

    name: str
    capability: tuple[int, int]
    """Compute capability, such as (9, 0)."""


@dataclass(frozen=True, slots=True)
class Driver:
    """NVIDIA's driver."""

    problem: str = ""
    """Why it cannot be used; empty where it can."""
    cuda: str = ""
    """The newest CUDA that it runs, such as 12.8."""
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True, slots=True)
class Build:
    """What TensorFlow was built for."""

    version: str
    cuda: str = ""
    """Version of CUDA that it wants; empty in a build for CPUs."""
    cudnn: str = ""
    capabilities: tuple[str, ...] = ()
    """``sm_80`` runs on 8.x from 8.0 on, ``compute_90`` on that and all later ones."""
    problem: str = ""
    """Why nothing is known of it."""

    def runs_on(self, gpu: Gpu) -> bool:
        """Whether it holds code for a GPU."""
        for entry in self.capabilities:
            kind, _, digits = entry.partition("_")
            if not digits.isdigit():
                continue
            have = int(digits[:-1]), int(digits[-1])
            if (kind == "compute" and have <= gpu.capability) or (have[0] == gpu.capability[0] and have <= gpu.capability):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a GPU cannot be used for TensorFlow, and what to do about it."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Libraries:
    """The libraries of CUDA that TensorFlow opens by name."""

    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = field(default=())


def nvidia_cards() -> int:
    """How many NVIDIA display devices the PCI bus shows, with or without a driver; 0 where there is no such bus."""
    cards = 0
    for device in _PCI.glob("*"):
        try:
            vendor, kind = ((device / name).read_text().strip() for name in ("vendor", "class"))
        except OSError:  # it has just gone, or may not be read
            continue
        cards += vendor == _NVIDIA and kind.startswith(_DISPLAY_CLASS)
    return cards


@cache
def driver() -> Driver:
    """The driver and its GPUs, as libcuda says."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Driver(problem="libcuda.so.1, which comes with NVIDIA's driver, is not here")
    if code := cuda.cuInit(0):
        return Driver(problem=f"the driver does not start (cuInit: {_error(cuda, code)})")
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    gpus = []
    for index in range(count.value):
        device = ctypes.c_int()
        name = ctypes.create_string_buffer(_NAME_BYTES)
        major, minor = ctypes.c_int(), ctypes.c_int()
        if cuda.cuDeviceGet(ctypes.byref(device), index) == 0:
            cuda.cuDeviceGetName(name, _NAME_BYTES, device)
            cuda.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
            cuda.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
            gpus.append(Gpu(name.value.decode(errors="replace"), (major.value, minor.value)))
    shown = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return Driver(cuda=shown, gpus=tuple(gpus), problem="" if gpus else "the driver shows no GPU")


def _error(cuda: ctypes.CDLL, code: int) -> str:
    text = ctypes.c_char_p()
    cuda.cuGetErrorName(code, ctypes.byref(text))
    return text.value.decode() if text.value else str(code)


def tensorflow_build(folder: Path | None = None) -> Build | None:
    """What the installed TensorFlow was built for, read from its files; None where there is none.

    ``folder`` is that of the package, in place of the installed one.
    """
    if folder is None:
        spec = importlib.util.find_spec("tensorflow")
        if spec is None or spec.origin is None:
            return None
        folder = Path(spec.origin).parent
    version = _version()
    try:
        tree = ast.parse((folder / "python/platform/build_info.py").read_text(encoding="utf-8"))
        pairs = next(node for node in ast.walk(tree) if isinstance(node, ast.Call)).args[0]
        info = dict(ast.literal_eval(pairs))
        cuda = bool(info.get("is_cuda_build"))
        return Build(
            version,
            cuda=str(info["cuda_version"]) if cuda else "",
            cudnn=str(info["cudnn_version"]) if cuda else "",
            capabilities=tuple(map(str, info.get("cuda_compute_capabilities", ()))) if cuda else (),
        )
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, StopIteration) as error:
        return Build(version, problem=f"its build_info.py cannot be read ({type(error).__name__})")


def _version() -> str:
    from importlib import metadata

    for name in ("tensorflow", "tensorflow-cpu"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "of an unknown version"


def libraries(build: Build) -> Libraries:
    """Which of the libraries that ``build`` opens are here: in NVIDIA's packages or where the system looks."""
    found: list[str] = []
    missing: list[str] = []
    for name in _wanted(build):
        (found if _opens(name) else missing).append(name)
    return Libraries(tuple(found), tuple(missing))


def _wanted(build: Build) -> tuple[str, ...]:
    """File names by the major versions; those of 12 are numbered each in its own way."""
    major = build.cuda.partition(".")[0]
    if not major:
        return ()
    cudnn = build.cudnn.partition(".")[0]
    fft, solver = ("11", "11") if major == "12" else ("12", "12")
    return (
        f"libcudart.so.{major}",
        f"libcublas.so.{major}",
        f"libcublasLt.so.{major}",
        f"libcufft.so.{fft}",
        f"libcusolver.so.{solver}",
        f"libcusparse.so.{major}",
        f"libcudnn.so.{cudnn}",
    )


def _opens(name: str) -> bool:
    packages = Path(sysconfig.get_path("purelib")) / "nvidia"
    if any(packages.glob(f"*/lib/{name}")):
        return True
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def obstacle(index: int = 0) -> Obstacle | None:
    """Why TensorFlow cannot use the GPU of that number, as far as that shows without importing it; None: nothing is known."""
    build, here = tensorflow_build(), driver()
    if build is None:
        return Obstacle("TensorFlow is not installed", "pip install tensorflow")
    if not build.problem and not build.cuda:
        return Obstacle(
            f"TensorFlow {build.version} is a build without CUDA", "pip install tensorflow on Linux, in place of it"
        )
    if here.problem:
        remedy = "install NVIDIA's driver" if nvidia_cards() else "use --device cpu, or a machine with an NVIDIA GPU"
        return Obstacle(here.problem, remedy)
    if index >= len(here.gpus):
        return Obstacle(f"there is no GPU {index}: the driver shows {len(here.gpus)}", "count them from 0, as nvidia-smi does")
    if missing := libraries(build).missing:
        return Obstacle(f"{', '.join(missing)} not found, of CUDA {build.cuda}", GPU_EXTRA)
    gpu = here.gpus[index]
    if build.capabilities and not build.runs_on(gpu):
        shown = ".".join(map(str, gpu.capability))
        return Obstacle(
            f"TensorFlow {build.version} has no code for {gpu.name}, compute capability {shown}",
            "use another version of TensorFlow",
        )
    return None
