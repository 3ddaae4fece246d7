"""WebRTC beside TensorFlow: both bring a library of the same names."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("aiortc")

PROGRAM = """
import tensorflow
import streamer.web.peer
from pylibsrtp import Policy, Session

key = bytes(range(30))
there = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND))
here = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND))
packet = b"\\x80\\x08\\x00\\x00" + bytes(4) + b"\\x12\\x34\\x56\\x78" + b"\\xd4" * 160
sent = there.protect(packet)
print("the same" if here.unprotect(sent) == packet != sent[: len(packet)] else "another")
"""


@pytest.mark.slow
def test_webrtc_works_in_a_process_that_has_loaded_tensorflow_before() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "the same"), done.stderr[-2000:]
