"""Add up the metrics of several processes, as texts in the format of Prometheus."""

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

REQUESTS: Final = "reranker_requests"
SEEN_BY_ALL: Final = ("reranker_ready", "reranker_device_memory_bytes")


def merged(texts: Sequence[str], *, with_gauges: bool = True) -> bytes:
    """Return the sums of equal samples of several texts; of memory and readiness, which all see alike, the largest.

    Requests are those of the first text: its process has received all of them. with_gauges: also what is true now, and
    not only what was counted.
    """
    together = CollectorRegistry()
    together.register(_Sum(texts, with_gauges=with_gauges))
    return generate_latest(together)


class _Sum(Collector):
    """The metrics of several texts together, as `merged` has it."""

    def __init__(self, texts: Sequence[str], *, with_gauges: bool) -> None:
        self._texts, self._with_gauges = texts, with_gauges

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for number, text in enumerate(self._texts):
            for family in text_string_to_metric_families(text):
                if (number and family.name == REQUESTS) or (family.type == "gauge" and not self._with_gauges):
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
