"""`GET /metrics` in the format of Prometheus: what the engine has counted, requests, memory and workers."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reranker.api import Reranker
from reranker.engine.metrics import REGISTRY
from reranker.server.merged_metrics import REQUESTS, merged
from reranker.server.replicas import Replicas

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_REQUESTS: Final = Counter(
    REQUESTS, "Requests to the HTTP API, by path and status.", ["path", "status"], registry=REGISTRY
)


def count_request(path: str, status: int) -> None:
    """Count a request that was answered. path: of a route, so that there are few."""
    _REQUESTS.labels(path=path, status=str(status)).inc()


def exposition(reranker: Reranker, replicas: Replicas | None = None) -> bytes:
    """Return all metrics as text. Those of replicas are added to those of this process."""
    state = CollectorRegistry()
    state.register(_State(reranker))
    here = generate_latest(REGISTRY) + generate_latest(state)
    others = [] if replicas is None else replicas.metrics()
    return merged([here.decode(), *others]) if others else here


class _State(Collector):
    """Tells what is true now: the memory of the device, the queue, and what the workers do."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker

    def collect(self) -> Iterator[Metric]:
        reranker = self._reranker
        yield GaugeMetricFamily("reranker_ready", "Whether the model is loaded.", int(reranker.is_loaded))
        waiting = reranker.device_queue.waiting + reranker.waiting_batches
        yield GaugeMetricFamily("reranker_queue", "Runs and batches that wait for a device.", waiting)
        memory = reranker.load().device_memory if reranker.is_loaded else None
        if memory is not None:
            used = GaugeMetricFamily("reranker_device_memory_bytes", "Memory of the fullest GPU.", labels=["kind"])
            for kind, nbytes in zip(("used", "total"), memory, strict=True):
                used.add_metric([kind], nbytes)
            yield used
        workers = reranker.workers
        if not workers:
            return
        in_flight = GaugeMetricFamily("reranker_worker_batches_in_flight", "Batches of a worker.", labels=["worker"])
        pictures = CounterMetricFamily("reranker_worker_pictures", "Pictures of a worker.", labels=["worker"])
        for status in workers:
            in_flight.add_metric([status.name], status.in_flight)
            pictures.add_metric([status.name], status.pictures)
        yield from (in_flight, pictures)
