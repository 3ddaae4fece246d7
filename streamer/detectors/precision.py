"""How exactly a SavedModel computes: with 32 bits throughout, or with 16 where TensorFlow holds that to be harmless."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamer.errors import DetectorUnavailable

FULL, MIXED = "full", "mixed"
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""Instructions of a processor that make 16 bits faster than 32; without them they are slower."""
_CPU_INFO = Path("/proc/cpuinfo")
_ON_CPU, _ON_GPU = "auto_mixed_precision_onednn_bfloat16", "auto_mixed_precision"
"""TensorFlow's graph optimizers, https://www.tensorflow.org/api_docs/python/tf/config/optimizer/set_experimental_options"""


def choose(tf: Any, precision: str, device: str) -> None:
    """Have TensorFlow compute on ``device``, ``CPU`` or a GPU's name, as ``precision`` says, from the next call on.

    Holds for the process. Raises ``DetectorUnavailable`` for ``mixed`` on a processor that gains nothing by it.
    """
    mixed, on_cpu = precision == MIXED, device == "CPU"
    if mixed and on_cpu and not _cpu_flags() & BFLOAT16_FLAGS:
        raise DetectorUnavailable(
            "the precision mixed cannot be used: this processor has no instructions for 16 bits (bfloat16)",
            hint="leave --precision away, or use a GPU",
        )
    tf.config.optimizer.set_experimental_options({_ON_CPU: mixed and on_cpu, _ON_GPU: mixed and not on_cpu})


def _cpu_flags() -> frozenset[str]:
    try:
        lines = _CPU_INFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # another system than Linux, of which TensorFlow's optimizer knows nothing either
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
