"""The GPU: driver, the libraries and the code that TensorFlow needs for it, video decoder and encoder."""

from __future__ import annotations

from collections.abc import Iterable

from streamer.doctor.finding import Finding, broken, missing, ok
from streamer.runtime import cuda

_ON_CPU = "without it detectors run on the CPU"


def driver() -> Iterable[Finding]:
    """Whether NVIDIA's driver is here and shows a GPU."""
    here = cuda.driver()
    if not here.problem:
        gpus = ", ".join(f"{gpu.name} (compute capability {gpu.capability[0]}.{gpu.capability[1]})" for gpu in here.gpus)
        yield ok("GPU driver", f"CUDA up to {here.cuda}: {gpus}")
    elif cuda.nvidia_cards():
        yield broken("GPU driver", f"there is an NVIDIA card, but {here.problem}", "install NVIDIA's driver")
    else:
        yield missing("GPU driver", f"{here.problem}; {_ON_CPU}", "none is needed, unless this machine has an NVIDIA GPU")


def libraries(build: cuda.Build | None = None, here: cuda.Libraries | None = None) -> Iterable[Finding]:
    """Whether the libraries of CUDA and cuDNN are here that TensorFlow wants; ``build`` and ``here`` replace the machine's."""
    build = build or cuda.tensorflow_build()
    if build is None or not build.cuda:
        return
    here = here or cuda.libraries(build)
    wanted = f"CUDA {build.cuda}, cuDNN {build.cudnn}"
    if not here.missing:
        yield ok("CUDA", f"all libraries of {wanted} are here")
    elif cuda.driver().problem:
        yield missing("CUDA", f"{wanted} is not here, nor a GPU that would need it", f"with a GPU: {cuda.GPU_EXTRA}")
    else:
        kind = broken if here.found else missing
        yield kind("CUDA", f"of {wanted} there is no {', '.join(here.missing)}; {_ON_CPU}", cuda.GPU_EXTRA)


def architecture() -> Iterable[Finding]:
    """Whether TensorFlow holds code for the GPUs."""
    build = cuda.tensorflow_build()
    if build is None or not build.capabilities:
        return
    for gpu in cuda.driver().gpus:
        name = f"{gpu.name}, compute capability {gpu.capability[0]}.{gpu.capability[1]}"
        if build.runs_on(gpu):
            yield ok("GPU code", f"TensorFlow {build.version} has code for {name}")
        else:
            yield broken("GPU code", f"TensorFlow {build.version} has none for {name}", "use another version of TensorFlow")


def decoder() -> Iterable[Finding]:
    """Whether the GPU's video decoder decodes."""
    from streamer.sources.hardware import obstacle

    if reason := obstacle():
        remedy = "use --decode cpu, which is the default" if cuda.driver().problem else "update NVIDIA's driver"
        yield missing("NVDEC", f"{reason}; video is decoded on the CPU", remedy)
    else:
        yield ok("NVDEC", "decodes H.264 (--decode cuda)")


def encoder() -> Iterable[Finding]:
    """Whether the GPU's video encoder opens."""
    from streamer.sinks.encoders import ENCODERS, opens

    names = [name for name in ENCODERS if name.endswith("_nvenc")]
    opening = [name for name in names if opens(name)]
    if opening:
        yield ok("NVENC", f"--encoder {', '.join(opening)}")
    else:
        yield missing("NVENC", f"{', '.join(names)} do not open here", "use --encoder libx264, which is the default")
