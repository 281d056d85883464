"""The HTTP door, over a real server on loopback: shapes, mistakes, limits, keys, crowds, and a real reranker client."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from io import BytesIO
from urllib.parse import urlsplit

import cohere
import httpx
import pytest
from PIL import Image

from reranker import Reranker, Settings
from reranker.core.cancellation import Cancellation
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, content_of, until


def data_uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.fixture(scope="session")
def pictures(drawings) -> list[str]:
    """A red house, a blue car, a black cat, a yellow ball."""
    return [data_uri(path.read_bytes()) for path in drawings]


def ask(url: str, **body) -> httpx.Response:
    return httpx.post(f"{url}v1/rerank", json=body, timeout=PATIENCE_S)


def indices(response: httpx.Response) -> list[int]:
    return [result["index"] for result in response.json()["results"]]


# Shapes


def test_the_best_comes_first_whatever_form_the_pictures_have(toybox_url: str, pictures: list[str]) -> None:
    forms = [
        pictures,
        [{"image": one} for one in pictures],
        [{"image": one.partition(",")[2]} for one in pictures],
        [{"content": [{"type": "image_url", "image_url": {"url": one}}]} for one in pictures],
    ]
    answers = [ask(toybox_url, query="a blue car", documents=documents) for documents in forms]
    assert {response.status_code for response in answers} == {200}
    assert [response.json() for response in answers] == [answers[0].json()] * len(forms)
    assert indices(answers[0])[0] == 1
    assert sorted(indices(answers[0])) == [0, 1, 2, 3]


def test_scores_are_the_probabilities_of_the_reranker(toybox: Reranker, toybox_url: str, pictures, drawings) -> None:
    answer = ask(toybox_url, query="黑猫", documents=pictures, top_n=2).json()
    ranking = toybox.rank("黑猫", drawings)
    assert [one["index"] for one in answer["results"]] == [one.position for one in ranking.scored[:2]]
    best = answer["results"][0]["relevance_score"]
    assert best == pytest.approx(1 / (1 + 2.718281828459045 ** -ranking.scored[0].score.log_odds), abs=1e-4)
    tokens = sum(one.score.visual_tokens for one in ranking.scored)
    assert answer["usage"] == {"images": 4, "total_tokens": tokens}
    assert answer["model"] == "toybox"


def test_documents_come_back_when_asked_for(toybox_url: str, pictures: list[str]) -> None:
    titled = [{"image": one, "text": f"number {place}"} for place, one in enumerate(pictures)]
    plain = ask(toybox_url, query="a red house", documents=titled).json()
    whole = ask(toybox_url, query="a red house", documents=titled, return_documents=True).json()
    assert all("document" not in one for one in plain["results"])
    assert [one["document"] for one in whole["results"]] == [titled[one["index"]] for one in whole["results"]]


def test_text_parts_are_judged_with_their_picture(serve, pictures: list[str]) -> None:
    texts = []

    def read(candidate):
        texts.append(candidate.text)
        return content_of(candidate)

    url = serve(Reranker(scorer=ScriptedScorer(read=read)))
    parts = [{"type": "text", "text": "shoe"}, {"type": "image_url", "image_url": {"url": pictures[0]}}]
    ask(url, query="a", documents=[{"content": parts}])
    assert texts == ["shoe"]


def test_a_picture_that_cannot_be_read_costs_itself_alone(toybox_url: str, pictures: list[str]) -> None:
    answer = ask(toybox_url, query="a red house", documents=[data_uri(b"no picture"), *pictures])
    assert answer.status_code == 200
    assert [one["index"] for one in answer.json()["failures"]] == [0]
    assert "documents[0]" in answer.json()["failures"][0]["detail"]
    assert sorted(indices(answer)) == [1, 2, 3, 4]
    none = ask(toybox_url, query="a red house", documents=[data_uri(b"no picture")])
    assert (none.status_code, "documents[0]" in none.json()["detail"]) == (422, True)


def test_a_client_that_people_use_for_reranking_gets_its_ranking(toybox_url: str, pictures: list[str]) -> None:
    client = cohere.Client("any key", base_url=toybox_url.rstrip("/"))
    answer = client.rerank(query="a yellow ball", documents=pictures, model="rerank-v3.5", top_n=2)
    assert answer.results[0].index == 3
    assert len(answer.results) == 2
    assert answer.results[0].relevance_score > answer.results[1].relevance_score


def test_it_describes_itself(toybox_url: str) -> None:
    described = httpx.get(f"{toybox_url}v1/openapi.json").json()
    assert set(described["paths"]) == {"/rerank", "/models"}
    assert httpx.get(f"{toybox_url}v1/models").json()["data"] == [{"id": "toybox", "object": "model"}]


# Mistakes


@pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:1/a.png", "https://example.org/a.png", "file:///etc/passwd"])
@pytest.mark.parametrize("form", [str, lambda one: {"image": one}])
def test_addresses_are_refused_and_never_fetched(toybox_url: str, pictures: list[str], elsewhere: str, form) -> None:
    answer = ask(toybox_url, query="a", documents=[pictures[0], form(elsewhere)])
    assert answer.status_code == 400
    assert "documents[1] is an address" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"query": "a", "documents": ["PICTURE", "../../etc/passwd"]}, "documents[1] is a text"),
        ({"query": "a", "documents": ["PICTURE", "data:image/png,plain"]}, "documents[1] is a text"),
        ({"query": "a", "documents": ["PICTURE", {"image": "*"}]}, "documents[1] is no base64"),
        ({"query": "a", "documents": ["PICTURE", {"text": "shoe"}]}, "at “documents[1]”"),
        ({"query": "a", "documents": ["PICTURE", 7]}, "at “documents[1]”"),
        ({"query": "a", "documents": [{"content": [{"type": "text", "text": "shoe"}]}]}, "one picture among"),
        ({"query": "a", "documents": []}, "at “documents”"),
        ({"query": "a", "documents": "PICTURE"}, "at “documents”"),
        ({"query": "  ", "documents": ["PICTURE"]}, "sentence"),
        ({"query": "a" * 1001, "documents": ["PICTURE"]}, "1,001"),
        ({"documents": ["PICTURE"]}, "at “query”"),
        ({"query": "a", "documents": ["PICTURE"], "top_n": 0}, "at “top_n”"),
        ([], "at “body”"),
    ],
)
def test_a_mistake_in_the_call_is_named(toybox_url: str, pictures: list[str], body: object, said: str) -> None:
    sent = json.dumps(body).replace("PICTURE", pictures[0])
    answer = httpx.post(f"{toybox_url}v1/rerank", content=sent, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b'{"query": NaN}'])
def test_what_is_no_json_is_a_bad_request(toybox_url: str, content: bytes) -> None:
    answer = httpx.post(f"{toybox_url}v1/rerank", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_what_a_foreign_page_can_send_unasked_is_refused(toybox_url: str, pictures: list[str]) -> None:
    """A browser asks first before it sends JSON elsewhere, but not before text."""
    body = json.dumps({"query": "a", "documents": pictures})
    answer = httpx.post(f"{toybox_url}v1/rerank", content=body, headers={"content-type": "text/plain"})
    assert answer.status_code == 400


def test_mistakes_are_told_in_the_language_that_is_asked_for(toybox_url: str) -> None:
    answer = httpx.post(
        f"{toybox_url}v1/rerank", json={"query": "a", "documents": ["x"]}, headers={"accept-language": "zh-CN"}
    )
    assert "documents[0] 是文本" in answer.json()["detail"]


# Limits


def test_ten_thousand_documents_are_too_many(toybox_url: str) -> None:
    answer = ask(toybox_url, query="a", documents=["data:;base64,"] * 10_000)
    assert (answer.status_code, "10,000" in answer.json()["detail"]) == (413, True)


def test_a_request_is_read_up_to_its_limit_and_no_further(serve) -> None:
    url = serve(Reranker(settings=Settings.of(max_request_mb=1), scorer=ScriptedScorer()))
    answer = ask(url, query="a", documents=[data_uri(bytes(1_000_000))])
    assert (answer.status_code, "1 MB" in answer.json()["detail"]) == (413, True)


def test_a_picture_that_unpacks_to_too_much_is_refused_by_itself(toybox_url: str, pictures: list[str]) -> None:
    buffer = BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    answer = ask(toybox_url, query="a red house", documents=[data_uri(buffer.getvalue()), pictures[0]])
    assert "400.0 megapixels" in answer.json()["failures"][0]["detail"]
    assert indices(answer) == [1]


@pytest.mark.parametrize(
    ("settings", "given", "status"),
    [
        (Settings.of(api_key="k"), {}, 401),
        (Settings.of(api_key="k"), {"authorization": "Bearer no"}, 401),
        (Settings.of(api_key="k"), {"authorization": "Bearer k"}, 200),
        (Settings.of(auth="me:secret"), {}, 401),
        (Settings.of(auth="me:secret"), {"authorization": "Bearer secret"}, 401),
        (Settings.of(auth="me:secret", api_key="k"), {"authorization": "Bearer k"}, 200),
    ],
)
def test_who_must_bring_a_key(serve, settings: Settings, given: dict[str, str], status: int) -> None:
    url = serve(Reranker(settings=settings, scorer=ScriptedScorer()))
    assert httpx.get(f"{url}v1/models", headers=given).status_code == status
    assert httpx.get(f"{url}health").status_code == 200


def test_who_has_no_key_is_turned_away_before_anything_is_read(serve) -> None:
    url = serve(Reranker(settings=Settings.of(api_key="k", max_request_mb=1), scorer=ScriptedScorer()))
    answer = ask(url, query="a", documents=[data_uri(bytes(500_000))] * 2)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_foreign_name_for_this_machine_is_turned_away(serve) -> None:
    """A page of another site may give its own name this address."""
    url = serve(Reranker(scorer=ScriptedScorer()))
    for path in ("", "config", "v1/models", "health"):
        assert httpx.get(f"{url}{path}", headers={"host": "evil.example"}).status_code == 400
    assert httpx.get(f"{url}health", headers={"host": "localhost:7860"}).status_code == 200


def test_guests_of_a_served_page_may_call_it_by_any_name(serve) -> None:
    url = serve(Reranker(scorer=ScriptedScorer(), settings=Settings.of(host="0.0.0.0")))
    assert httpx.get(f"{url}health", headers={"host": "studio.example"}).status_code == 200


# Crowds


def test_a_crowd_is_answered_or_told_to_wait_and_nobody_gets_anothers_ranking(serve, pictures: list[str]) -> None:
    """50 at once, each with its own picture in the midst of others; the page answers meanwhile."""
    url = serve(Reranker("toybox"))
    wanted = {"a red house": 0, "a blue car": 1, "a black cat": 2, "a yellow ball": 3}
    queries = [list(wanted)[place % 4] for place in range(50)]
    with ThreadPoolExecutor(50) as pool:
        answers = pool.map(lambda query: ask(url, query=query, documents=pictures), queries)
        assert httpx.get(f"{url}health", timeout=PATIENCE_S).json()["alive"]
        answers = list(answers)
    assert {answer.status_code for answer in answers} <= {200, 429}
    answered = [(query, answer) for query, answer in zip(queries, answers, strict=True) if answer.status_code == 200]
    assert len(answered) >= 20
    assert all(indices(answer)[0] == wanted[query] for query, answer in answered)
    waiting = [answer for answer in answers if answer.status_code == 429]
    assert all(answer.headers["retry-after"] for answer in waiting)


def test_who_goes_away_stops_the_run_before_its_next_batch(serve) -> None:
    began, gate = threading.Event(), threading.Event()

    def judge(*_: object) -> float:
        began.set()
        assert gate.wait(PATIENCE_S)
        return 1.0

    class Told(Reranker):
        def rank_stream(self, *asked, cancellation, **named):
            cancellations.append(cancellation)
            return super().rank_stream(*asked, cancellation=cancellation, **named)

    cancellations: list[Cancellation] = []
    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    reranker = Told(scorer=scorer)
    connection = HTTPConnection(urlsplit(serve(reranker)).netloc)
    body = json.dumps({"query": "a", "documents": [data_uri(b"%d" % place) for place in range(20)]})
    connection.request("POST", "/v1/rerank", body, {"content-type": "application/json"})
    assert began.wait(PATIENCE_S)
    connection.close()
    assert cancellations[0].wait(PATIENCE_S)
    gate.set()
    until(lambda: "reranker-device" not in {thread.name for thread in threading.enumerate()})
    assert len(scorer.batches) == 1
