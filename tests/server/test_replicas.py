"""Replicas answer the HTTP API side by side: as one process does, and also when one of them is killed."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from reranker import Reranker, Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import QueryEmpty
from reranker.core.scores import sigmoid
from reranker.i18n.error_messages import sentence
from reranker.models.hub import TOYBOX
from reranker.server.http_api import api_application
from reranker.server.merged_metrics import merged
from reranker.server.replicas import NoReplica, Replicas
from tests.support.document_forms import data_uri
from tests.support.http_server import serving
from tests.support.paths import GALLERY
from tests.support.ray_clusters import command_of, descendants
from tests.support.scripted_scorer import ScriptedScorer, until

START_S = 120.0  # replicas load torch
CLIENTS, REQUESTS = 20, 5
ANSWERED = ("reranker_requests_total", "/v1/rerank", "200")
QUERIES = ("a black cat", "一只黑猫", "a red dress", "三个黄色的球")


@contextmanager
def replicated(**settings: object) -> Iterator[tuple[str, Reranker, Replicas]]:
    """Serve the API with two replicas over two workers."""
    given = {"model": "toybox", "workers": "2", "replicas": 2, "score_store_mb": 0, "max_waiting": 40, **settings}
    reranker = Reranker(settings=Settings.of(**given))
    with closing(reranker), closing(Replicas(reranker)) as replicas:
        replicas.start()
        assert replicas.wait_until_ready(START_S)
        with serving(api_application(reranker, replicas)) as url:
            yield url, reranker, replicas


def samples(text: str) -> dict[tuple[str, ...], float]:
    """The value of each sample, by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def replica_processes() -> set[int]:
    return {process for process in descendants(os.getpid()) if "reranker.server.replica" in command_of(process)}


def scores(url: str, query: str, pictures: list[Path]) -> dict[str, float]:
    body = {"query": query, "documents": [data_uri(path.read_bytes()) for path in pictures]}
    response = httpx.post(f"{url}v1/rerank", json=body, timeout=START_S)
    assert response.status_code == 200, response.text
    return {pictures[each["index"]].name: each["relevance_score"] for each in response.json()["results"]}


@pytest.mark.extended
def test_many_clients_get_their_own_answers_also_when_a_replica_is_killed() -> None:
    pictures = sorted(GALLERY.glob("*.png"))
    local = Reranker(settings=Settings.of(model="toybox", score_store_mb=0))
    expected = {
        (query, scored.candidate.name): sigmoid(scored.score.log_odds)
        for query in QUERIES
        for scored in local.rank(query, pictures).scored
    }

    def ask(number: int) -> None:
        chosen, query = Random(number).sample(pictures, 5), QUERIES[number % len(QUERIES)]
        for name, score in scores(url, query, chosen).items():
            assert score == pytest.approx(expected[query, name], abs=1e-4), (number, name)

    with replicated() as (url, *_), ThreadPoolExecutor(CLIENTS) as clients:
        before = samples(httpx.get(f"{url}metrics").text)
        answers = [clients.submit(ask, number) for number in range(CLIENTS * REQUESTS)]
        answers[CLIENTS].result()
        assert all(os.getpgid(process) != os.getpgid(0) for process in replica_processes()), "Ctrl-C reaches them"
        half = samples(httpx.get(f"{url}metrics").text)
        os.kill(min(replica_processes()), signal.SIGKILL)
        for answer in answers:
            answer.result()
        until(lambda: len(replica_processes()) == 2, START_S)
        after = samples(httpx.get(f"{url}metrics").text)
        fallen = {key for key, value in half.items() if key[0].endswith("_total") and after.get(key, 0.0) < value}
        assert fallen == set(), "what a process has counted stays when it ends"
        assert after[ANSWERED] - before.get(ANSWERED, 0) == CLIENTS * REQUESTS
    until(lambda: not replica_processes(), START_S)


@pytest.mark.extended
def test_the_key_and_the_sentences_are_those_of_one_process() -> None:
    with replicated(api_key="k") as (url, *_):
        body = {"query": "", "documents": [data_uri((GALLERY / "man_red_coat.png").read_bytes())]}
        assert httpx.post(f"{url}v1/rerank", json=body).status_code == 401
        headers = {"Authorization": "Bearer k", "Accept-Language": "zh-CN"}
        response = httpx.post(f"{url}v1/rerank", json=body, headers=headers, timeout=START_S)
        assert (response.status_code, response.headers["content-language"]) == (400, "zh")
        assert sentence(QueryEmpty(), "zh") in str(response.json())


@pytest.mark.extended
def test_replicas_take_the_model_that_the_server_has_now(tmp_path: Path) -> None:
    """As after a download on the page. Until they have it, this process answers."""
    folder = tmp_path / "downloaded"
    shutil.copytree(TOYBOX, folder)
    with replicated() as (url, reranker, replicas):
        reranker._model, reranker._choice = None, replace(reranker.choice, name=str(folder))
        body = {"query": "a black cat", "documents": [data_uri((GALLERY / "man_red_coat.png").read_bytes())]}
        assert httpx.post(f"{url}v1/rerank", json=body, timeout=START_S).json()["model"] == "downloaded"
        assert replicas.wait_until_ready(START_S)
        answer = replicas.answer(
            "/v1/rerank", bytearray(json.dumps(body).encode()), {"Content-Type": "application/json"}, Cancellation()
        )
        assert json.loads(answer.body)["model"] == "downloaded"


def test_without_replicas_this_process_answers(serve_api) -> None:
    reranker = Reranker(scorer=ScriptedScorer(), settings=Settings.of(replicas=2))
    replicas = Replicas(reranker)  # they have not been started yet
    with serving(api_application(reranker, replicas)) as url:
        body = {"query": "a cat", "documents": [data_uri(b"\x89PNG\r\n\x1a\n1")]}
        assert httpx.post(f"{url}v1/rerank", json=body).status_code == 200
    with pytest.raises(NoReplica):
        replicas.answer("/v1/rerank", bytearray(), {}, None)
    replicas.close()


def test_counts_of_processes_that_have_ended_stay_and_what_was_true_of_them_does_not() -> None:
    text = "# TYPE a_total counter\na_total {}\n# TYPE b gauge\nb {}\n"
    ended = merged(["", text.format(10, 10)], with_gauges=False).decode()
    ended = merged([ended, text.format(100, 100)], with_gauges=False).decode()
    assert samples(merged([text.format(1, 1), ended]).decode()) == {("a_total",): 111, ("b",): 1}


def test_metrics_of_several_processes_are_added_and_what_all_see_is_not() -> None:
    here = """
# TYPE reranker_requests_total counter
reranker_requests_total{path="/v1/rerank",status="200"} 5
# TYPE reranker_pictures_total counter
reranker_pictures_total{cached="false"} 1
# TYPE reranker_ready gauge
reranker_ready 1
# TYPE reranker_device_memory_bytes gauge
reranker_device_memory_bytes{kind="used"} 7
# TYPE reranker_batch_seconds histogram
reranker_batch_seconds_bucket{le="0.1"} 1
reranker_batch_seconds_bucket{le="+Inf"} 2
reranker_batch_seconds_count 2
reranker_batch_seconds_sum 3
"""
    there = here.replace("} 1\n", "} 10\n").replace('used"} 7', 'used"} 9')
    assert samples(merged([here, there]).decode()) == {
        ("reranker_requests_total", "/v1/rerank", "200"): 5,
        ("reranker_pictures_total", "false"): 11,
        ("reranker_ready",): 1,
        ("reranker_device_memory_bytes", "used"): 9,
        ("reranker_batch_seconds_bucket", "0.1"): 11,
        ("reranker_batch_seconds_bucket", "+Inf"): 4,
        ("reranker_batch_seconds_count",): 4,
        ("reranker_batch_seconds_sum",): 6,
    }
