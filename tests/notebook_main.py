"""Run a notebook's cells in order, as Jupyter does: ``python -m tests.notebook_main FILE``. Exit code 1 where one fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell


def main() -> None:
    """Print what the cells print, and the last value of each."""
    shell = InteractiveShell.instance()
    shell.autoawait = True
    for cell in json.loads(Path(sys.argv[1]).read_text())["cells"]:
        if cell["cell_type"] == "code":
            result = shell.run_cell("".join(cell["source"]))  # type: ignore[no-untyped-call]
            if not result.success:
                sys.exit(1)


if __name__ == "__main__":
    main()
