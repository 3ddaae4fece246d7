"""Prometheus metrics, read from the status of the cameras when they are asked for: a frame costs nothing more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from streamer._version import __version__
from streamer.events.delivery import DeliveryStatus
from streamer.live.status import CameraStatus
from streamer.live.status import Metric as Exported
from streamer.stages import State
from streamer.stats import STAGES, Latency

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histograms' buckets in seconds."""

DROP_CAUSES = ("queue_full", "stale", "damaged", "abandoned")
"""Always exported, so that a rate over them exists before the first drop."""


class CameraCollector(Collector):
    """Turns each camera's status into metric families when Prometheus asks."""

    def __init__(
        self, cameras: Callable[[], Sequence[CameraStatus]], deliveries: Callable[[], Mapping[str, Sequence[DeliveryStatus]]]
    ) -> None:
        self._cameras = cameras
        self._deliveries = deliveries

    def describe(self) -> Iterable[Metric]:
        """Nothing: otherwise the registry would collect once at the start, before there are cameras."""
        return []

    def collect(self) -> Iterable[Metric]:
        cameras = self._cameras()
        info = InfoMetricFamily("streamer_build", "Version of streamer.")
        info.add_metric([], {"version": __version__})
        yield info
        yield from _states(cameras)
        yield from _figures(cameras)
        yield from _queues(cameras)
        yield from _latencies(cameras)
        yield from _outputs(cameras)
        yield from _places(cameras)
        yield from _delivered([(folder, each) for folder, targets in self._deliveries().items() for each in targets])


def registry(
    cameras: Callable[[], Sequence[CameraStatus]],
    deliveries: Callable[[], Mapping[str, Sequence[DeliveryStatus]]] = dict,
) -> CollectorRegistry:
    """A registry of its own: the cameras' metrics, those of delivery by folder of events, those of the process.

    Those of the process are memory, processor time, open files.
    """
    own = CollectorRegistry(auto_describe=False)
    own.register(CameraCollector(cameras, deliveries))
    ProcessCollector(registry=own)
    PlatformCollector(registry=own)
    GCCollector(registry=own)
    return own


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"streamer_{name}", text, labels=("source", *labels))


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"streamer_{name}", text, labels=("source", *labels))


def _figures(cameras: Sequence[CameraStatus]) -> Iterable[Metric]:
    """The fields of the status that say how they are exported."""
    for field in fields(CameraStatus):
        exported: Exported | None = field.metadata.get("metric")
        if exported is None:
            continue
        family = (_counter if exported.kind == "counter" else _gauge)(exported.name, exported.text)
        for camera in cameras:
            value = getattr(camera, field.name)
            if value is not None and math.isfinite(value):
                family.add_metric([camera.name], value)
        yield family


def _states(cameras: Sequence[CameraStatus]) -> Iterable[Metric]:
    state = _gauge("source_state", "1 for the state that the source is in, 0 for the others.", "state")
    stuck = _gauge("source_stuck", "1 while a stage of the source's pipeline does not return; /healthz says which.")
    healthy = _gauge("source_healthy", "1 while /healthz finds nothing wrong with the source, else 0.")
    failing = _gauge("detector_failing", "1 while the detector fails on the source's pictures or does not answer, else 0.")
    for camera in cameras:
        for each in State:
            state.add_metric([camera.name, each], float(camera.state is each))
        stuck.add_metric([camera.name], float(bool(camera.stuck)))
        healthy.add_metric([camera.name], float(camera.healthy))
        failing.add_metric([camera.name], float(bool(camera.detector_error)))
    return state, stuck, healthy, failing


def _queues(cameras: Sequence[CameraStatus]) -> Iterable[Metric]:
    dropped = _counter("frames_dropped", "Frames that did not, by cause.", "cause")
    fill = _gauge("queue_fill_ratio", "How full a queue is, 0 to 1.", "queue")
    for camera in cameras:
        for cause in sorted({*DROP_CAUSES, *camera.dropped}):
            dropped.add_metric([camera.name, cause], camera.dropped.get(cause, 0))
        for name, (_, full) in camera.queues.items():
            fill.add_metric([camera.name, name], full)
    return dropped, fill


def _latencies(cameras: Sequence[CameraStatus]) -> Iterable[Metric]:
    texts = {
        "decode": "Seconds from one frame handed on to the next one decoded: waiting for the source is in it.",
        "inference": "Seconds that a frame spends in perception.",
        "render": "Seconds to draw a frame.",
        "encode": "Seconds to hand a frame to the outputs.",
        "e2e": "Seconds from capture to the outputs.",
    }
    for stage in STAGES:
        family = HistogramMetricFamily(f"streamer_{stage}_latency_seconds", texts[stage], labels=("source",))
        for camera in cameras:
            if latency := camera.latencies.get(stage):
                family.add_metric([camera.name], buckets(latency), sum_value=latency.total_s)
        yield family


def buckets(latency: Latency) -> list[tuple[str, float]]:
    """The buckets of a histogram, by their upper bounds."""
    bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
    return list(zip(bounds, map(float, latency.counts_within(BOUNDS_S)), strict=True))


def _outputs(cameras: Sequence[CameraStatus]) -> Iterable[Metric]:
    state = _gauge("output_state", "1 for the state that the output is in, 0 for the others.", "output", "state")
    failing = _gauge("output_failing", "1 while the output does not do its work, else 0; /healthz says why.", "output")
    frames = _counter("output_frames", "Frames that the output has written.", "output")
    size = _counter("output_bytes", "Bytes that the output has written.", "output")
    dropped = _counter("output_frames_dropped", "Frames that the output was too slow for.", "output")
    fill = _gauge("output_queue_fill_ratio", "How full the output's queue is, 0 to 1.", "output")
    for camera in cameras:
        for output in camera.outputs:
            labels = [camera.name, output.name]
            for each in State:
                state.add_metric([*labels, each], float(output.state == each))
            failing.add_metric(labels, float(bool(output.trouble)))
            frames.add_metric(labels, output.frames)
            size.add_metric(labels, output.bytes)
            dropped.add_metric(labels, output.dropped)
            fill.add_metric(labels, output.fill)
    return state, failing, frames, size, dropped, fill


def _places(cameras: Sequence[CameraStatus]) -> Iterable[Metric]:
    inside = _gauge("zone_objects", "Objects that are in the zone now.", "zone")
    entries = _counter("zone_entries", "Objects that entered the zone, by class.", "zone", "class")
    dwell = _counter("zone_dwell_seconds", "Seconds that the objects which left the zone had been in it.", "zone")
    crossings = _counter(
        "line_crossings", "Objects that crossed the line, by class and direction.", "line", "class", "direction"
    )
    for camera in cameras:
        for name, zone in camera.places.get("zones", {}).items():
            inside.add_metric([camera.name, name], zone["inside"])
            dwell.add_metric([camera.name, name], zone["dwell_s"])
            for class_name, count in zone["by_class"].items():
                entries.add_metric([camera.name, name, class_name], count)
        for name, line in camera.places.get("lines", {}).items():
            for class_name, counts in line["by_class"].items():
                for direction, count in counts.items():
                    crossings.add_metric([camera.name, name, class_name, direction], count)
    return inside, entries, dwell, crossings


def _delivered(deliveries: Sequence[tuple[str, DeliveryStatus]]) -> Iterable[Metric]:
    labels = ("events", "target")

    def gauge(name: str, text: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"streamer_delivery_{name}", text, labels=labels)

    def counter(name: str, text: str) -> CounterMetricFamily:
        return CounterMetricFamily(f"streamer_delivery_{name}", text, labels=labels)

    waiting = gauge("waiting_messages", "Messages that the target has not taken yet.")
    behind = gauge("behind_seconds", "Seconds for which the oldest of them has waited; 0 where none waits.")
    failing = gauge("failing", "1 while the target takes nothing, else 0; /healthz says why.")
    dead = gauge("dead_letters", "Messages that were given up and are kept in the file.")
    sent = counter("sent_messages", "Messages that the target has taken.")
    failures = counter("failures", "Attempts to send that failed, and were or will be repeated.")
    given_up = counter("given_up_messages", "Messages that became dead letters.")
    dropped = counter("dropped_messages", "Messages that a full outbox had no room for.")
    latency = HistogramMetricFamily(
        "streamer_delivery_latency_seconds",
        "Seconds from the record of a change to the target's word that it has the message.",
        labels=labels,
    )
    for folder, each in deliveries:
        own = [folder, each.target]
        waiting.add_metric(own, each.waiting)
        behind.add_metric(own, each.behind_s)
        failing.add_metric(own, float(bool(each.problem)))
        dead.add_metric(own, each.dead_letters)
        sent.add_metric(own, each.sent)
        failures.add_metric(own, each.failures)
        given_up.add_metric(own, each.given_up)
        dropped.add_metric(own, each.dropped)
        latency.add_metric(own, buckets(each.latency), sum_value=each.latency.total_s)
    return waiting, behind, failing, dead, sent, failures, given_up, dropped, latency
