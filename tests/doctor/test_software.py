"""Python, packages, models."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from streamer.detectors import weights
from streamer.doctor import software
from streamer.doctor.finding import Verdict

REQUIRED = ["av>=18.1", "setuptools<82,>=70", "numpy>=2.0", 'tensorflow[and-cuda]>=2.18; extra == "gpu"', "six [x]>=1.0"]


@pytest.mark.parametrize(
    ("installed", "told"),
    [
        ({"av": "18.1.0", "setuptools": "81.0.0", "numpy": "2.4.6", "six": "1.17"}, [("packages", "ok")]),
        ({"av": "19.0.0rc1", "setuptools": "82.0", "numpy": "2.0", "six": "1.0"}, [("setuptools", "broken")]),
        ({"av": "9.9", "setuptools": "70", "six": "1.0"}, [("av", "broken"), ("numpy", "missing")]),
    ],
)
def test_packages_are_compared_with_what_is_required(installed: dict[str, str], told: list[tuple[str, str]]) -> None:
    findings = list(software.packages(REQUIRED, installed))
    assert [(finding.name, str(finding.verdict)) for finding in findings] == told
    assert all(bool(finding.remedy) == (finding.verdict is not Verdict.OK) for finding in findings)
    assert any(finding.fatal for finding in findings) == ("numpy" not in installed)


@pytest.mark.parametrize(("version", "fatal"), [((3, 10, 12), True), ((3, 11, 0), False), ((3, 14, 1), False)])
def test_an_old_python_is_told(version: tuple[int, ...], fatal: bool) -> None:
    (finding,) = software.python(version)
    assert finding.fatal == fatal


def test_models_are_compared_with_their_checksums(tmp_path: Path) -> None:
    (finding,) = software.models()
    assert finding.verdict is Verdict.OK
    copy = shutil.copytree(weights.FOLDER, tmp_path / "models")
    first, second, *_ = weights.SHA256
    (copy / first).write_bytes(b"damaged")
    (copy / second).unlink()
    findings = list(software.models(copy))
    assert [finding.verdict for finding in findings] == [Verdict.BROKEN] * 2
    assert all(finding.fatal for finding in findings)
    assert first in findings[0].text
    assert second in findings[1].text


def test_whether_detectors_on_servers_can_be_used(tmp_path: Path) -> None:
    (here,) = software.servers()
    (without,) = software.servers(tmp_path / "none")
    assert (here.verdict, without.verdict) == (Verdict.OK, Verdict.MISSING)
    assert "gRPC 1." in here.text
    assert without.remedy
    assert not without.fatal
