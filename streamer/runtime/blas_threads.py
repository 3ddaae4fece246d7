"""NumPy's threads for linear algebra sleep while there is nothing to do.

OpenBLAS starts one for each core when NumPy is imported, and lets each of them spin for a tenth of a second or so after that,
and after each use. What is reckoned here is far too small for them, so they only take time from decoder and encoder.
"""

from __future__ import annotations

import os


def sleep_when_idle() -> None:
    """Have them sleep at once, in this process and its children; before NumPy is imported. A user's own setting stays."""
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # waits 2**4 rounds instead of 2**26
