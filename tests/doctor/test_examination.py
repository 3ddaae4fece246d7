"""The command as a whole."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from streamer.doctor import examination
from streamer.doctor.finding import Verdict, findings_of


@pytest.mark.slow
def test_the_command_reports_this_machine_without_tensorflow_and_ends_well() -> None:
    told = "print('tensorflow' in sys.modules, file=sys.stderr)"
    code = f"import sys; from streamer.cli.app import main\ntry: main()\nfinally: {told}"
    done = subprocess.run(
        [sys.executable, "-c", code, "doctor", "--json"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "False\n")
    findings = json.loads(done.stdout)
    assert {"Python", "models", "FFmpeg", "protocols", "TensorFlow", "GPU driver", "disk"} <= {row["name"] for row in findings}
    assert all(set(row) == {"name", "verdict", "text", "remedy", "needed"} for row in findings)
    assert all(bool(row["remedy"]) == (row["verdict"] != "ok") for row in findings)


def test_a_check_that_raises_is_a_broken_thing_and_ends_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[object]:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(examination, "CHECKS", {"one": fail, "two": list})
    (finding,) = examination.examine()
    assert (finding.name, finding.verdict, finding.text, finding.fatal) == (
        "one",
        Verdict.BROKEN,
        "RuntimeError: no such thing",
        True,
    )
    assert findings_of("none", list) == []
