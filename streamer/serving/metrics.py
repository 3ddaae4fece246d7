"""Prometheus metrics of a served detector, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from streamer._version import __version__
from streamer.live.metrics import buckets
from streamer.serving.service import ModelService


class ServingCollector(Collector):
    """Turns the figures of a service into metric families when Prometheus asks."""

    def __init__(self, service: ModelService) -> None:
        self._service = service

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that the registry does not collect at the start."""
        return []

    def collect(self) -> Iterable[Metric]:
        service, queue = self._service, self._service.queue
        info = InfoMetricFamily("streamer_build", "Version of streamer.")
        info.add_metric([], {"version": __version__})
        yield info
        requests = CounterMetricFamily(
            "streamer_serve_requests", "Requests for an inference, by protocol and outcome.", labels=("protocol", "outcome")
        )
        for (protocol, outcome), count in sorted(service.requests.copy().items()):
            requests.add_metric([protocol, outcome], count)
        yield requests
        yield CounterMetricFamily("streamer_serve_instances", "Objects that were found.", value=service.instances)
        yield GaugeMetricFamily("streamer_serve_waiting", "Requests that wait for their turn.", value=queue.waiting)
        yield GaugeMetricFamily("streamer_serve_waiting_clients", "Clients that wait.", value=queue.clients)
        yield GaugeMetricFamily(
            "streamer_serve_failed_detectors", "Detectors that do not work and are loaded again.", value=queue.unfit
        )
        for name, text, latency in (
            ("queue", "What requests waited for their turn.", queue.waited),
            ("detector", "What the detector took for a picture.", queue.worked),
        ):
            family = HistogramMetricFamily(f"streamer_serve_{name}_seconds", text)
            family.add_metric([], buckets(latency), sum_value=latency.total_s)
            yield family


def registry(service: ModelService) -> CollectorRegistry:
    """A registry of its own: the service's metrics and those of the process."""
    own = CollectorRegistry(auto_describe=False)
    own.register(ServingCollector(service))
    ProcessCollector(registry=own)
    PlatformCollector(registry=own)
    return own
