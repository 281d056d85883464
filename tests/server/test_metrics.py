"""`GET /metrics` tells Prometheus what was done, in its own format, and only to those who have the key."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from reranker import Reranker, Settings
from reranker.core.types import Query
from tests.support.document_forms import data_uri
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, checksum
from tests.support.workers import ManualWorker, WorkersOf

Sample = tuple[str, tuple[str, ...]]
CONTENTS = [b"\x89PNG\r\n\x1a\n%d" % index for index in range(5)]


def samples(url: str, key: str = "") -> dict[Sample, float]:
    """The value of each sample, by its name and the values of its labels."""
    response = httpx.get(f"{url}metrics", headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=PATIENCE_S)
    response.raise_for_status()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def unless_last(query: Query, content: bytes) -> float:
    if content == CONTENTS[-1]:
        raise ValueError("it fails")
    return checksum(query, content)


def test_what_was_done_is_counted(serve_both) -> None:
    url = serve_both(Reranker(scorer=ScriptedScorer(judge=unless_last, batch_tokens=2)))
    before = samples(url)
    body = {"query": "a dog", "documents": [data_uri(content) for content in CONTENTS]}
    assert httpx.post(f"{url}v1/rerank", json=body, timeout=PATIENCE_S).status_code == 200
    assert httpx.post(f"{url}v1/rerank", json={"query": "", "documents": []}).status_code == 400
    after = samples(url)
    grown = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
    assert grown["reranker_pictures_total", ("false",)] == 4
    assert grown["reranker_failures_total", ("PictureUnscored",)] == 1
    assert grown["reranker_requests_total", ("/v1/rerank", "200")] == 1
    assert grown["reranker_requests_total", ("/v1/rerank", "400")] == 1
    batches = grown["reranker_batch_seconds_count", ()]
    assert batches >= 3, "two pictures a batch, and the one that fails again alone"
    assert grown["reranker_queue_seconds_count", ()] == batches
    assert grown["reranker_batch_seconds_sum", ()] > 0
    assert after["reranker_ready", ()] == 1
    assert not any(name.startswith("reranker_worker") for name, _ in after), "the model is in the process of the server"


def test_memory_and_workers_are_shown(serve_api) -> None:
    scorer = ScriptedScorer()
    scorer.device_memory = (3, 24)
    reranker = Reranker(scorer=scorer)
    workers = WorkersOf(ManualWorker("studio/0"), ManualWorker("studio/1"))
    reranker._workers = workers
    for number in range(5):
        workers.scheduler.submit(lambda worker, number=number: worker.call("run", number), pictures=8)
    workers.all[0].finish()
    url = serve_api(reranker)
    shown = samples(url)
    assert {labels: value for (name, labels), value in shown.items() if name == "reranker_device_memory_bytes"} == {
        ("used",): 3,
        ("total",): 24,
    }
    assert shown["reranker_worker_pictures_total", ("studio/0",)] == 8
    assert shown["reranker_worker_pictures_total", ("studio/1",)] == 0
    assert shown["reranker_worker_batches_in_flight", ("studio/0",)] == 2
    assert shown["reranker_queue", ()] == 0
    health = httpx.get(f"{url}health").json()
    assert [(each["in_flight"], each["pictures"]) for each in health["workers"]] == [(2, 8), (2, 0)]
    assert "studio" not in str(health), "names of machines are for those who have the key"


@pytest.mark.parametrize(("settings", "status"), [({"api_key": "k"}, 401), ({"auth": "me:secret"}, 401)])
def test_metrics_need_the_key(serve_api, settings: dict[str, str], status: int) -> None:
    url = serve_api(Reranker(scorer=ScriptedScorer(), settings=Settings.of(**settings)))
    assert httpx.get(f"{url}metrics").status_code == status
    assert httpx.get(f"{url}health").json()["workers"] == []
    if "api_key" in settings:
        assert samples(url, key="k")["reranker_ready", ()] == 1
