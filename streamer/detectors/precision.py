"""How exactly a SavedModel computes: with 32 bits throughout, or with 16 where TensorFlow holds that to be harmless."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from streamer.errors import DetectorUnavailable

FULL, MIXED = "full", "mixed"
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""Instructions of a processor that make 16 bits faster than 32; without them they are slower."""
_LISTS = (
    *("EmptyTensorList", "TensorListConcat", "TensorListConcatV2", "TensorListElementShape", "TensorListFromTensor"),
    *("TensorListGather", "TensorListGetItem", "TensorListLength", "TensorListPopBack", "TensorListPushBack"),
    *("TensorListReserve", "TensorListResize", "TensorListScatter", "TensorListSetItem", "TensorListSplit", "TensorListStack"),
)
"""Operations on lists, as loops use them: TensorFlow's optimizer turns what goes into a list to 16 bits, and not the list,
where a network was cut, and then it fails."""
_LEFT_ALONE = "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_CLEARLIST_REMOVE"
"""The environment variable by which the optimizer is told what to leave at 32 bits."""
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
    if mixed:
        os.environ[_LEFT_ALONE] = ",".join(_LISTS)
    tf.config.optimizer.set_experimental_options({_ON_CPU: mixed and on_cpu, _ON_GPU: mixed and not on_cpu})


def _cpu_flags() -> frozenset[str]:
    try:
        lines = _CPU_INFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # another system than Linux, of which TensorFlow's optimizer knows nothing either
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
