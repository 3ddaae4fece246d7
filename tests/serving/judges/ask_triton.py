"""Whether streamer's client gets right answers of the Triton of ``triton_server.py``: ask_triton.py PYTHON_OF_THE_JUDGES."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from streamer.detectors.remote.detector import RemoteDetector
from streamer.errors import DetectorContractError, DetectorUnavailable
from tests.serving.servers import picture

SERVER = Path(__file__).with_name("triton_server.py")
_END_S = 60


def free_port() -> int:
    """A port of this machine that nobody has now."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def check(spec: str, *, jpeg: bool) -> None:
    """Ask about two pictures of different sizes, and compare."""
    detector = RemoteDetector(spec, score_threshold=0.5)
    try:
        for width, height in ((64, 48), (1920, 1080)):
            image = picture(width, height)
            found = detector.detect(image)
            level = float(image[height // 2, width // 2].mean())
            expected = [[0, 0, level, level + 1], [width / 4, height / 4, width / 2, height / 2]]
            np.testing.assert_allclose(found.boxes_xyxy, expected, atol=6 if jpeg else 0.01)
            np.testing.assert_allclose(found.scores, [0.9, 0.6], atol=1e-6)
            assert found.class_ids.tolist() == [1, 3]
            assert found.masks is not None
            np.testing.assert_allclose(found.masks[1, 0], np.arange(28) * 9 / 255, atol=0.003)
    finally:
        detector.close()
    print(f"right: {spec.partition('127.0.0.1')[0]}…{spec[spec.rindex('/') :]}, {detector.device_told.partition(', ')[2]}")


def main() -> None:
    grpc_port, http_port = free_port(), free_port()
    command = [sys.argv[1], "-W", "ignore", str(SERVER), str(grpc_port), str(http_port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            while (line := server.stdout.readline()).strip() != "READY":
                assert line, "Triton did not start"
            grpc, http = f"kserve://127.0.0.1:{grpc_port}", f"kserve+http://127.0.0.1:{http_port}"
            for where in (grpc, http):
                for images in ("raw", "jpeg", "shared", "auto"):
                    check(f"{where}/ours?images={images}", jpeg=images == "jpeg")
                check(f"{where}/mask-rcnn", jpeg=False)
                for spec, kind in (
                    (f"{where}/none", DetectorUnavailable),
                    (f"{where}/mask-rcnn?images=jpeg", DetectorContractError),
                ):
                    try:
                        RemoteDetector(spec)
                    except kind as error:
                        print(f"right: {error}")
                    else:
                        raise AssertionError(f"{spec} was taken")
        finally:
            with suppress(OSError):
                server.stdin.close()
            try:
                server.wait(_END_S)
            except subprocess.TimeoutExpired:
                server.kill()


if __name__ == "__main__":
    main()
