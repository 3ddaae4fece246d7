"""Has Triton's own client ask ``streamer serve``: serve_for_tritonclient.py PYTHON_OF_THE_JUDGES."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.serving.servers import ServerProcess

ASKING = Path(__file__).with_name("ask_streamer.py")

if __name__ == "__main__":
    with ServerProcess("tests.serving.servers:Scripted", "--model-name", "scripted", "--score-threshold", "0") as server:
        ports = [str(server.grpc_port), str(server.http_port)]
        subprocess.run([sys.argv[1], "-W", "ignore", str(ASKING), *ports], check=True)
