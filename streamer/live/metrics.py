"""Prometheus metrics, read from the status of the cameras when they are asked for: a frame costs nothing more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from streamer._version import __version__
from streamer.live.status import STATES, CameraStatus
from streamer.stats import STAGES

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histograms' buckets in seconds."""

DROP_CAUSES = ("queue_full", "stale", "damaged", "abandoned")
"""Always exported, so that a rate over them exists before the first drop."""


class CameraCollector(Collector):
    """Turns each camera's status into metric families when Prometheus asks."""

    def __init__(self, cameras: Callable[[], Sequence[CameraStatus]]) -> None:
        self._cameras = cameras

    def describe(self) -> Iterable[Metric]:
        """Nothing: otherwise the registry would collect once at the start, before there are cameras."""
        return []

    def collect(self) -> Iterable[Metric]:
        cameras = self._cameras()
        info = InfoMetricFamily("streamer_build", "Version of streamer.")
        info.add_metric([], {"version": __version__})
        yield info
        yield from _source(cameras)
        yield from _frames(cameras)
        yield from _rates(cameras)
        yield from _latencies(cameras)
        yield from _detector(cameras)
        yield from _outputs(cameras)


def registry(cameras: Callable[[], Sequence[CameraStatus]]) -> CollectorRegistry:
    """A registry of its own with the cameras' metrics and those of the process (memory, processor time, open files)."""
    own = CollectorRegistry(auto_describe=False)
    own.register(CameraCollector(cameras))
    ProcessCollector(registry=own)
    PlatformCollector(registry=own)
    GCCollector(registry=own)
    return own


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"streamer_{name}", text, labels=("source", *labels))


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"streamer_{name}", text, labels=("source", *labels))


def _source(cameras: Sequence[CameraStatus]) -> Iterable[Metric]:
    state = _gauge("source_state", "1 for the state that the source is in, 0 for the others.", "state")
    seconds = _gauge("source_state_seconds", "Seconds since the source came into its state.")
    age = _gauge("frame_age_seconds", "Seconds since the newest frame was captured.")
    reconnects = _counter("reconnects", "Times that the source was connected to again.")
    stalls = _counter("stalls", "Times that the source fell silent while connected.")
    stuck = _gauge("source_stuck", "1 while a stage of the source's line does not come back; /healthz says which.")
    for camera in cameras:
        for name in STATES:
            state.add_metric([camera.name, name], float(camera.state == name))
        seconds.add_metric([camera.name], camera.state_s)
        if camera.frame_age_s is not None:
            age.add_metric([camera.name], camera.frame_age_s)
        reconnects.add_metric([camera.name], camera.reconnects)
        stalls.add_metric([camera.name], camera.stalls)
        stuck.add_metric([camera.name], float(bool(camera.stuck)))
    return state, seconds, age, reconnects, stalls, stuck


def _frames(cameras: Sequence[CameraStatus]) -> Iterable[Metric]:
    captured = _counter("frames_captured", "Frames that the source gave.")
    shown = _counter("frames_shown", "Frames that went to the outputs.")
    dropped = _counter("frames_dropped", "Frames that did not, by cause.", "cause")
    damaged = _counter("damaged_frames", "Frames in which the decoder concealed errors.")
    for camera in cameras:
        captured.add_metric([camera.name], camera.frames_in)
        shown.add_metric([camera.name], camera.frames_out)
        for cause in sorted({*DROP_CAUSES, *camera.dropped}):
            dropped.add_metric([camera.name, cause], camera.dropped.get(cause, 0))
        damaged.add_metric([camera.name], camera.damaged_frames)
    return captured, shown, dropped, damaged


def _rates(cameras: Sequence[CameraStatus]) -> Iterable[Metric]:
    rates = {
        "camera_fps": "Frames a second that the source gives, over the last ten seconds.",
        "process_fps": "Frames a second that go to the outputs, over the last ten seconds.",
        "skipped_fps": "Frames a second that are dropped, over the last ten seconds.",
        "detection_fps": "Pictures a second that the detector works on, over the last ten seconds.",
    }
    for name, text in rates.items():
        family = _gauge(name, text)
        for camera in cameras:
            family.add_metric([camera.name], getattr(camera, name))
        yield family


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
                counts = latency.counts_within(BOUNDS_S)
                bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
                family.add_metric([camera.name], list(zip(bounds, map(float, counts), strict=True)), sum_value=latency.total_s)
        yield family


def _detector(cameras: Sequence[CameraStatus]) -> Iterable[Metric]:
    detections = _counter("detections", "Pictures that the detector has worked on.")
    busy = _counter("detector_busy_seconds", "Seconds that the detector has worked for this source.")
    share = _gauge("detector_busy_ratio", "Share of the last ten seconds in which the detector worked for this source.")
    mask_age = _gauge("mask_age_seconds", "Age of the oldest mask in the newest picture.")
    fill = _gauge("queue_fill_ratio", "How full a queue is, 0 to 1.", "queue")
    for camera in cameras:
        detections.add_metric([camera.name], camera.detections)
        busy.add_metric([camera.name], camera.detector_busy_s)
        share.add_metric([camera.name], camera.detector_share)
        if camera.mask_age_s is not None and math.isfinite(camera.mask_age_s):
            mask_age.add_metric([camera.name], camera.mask_age_s)
        for name, (_, full) in camera.queues.items():
            fill.add_metric([camera.name, name], full)
    return detections, busy, share, mask_age, fill


def _outputs(cameras: Sequence[CameraStatus]) -> Iterable[Metric]:
    state = _gauge("output_state", "1 for the state that the output is in, 0 for the others.", "output", "state")
    frames = _counter("output_frames", "Frames that the output has written.", "output")
    size = _counter("output_bytes", "Bytes that the output has written.", "output")
    dropped = _counter("output_frames_dropped", "Frames that the output was too slow for.", "output")
    fill = _gauge("output_queue_fill_ratio", "How full the output's queue is, 0 to 1.", "output")
    for camera in cameras:
        for output in camera.outputs:
            labels = [camera.name, output.name]
            for name in STATES:
                state.add_metric([*labels, name], float(output.state == name))
            frames.add_metric(labels, output.frames)
            size.add_metric(labels, output.bytes)
            dropped.add_metric(labels, output.dropped)
            fill.add_metric(labels, output.fill)
    return state, frames, size, dropped, fill
