"""What the engine counts and times, for Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from reranker.core.types import Failed, Scored

REGISTRY: Final = CollectorRegistry()
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

QUEUE_SECONDS: Final = Histogram(
    "reranker_queue_seconds", "Time that a batch waited for a device.", buckets=_SECONDS, registry=REGISTRY
)
BATCH_SECONDS: Final = Histogram(
    "reranker_batch_seconds", "Time from the start of a batch to its scores.", buckets=_SECONDS, registry=REGISTRY
)
_PICTURES: Final = Counter(
    "reranker_pictures",
    "Pictures that were scored. cached: whether their features, or their scores, were known.",
    ["cached"],
    registry=REGISTRY,
)
_FAILURES: Final = Counter(
    "reranker_failures", "Pictures that could not be scored, by the class of the error.", ["kind"], registry=REGISTRY
)


def count_event(event: Scored | Failed) -> None:
    """Count what became of a picture."""
    if isinstance(event, Scored):
        _PICTURES.labels(cached=str(event.score.cached).lower()).inc()
    else:
        _FAILURES.labels(kind=type(event.error).__name__).inc()
