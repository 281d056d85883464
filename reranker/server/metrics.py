"""`GET /metrics` in the format of Prometheus: what the engine has counted, requests, memory and workers."""

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from reranker.api import Reranker
from reranker.engine.metrics import REGISTRY
from reranker.server.replicas import Replicas

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

REQUESTS: Final = "reranker_requests"
SEEN_BY_ALL: Final = ("reranker_ready", "reranker_device_memory_bytes")

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
    running, ended = ([], []) if replicas is None else replicas.metrics()
    return merged([here.decode(), *running], ended) if running or ended else here


def merged(texts: Sequence[str], ended: Sequence[str] = ()) -> bytes:
    """Return the sums of equal samples of several texts; of memory and readiness, which all see alike, the largest.

    Requests are those of the first text: its process has received all of them. ended: the last texts of processes that
    have ended. What they have counted stays, since counters must not fall; their gauges are gone.
    """
    together = CollectorRegistry()
    together.register(_Sum(texts, ended))
    return generate_latest(together)


class _Sum(Collector):
    """The metrics of several texts together, as `merged` has it."""

    def __init__(self, texts: Sequence[str], ended: Sequence[str]) -> None:
        self._texts, self._ended = texts, ended

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for number, text in enumerate([*self._texts, *self._ended]):
            has_ended = number >= len(self._texts)
            for family in text_string_to_metric_families(text):
                if (number and family.name == REQUESTS) or (has_ended and family.type == "gauge"):
                    continue
                families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                known = values.setdefault(family.name, {})
                for sample in family.samples:
                    if not sample.name.endswith("_created"):
                        key = sample.name, tuple(sample.labels.items())
                        join = max if family.name in SEEN_BY_ALL else sum
                        known[key] = join((known.get(key, 0.0), sample.value))
        for name, metric in families.items():
            for (sample_name, labels), value in values[name].items():
                metric.add_sample(sample_name, dict(labels), value)
            yield metric


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
