"""3,000 mutated requests, always the same ones: each is answered, none with an unexpected error."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from reranker import Query, Reranker
from reranker.labelling.server import application
from reranker.server.security import same_origin_only
from tests.support.document_forms import forms_with_text, forms_without_text
from tests.support.http_server import serving_page
from tests.support.label_page import labelling, numbered_folder
from tests.support.numbered_pictures import number_in, numbered_picture
from tests.support.page_session import PageSession
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, checksum

pytestmark = pytest.mark.extended

PICTURE = "data:image/png;base64,MS41"
RERANK = {"query": "a red boat", "documents": [PICTURE, {"image": "MS41", "text": "a"}], "top_n": 1}
SIGNED = b"\x89PNG\r\n\x1a\n"  # a string alone must begin like a picture
FORMS = [*forms_with_text(SIGNED, "a").values(), *forms_without_text(SIGNED).values()]
SCORES = {
    "queries": ["a", {"content": [{"type": "text", "text": "b"}]}],
    "documents": [PICTURE, FORMS[-1]],
}
FILE = {"path": "/tmp/a.png", "url": "http://127.0.0.1:1/a.png", "meta": {"_type": "gradio.FileData"}}
EVENT = {"fn_index": 3, "data": ["a", [{"image": FILE, "caption": None}], None], "session_hash": "s", "trigger_id": 1}
LABEL = {"query": "a cat", "relevant": ["a.png"], "line": 1, "saved_query": "a cat"}

VALUES: list[Any] = [
    *(None, True, -1, 0, 2**63, 10**400, 1e308, -0.0, "", " ", "\0", "\u202e", "\ufeff", "红", "😀", "a" * 3_000),
    *([], {}, [[]], [None] * 2_000, {"a": {}}, ["x"] * 50, {"path": "/etc/passwd", "meta": 1}, FILE, PICTURE),
]
BYTES = [b"", b'"', b"\\", b"{", b"]", b"\0", b"\xff", b"\\ud800", b"NaN", b"1e999", b"[" * 5_000, b'"a":', b"\r\n"]


def either(query: Query, content: bytes) -> float:
    """Score a real picture by its number, and anything else by its bytes."""
    is_numbered = content.startswith(SIGNED) and b"number" in content
    return number_in(query, content) if is_numbered else checksum(query, content)


def mutated_value(value: Any, random: Random) -> Any:
    """The value with another value somewhere in it, or without one, or with one twice."""
    if isinstance(value, dict | list) and value and random.random() < 0.8:
        copy = value.copy()
        key = random.choice(list(copy)) if isinstance(copy, dict) else random.randrange(len(copy))
        if random.random() < 0.15:
            del copy[key]
        else:
            copy[key] = mutated_value(copy[key], random)
        return copy
    return random.choice(VALUES)


def mutated_bytes(body: bytes, random: Random) -> bytes:
    """The body with a few bytes replaced, cut off or repeated."""
    mutated = bytearray(body)
    for _ in range(random.randrange(1, 4)):
        start = random.randrange(len(mutated) + 1)
        mutated[start : start + random.choice([0, 0, 1, 5, 10_000])] = random.choice(BYTES)
    return bytes(mutated)


def json_bodies(seed: Any, random: Random) -> Iterator[bytes]:
    while True:
        value = mutated_value(seed, random)
        body = json.dumps(value, ensure_ascii=random.random() < 0.7).encode(errors="surrogatepass")
        yield body if random.random() < 0.6 else mutated_bytes(body, random)


def form_bodies(random: Random) -> Iterator[bytes]:
    part = b'--B\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n1.5\r\n'
    while True:
        yield mutated_bytes(part * random.randrange(1, 4) + b"--B--\r\n", random)


def session_requests(ids: list[str], ranking: str) -> list[tuple[str, Any]]:
    """The paths of the routes of a session that receive JSON, and valid bodies."""
    chosen = [{"id": ranking, "pictures": ids}, {"id": ranking}]
    row = {"status": "scored", "path": "a.png", "score": 7.3, "log_odds": 1.0, "sha256": "00", "words": "Score: 7"}
    saved = {"query": "a", "fingerprint": "f", "judged_by": {"model": "m", "precision": "p"}, "results": [row] * 2}
    return [
        ("marks", {"pictures": ids, "pick": 1, "rating": 5}),
        ("rank", {"queries": ["a", "b"], "exclude": "", "pictures": ids}),
        ("explain", {"ranking": ranking, "picture": ids[0]}),
        ("rating", {"ranking": ranking, "picture": ids[0]}),
        *(("exports", {"format": format_, "rankings": chosen}) for format_ in ("csv", "json", "html", "zip")),
        ("saved?name=a.json", {"queries": [saved, saved]}),
        ("remove", {"pictures": ["x", *ids[:0]]}),
        ("restore", {}),
        ("stop", {}),
        ("galleries", {"name": ""}),
        ("retry", {"ranking": ranking}),
    ]


Post = Callable[[str, bytes, dict[str, str]], httpx.Response]
JSON_HEADERS = {"content-type": "application/json"}


def statuses(post: Post, path: str, bodies: Iterator[bytes], headers: dict[str, str], count: int) -> Counter[int]:
    return Counter(post(path, next(bodies), headers).status_code for _ in range(count))


def test_the_page_and_the_api_answer_every_request(caplog, capfd) -> None:
    random = Random(15)
    page = serving_page(Reranker(scorer=ScriptedScorer(judge=either)))
    with page as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:

        def post(path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
            return client.post(path, content=body, headers=headers)

        requests = [
            ("v1/rerank", RERANK),
            ("rerank", RERANK | {"documents": {"content": FORMS[2]}, "query": {"text": "a", "image": None}}),
            *(("v2/rerank", RERANK | {"documents": FORMS[start::8]}) for start in range(8)),
            ("score", SCORES),
            ("v1/score", {"text_1": "a", "text_2": FORMS[3]}),
        ]
        for path, seed in requests:
            counted = statuses(post, path, json_bodies(seed, random), JSON_HEADERS, 100)
            assert set(counted) <= {200, 400, 413, 422}, path
            assert {200, 400} <= set(counted), path
        for path in ("queue/join", "run/predict", "call/rank", "cancel", "reset"):
            answered = statuses(post, f"gradio_api/{path}", json_bodies(EVENT, random), JSON_HEADERS, 150)
            assert set(answered) <= {200, 400, 404, 413, 422, 500, 503}, path
        session = PageSession.create(client)
        ids = session.add(1, 2)
        (ranking,) = session.rank("a cat")
        reached: set[int] = set()
        for path, seed in session_requests(ids, ranking["id"]):
            answered = statuses(post, f"sessions/{session.id}/{path}", json_bodies(seed, random), JSON_HEADERS, 60)
            assert set(answered) <= {200, 202, 204, 400, 404, 409, 413, 422, 429, 507}, path
            reached |= set(answered)
        assert reached >= {200, 202, 204}
        pictures = (mutated_bytes(numbered_picture(number), random) for number in count())
        answered = statuses(post, f"sessions/{session.id}/pictures?name=a.png", pictures, {}, 60)
        assert set(answered) <= {200, 201, 422}
        assert session.state()["session"]["id"] == session.id
        form = {"content-type": "multipart/form-data; boundary=B"}
        assert set(statuses(post, "gradio_api/upload", form_bodies(random), form, 150)) <= {200, 400}
        assert client.get("health").json()["alive"]
        assert client.post("v1/rerank", json=RERANK).status_code == 200
    written = len(caplog.text) + sum(map(len, capfd.readouterr()))
    assert written / 3_000 < 200  # bytes a request


def test_the_label_page_answers_every_request(tmp_path) -> None:
    random = Random(16)
    app = application(labelling(numbered_folder(tmp_path / "photos")), same_origin_only("127.0.0.1"))
    with TestClient(app, base_url="http://127.0.0.1:7861") as client:

        def post(path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
            return client.post(path, content=body, headers=headers)

        for path in ("/save", "/remove", "/order"):
            answered = statuses(post, path, json_bodies(LABEL, random), JSON_HEADERS, 150)
            assert set(answered) <= {200, 400, 413}, path
        assert client.get("/state").status_code == 200
