"""Every error is one sentence in the language of the client: also those of the libraries, and on every interface."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from reranker import Reranker, Settings
from reranker.labelling.server import application
from reranker.server.http_api import RERANK_PATHS, SCORE_PATHS, api_application
from reranker.server.security import same_origin_only
from tests.support.document_forms import data_uri
from tests.support.http_server import serving, serving_page
from tests.support.label_page import labelling, numbered_folder
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer

CHINESE = re.compile("[\u4e00-\u9fff].*。$")
JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=B"}
KEY = {"authorization": "Bearer k"}
Wrong = tuple[str, str, dict[str, Any]]

SESSION = f"/sessions/{'x' * 32}"

OF_THE_API: list[Wrong] = [
    ("GET", "/nothing", {}),
    ("GET", "/v1/rerank", {}),
    ("PUT", "/v1/models", {}),
    ("DELETE", "/health", {}),
    ("GET", "/health", {"headers": {"host": "evil.example"}}),
    ("GET", "/health", {"headers": {"host": ""}}),
    ("GET", "/health", {"headers": {"origin": "https://evil.example"}}),
    ("GET", "/v1/models", {}),
    ("GET", "/v1/models", {"headers": {"authorization": "Bearer wrong"}}),
    *(
        ("POST", path, {"headers": KEY | headers, "content": content})
        for path in (*RERANK_PATHS, *SCORE_PATHS)
        for headers, content in [
            (JSON, b"{"),
            (JSON, b"\xff"),
            (JSON, b"[" * 10_000),
            (JSON, b'{"query": "", "queries": "", "documents": ["a"]}'),
            (JSON, b'{"query": "a", "queries": "a", "documents": ["a"]}'),
            (JSON, b'{"query": 1, "queries": 1, "documents": ["a"]}'),
            (JSON, b"[" + b"1," * 100_000 + b"1]"),
            ({"content-type": "text/plain"}, b"{}"),
        ]
    ),
]
OF_THE_PAGE: list[Wrong] = [
    *(("GET", path, {}) for path in ("/docs", "/static/none", "/assets/none.js", "/assets/..%2f..%2fapp.py")),
    *(("GET", path, {}) for path in ("/config", "/gradio_api/queue/data", "/gradio_api/file=/etc/passwd")),
    *(("GET", path, {}) for path in (SESSION, f"{SESSION}/events", "/sessions", "/page/none.js")),
    *(("POST", path, {}) for path in ("/sessions", f"{SESSION}/pictures", f"{SESSION}/rank", "/page/texts.json")),
    ("DELETE", SESSION, {}),
    ("POST", "/login", {"headers": FORM, "content": b"x"}),
    ("POST", "/login", {"json": {"username": "me"}}),
    ("POST", "/login", {"data": {"username": "me"}}),
    ("POST", "/login", {"data": {"username": "me", "password": "wrong"}}),
    ("POST", "/gradio_api/upload", {"headers": FORM, "content": b"x"}),
]
AFTER_THE_LOGIN: list[Wrong] = [
    ("POST", "/gradio_api/upload", {"headers": FORM, "content": b"x"}),
    ("POST", "/gradio_api/upload", {"data": {"files": "x"}}),
    *(("GET", path, {}) for path in (SESSION, f"{SESSION}/events", f"{SESSION}/rankings/a", f"{SESSION}/nothing")),
    *(("POST", f"{SESSION}/{name}", {"json": {}}) for name in ("rank", "retry", "explain", "exports", "pictures")),
    ("PUT", SESSION, {}),
    ("POST", "/gradio_api/queue/join", {"headers": JSON, "content": b"{"}),
    ("POST", "/gradio_api/queue/join", {"json": {"fn_index": 3, "data": 7}}),
    ("POST", "/gradio_api/call/rank", {"json": {"data": 7}}),
    ("POST", "/gradio_api/call/none", {"json": {"data": []}}),
    ("POST", "/gradio_api/cancel", {"json": {}}),
    ("POST", "/gradio_api/reset", {"json": {}}),
    ("GET", "/gradio_api/queue/data", {}),
    ("GET", "/gradio_api/upload_progress", {}),
]
OF_THE_LABEL_PAGE: list[Wrong] = [
    ("GET", "/nothing", {}),
    ("GET", "/save", {}),
    ("GET", "/thumbnails/99", {}),
    ("GET", "/state", {"headers": {"host": "evil.example"}}),
    ("GET", "/state", {"headers": {"origin": "https://evil.example"}}),
    *(("POST", f"/{name}", {"headers": JSON, "content": b"{"}) for name in ("save", "remove", "order")),
    *(("POST", f"/{name}", {"headers": FORM, "content": b"x"}) for name in ("save", "remove", "order")),
]


def locked() -> Reranker:
    return Reranker(scorer=ScriptedScorer(), settings=Settings.of(auth="me:secret", api_key="k"))


@pytest.fixture(scope="module", params=["alone", "with the page"])
def api(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of the API, with a login and a key."""
    server = serving(api_application(locked())) if request.param == "alone" else serving_page(locked())
    with server as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module")
def label_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = numbered_folder(tmp_path_factory.mktemp("label") / "photos")
    app = application(labelling(folder), same_origin_only("127.0.0.1"))
    with TestClient(app, base_url="http://127.0.0.1:7861") as client:
        yield client


def check_sentences(client: httpx.Client, requests: list[Wrong], language: str = "zh-CN,zh;q=0.9") -> None:
    """Check that each request is answered with an error, in one sentence and in both languages."""
    for method, path, options in requests:
        for accepted, expected in ((language, "zh"), ("en", "en")):
            headers = options.get("headers", {}) | {"accept-language": accepted}
            answer = client.request(method, path, **options | {"headers": headers})
            words = answer.json()["detail"]
            case = (method, path, answer.status_code, words)
            assert 400 <= answer.status_code < 500, case
            assert answer.headers["content-language"] == expected, case
            assert isinstance(words, str), case
            assert bool(CHINESE.search(words)) == (expected == "zh"), case
            assert expected == "zh" or words.endswith("."), case


def test_the_api_answers_in_the_language_of_the_client(api: httpx.Client) -> None:
    check_sentences(api, OF_THE_API)


@pytest.fixture(scope="module")
def page() -> Iterator[Callable[..., httpx.Client]]:
    """A page with a login. Its clients."""
    with serving_page(locked()) as url:
        yield lambda: httpx.Client(base_url=url, timeout=PATIENCE_S)


def test_the_page_answers_in_the_language_of_the_client(page: Callable[..., httpx.Client]) -> None:
    with page() as client:
        check_sentences(client, OF_THE_PAGE)
        assert client.post("/login", data={"username": "me", "password": "secret"}).status_code == 200
        check_sentences(client, AFTER_THE_LOGIN)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"data": {"username": "me", "password": "wrong"}}, "The name or the password is wrong"),
        ({"files": {"username": (None, "me"), "password": (None, "wrong")}}, "The name or the password is wrong"),
        ({"data": {"username": "me"}}, "at “password”"),
        ({"json": {"username": "me", "password": "secret"}}, "at “username”"),
        ({"headers": FORM, "content": b"x"}, "at “body”"),
    ],
)
def test_a_login_that_fails_says_why(page: Callable[..., httpx.Client], sent: dict[str, Any], reason: str) -> None:
    with page() as client:
        answer = client.post("/login", **sent)
    assert (answer.status_code, reason in answer.json()["detail"]) == (400, True)


def test_the_label_page_answers_in_the_language_of_the_client(label_page: httpx.Client) -> None:
    check_sentences(label_page, OF_THE_LABEL_PAGE)


def test_the_label_page_answers_in_the_language_that_was_chosen(label_page: httpx.Client) -> None:
    for chosen, preferred, expected in (("zh", "en", "zh"), ("en", "zh-CN", "en"), ("fr", "zh-CN", "zh")):
        answer = label_page.post(f"/save?lang={chosen}", content=b"{", headers=JSON | {"accept-language": preferred})
        assert answer.headers["content-language"] == expected


@pytest.mark.parametrize("language", ["zh", "ZH", "zh-TW", "zh-Hans-CN", "zh-CN,zh;q=0.9,en;q=0.8", "fr, zh;q=0.5"])
def test_chinese_has_many_names(label_page: httpx.Client, language: str) -> None:
    check_sentences(label_page, OF_THE_LABEL_PAGE, language)


def test_the_reasons_of_failures_are_in_the_language_of_the_client(api_url: str, pictures: list[str]) -> None:
    documents = [pictures[0], data_uri(b"no picture")]
    for path, name in ((*RERANK_PATHS[:1], "query"), (*SCORE_PATHS[:1], "queries")):
        for sent in (documents, documents[1:]):
            body = {name: "a", "documents": sent}
            answer = httpx.post(f"{api_url.rstrip('/')}{path}", json=body, headers={"accept-language": "zh"}).json()
            assert CHINESE.search(answer["detail"] if len(sent) == 1 else answer["failures"][0]["detail"])


def test_an_error_of_a_library_keeps_its_status_and_its_headers(label_page: httpx.Client) -> None:
    answer = label_page.get("/save")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)
