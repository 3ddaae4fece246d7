"""The metrics: right numbers under the documented names, as Prometheus' own tool wants them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streamer.events.delivery import DeliveryStatus
from streamer.live.metrics import BOUNDS_S, registry
from streamer.live.rates import Rates
from streamer.live.status import CameraStatus
from streamer.stages import OutputStatus, State
from streamer.stats import Latency, Stats

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


def latency(*seconds: float) -> Latency:
    filled = Latency()
    for value in seconds:
        filled.add(value)
    return filled


def gate() -> CameraStatus:
    stats = Stats()
    stats.latencies["e2e"] = latency(0.004, 0.02, 0.02, 0.3, 99.0)
    return CameraStatus(
        name="gate",
        source="rtsp://viewer:***@192.0.2.7/1",
        state=State.RECONNECTING,
        state_s=12.5,
        since_utc_s=1_767_225_600.0,
        reason="connection refused",
        width=640,
        height=360,
        frames_in=100,
        frames_out=90,
        dropped={"queue_full": 7, "stale": 3},
        detections=30,
        damaged_frames=2,
        damaged_share=0.02,
        restarts=5,
        detector_failures=6,
        detector_error="the detector failed: RuntimeError: broken",
        reconnects=4,
        stalls=1,
        camera_fps=25.0,
        process_fps=22.5,
        skipped_fps=2.5,
        detection_fps=7.5,
        frame_age_s=0.25,
        mask_age_s=0.12,
        detector_busy_s=11.5,
        detector_share=0.9,
        latencies=stats.latencies,
        queues={"frames": (1, 0.25)},
        outputs=(
            OutputStatus(name="record", frames=80, bytes=12345, dropped=10, queued=2, fill=0.25),
            OutputStatus(name="stream", state=State.RECONNECTING, error="refused"),
        ),
    )


def door() -> CameraStatus:
    return CameraStatus(name="door", source="0", state=State.RUNNING, state_s=1.0, since_utc_s=0.0)


def deliveries() -> dict[str, list[DeliveryStatus]]:
    away = DeliveryStatus(
        target="mqtt", waiting=9, behind_s=61.5, sent=4, failures=3, given_up=1, dead_letters=2, dropped=5,
        problem="no broker", latency=latency(0.02, 0.3),
    )  # fmt: skip
    return {"events": [away, DeliveryStatus(target="webhook")], "more": [DeliveryStatus(target="webhook", sent=7)]}


def exposed(*cameras: CameraStatus) -> tuple[str, dict[tuple[str, frozenset[tuple[str, str]]], float]]:
    text = generate_latest(registry(lambda: cameras, deliveries)).decode()
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return text, samples


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("source_state", {"state": "reconnecting"}, 1),
        ("source_state", {"state": "running"}, 0),
        ("source_state_seconds", {}, 12.5),
        ("frames_captured_total", {}, 100),
        ("frames_shown_total", {}, 90),
        ("frames_dropped_total", {"cause": "queue_full"}, 7),
        ("frames_dropped_total", {"cause": "stale"}, 3),
        ("frames_dropped_total", {"cause": "damaged"}, 0),
        ("damaged_frames_total", {}, 2),
        ("damaged_ratio", {}, 0.02),
        ("restarts_total", {}, 5),
        ("detector_failures_total", {}, 6),
        ("detector_failing", {}, 1),
        ("source_healthy", {}, 0),
        ("output_failing", {"output": "record"}, 0),
        ("output_failing", {"output": "stream"}, 1),
        ("reconnects_total", {}, 4),
        ("stalls_total", {}, 1),
        ("camera_fps", {}, 25),
        ("process_fps", {}, 22.5),
        ("skipped_fps", {}, 2.5),
        ("detection_fps", {}, 7.5),
        ("frame_age_seconds", {}, 0.25),
        ("mask_age_seconds", {}, 0.12),
        ("detections_total", {}, 30),
        ("detector_busy_seconds_total", {}, 11.5),
        ("detector_busy_ratio", {}, 0.9),
        ("queue_fill_ratio", {"queue": "frames"}, 0.25),
        ("output_state", {"output": "record", "state": "running"}, 1),
        ("output_frames_total", {"output": "record"}, 80),
        ("output_bytes_total", {"output": "record"}, 12345),
        ("output_frames_dropped_total", {"output": "record"}, 10),
        ("output_queue_fill_ratio", {"output": "record"}, 0.25),
    ],
)
def test_each_number_is_under_its_name(name: str, labels: dict[str, str], value: float) -> None:
    _, samples = exposed(gate(), door())
    assert samples[f"streamer_{name}", frozenset({"source": "gate", **labels}.items())] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("waiting_messages", 9),
        ("behind_seconds", 61.5),
        ("failing", 1),
        ("dead_letters", 2),
        ("sent_messages_total", 4),
        ("failures_total", 3),
        ("given_up_messages_total", 1),
        ("dropped_messages_total", 5),
        ("latency_seconds_count", 2),
    ],
)
def test_delivery_is_exported_for_each_target(name: str, value: float) -> None:
    _, samples = exposed(gate())
    assert samples[f"streamer_delivery_{name}", frozenset({"events": "events", "target": "mqtt"}.items())] == value
    assert samples["streamer_delivery_failing", frozenset({"events": "events", "target": "webhook"}.items())] == 0
    assert samples["streamer_delivery_sent_messages_total", frozenset({"events": "more", "target": "webhook"}.items())] == 7


def test_latency_histograms_count_within_their_bounds() -> None:
    _, samples = exposed(gate())

    def within(bound: str) -> float:
        return samples["streamer_e2e_latency_seconds_bucket", frozenset({("source", "gate"), ("le", bound)})]

    assert [within(bound) for bound in ("0.0025", "0.005", "0.025", "0.25", "0.5", "10.0", "+Inf")] == [0, 1, 3, 3, 4, 4, 5]
    assert samples["streamer_e2e_latency_seconds_count", frozenset({("source", "gate")})] == 5
    assert samples["streamer_e2e_latency_seconds_sum", frozenset({("source", "gate")})] == pytest.approx(99.344)


def test_counts_within_bounds_agree_with_a_plain_count_to_two_percent() -> None:
    seconds = [0.0009 * 1.07**n for n in range(150)]
    counts = latency(*seconds).counts_within(BOUNDS_S)
    for bound, count in zip(BOUNDS_S, counts, strict=False):
        assert sum(s <= bound / 1.02 for s in seconds) <= count <= sum(s <= bound * 1.02 for s in seconds)
    assert counts[-1] == 150


def test_what_is_not_known_yet_is_left_out_rather_than_zero() -> None:
    _, samples = exposed(door())
    assert ("streamer_frame_age_seconds", frozenset({("source", "door")})) not in samples
    assert ("streamer_mask_age_seconds", frozenset({("source", "door")})) not in samples


def test_promtool_finds_nothing_to_mend() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here: install the package prometheus")
    text, _ = exposed(gate(), door())
    checked = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not checked.stdout + checked.stderr


def test_every_metric_is_documented() -> None:
    text, _ = exposed(gate())
    names = set(re.findall(r"^# TYPE (streamer_\w+)", text, re.MULTILINE))
    documented = set(re.findall(r"`(streamer_\w+)`", DOCS.read_text(encoding="utf-8")))
    assert documented == names


def test_rates_are_those_of_the_window() -> None:
    rates = Rates(window_s=10.0)
    assert rates["frames"] == 0.0
    for second in range(30):
        # 25 a second for 15 seconds, then 5.
        rates.sample(100.0 + second, {"frames": 25 * min(second, 15) + 5 * max(0, second - 15)})
        if second == 14:
            assert rates["frames"] == pytest.approx(25.0)
    assert rates["frames"] == pytest.approx(5.0)
    rates.sample(130.0, {"frames": 0})
    assert rates["frames"] == 0.0, "a counter that starts anew gives no negative rate"


def test_zones_and_lines_are_exported() -> None:
    places = {
        "zones": {"door": {"inside": 2, "dwell_s": 7.5, "by_class": {"person": 3}}},
        "lines": {"gate": {"by_class": {"person": {"in": 4, "out": 1}}}},
    }
    camera = CameraStatus(name="a", source="test:", state=State.RUNNING, state_s=0.0, since_utc_s=0.0, places=places)
    text = generate_latest(registry(lambda: [camera])).decode()
    assert 'streamer_zone_objects{source="a",zone="door"} 2.0' in text
    assert 'streamer_zone_entries_total{class="person",source="a",zone="door"} 3.0' in text
    assert 'streamer_zone_dwell_seconds_total{source="a",zone="door"} 7.5' in text
    assert 'streamer_line_crossings_total{class="person",direction="in",line="gate",source="a"} 4.0' in text


def test_the_alerts_are_rules_about_metrics_that_there_are() -> None:
    rules = Path(__file__).parents[2] / "configs" / "alerts.yml"
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here: install the package prometheus")
    checked = subprocess.run([promtool, "check", "rules", str(rules)], text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr

    documented = (rules.parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"streamer_\w+", rules.read_text(encoding="utf-8")))
    assert len(named) == 9
    assert all(f"`{name.removesuffix('_bucket')}`" in documented for name in named)
