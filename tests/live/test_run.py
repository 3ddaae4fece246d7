"""What a run refuses before it opens anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config.live import load_run_config
from streamer.errors import OutputRefused
from streamer.live.run import checked


def test_an_output_under_another_name_of_a_source_is_refused(tmp_path: Path) -> None:
    rec = tmp_path / "rec.mp4"
    rec.write_bytes(b"a recording")
    (tmp_path / "second.jsonl").hardlink_to(rec)
    config = tmp_path / "run.yaml"
    config.write_text(
        "cameras:\n"
        f"  one: {{source: '{rec}'}}\n"
        f"  two: {{source: 'test:', detections: '{tmp_path}/second.jsonl', overwrite: true}}\n"
    )
    with pytest.raises(OutputRefused, match="is the source of one"):
        checked(load_run_config(config))
