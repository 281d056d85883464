"""The routes of sessions as a stranger may call them: wrong ids, paths, bodies and methods."""

import http.client
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from reranker import Reranker, Settings
from reranker.config.paths import data_folder
from reranker.ui.session.database import SessionDatabase
from reranker.ui.session.routes import SLOTS
from tests.support.half_open import half_open
from tests.support.http_server import serving_sessions
from tests.support.numbered_pictures import numbered_gallery, numbered_picture
from tests.support.page_session import PageSession
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, until

TRICKS = [
    *("..", ".", "%2e%2e", "..%2f..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "..%5c..%5cx", "%00", "a%00b", "*"),
    *(
        "~",
        "%ff",
        "%ed%a0%80",
        "x" * 3000,
        "_" * 32,
        "-" * 32,
        "sessions.sqlite",
        "CON",
        "%E7%8C%AB",
        "a;b",
        "%252e%252e",
    ),
]
WITH_SESSION = [
    ("GET", ""),
    ("DELETE", ""),
    ("GET", "/events"),
    *(
        ("POST", f"/{name}")
        for name in ("pictures", "samples", "galleries", "remove", "restore", "marks", "rank", "retry", "stop")
    ),
    *(("POST", f"/{name}") for name in ("saved", "explain", "rating", "exports", "download")),
    *(("GET", f"/pictures/x/{name}") for name in ("thumbnail", "full", "details")),
    ("GET", "/rankings/x"),
    ("DELETE", "/rankings/x"),
    ("GET", "/exports/x/ranking.zip"),
]


def raw(client: httpx.Client, method: str, path: str) -> tuple[int, bytes]:
    """Send a path as it is written; httpx would shorten it."""
    address = urlsplit(str(client.base_url))
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, headers={"content-length": "0"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick[:20])
def test_tricks_in_paths_lead_nowhere(session: PageSession, trick: str) -> None:
    own = f"/sessions/{session.id}"
    paths = [("GET", f"/sessions/{trick}"), ("DELETE", f"/sessions/{trick}"), ("GET", f"/sessions/{trick}/events")]
    paths += [("GET", f"{own}/pictures/{trick}/{name}") for name in ("thumbnail", "full", "details")]
    paths += [("GET", f"{own}/rankings/{trick}"), ("GET", f"{own}/exports/{trick}/ranking.csv")]
    paths += [("GET", f"{own}/exports/{'0' * 32}/{trick}"), ("POST", f"{own}/{trick}")]
    for method, path in paths:
        status, body = raw(session.client, method, path)
        assert status in (400, 404, 405), (method, path, status)
        assert b"root:" not in body
        assert b"/data" not in body
    assert session.get().status_code == 200


@pytest.mark.parametrize(("method", "path"), WITH_SESSION)
def test_a_session_that_is_not_there_is_not_found(session: PageSession, method: str, path: str) -> None:
    answer = session.client.request(method, f"sessions/{'x' * 32}{path}", headers={"accept-language": "zh"})
    assert answer.status_code == 404
    assert answer.json()["detail"].endswith("。")
    assert answer.headers["content-language"] == "zh"


@pytest.mark.parametrize("path", ["", "/events", "/rank", "/pictures", "/pictures/x/full"])
def test_another_method_is_told_so(session: PageSession, path: str) -> None:
    answer = session.client.request("PATCH", f"sessions/{session.id}{path}", headers={"accept-language": "en"})
    assert (answer.status_code, answer.json()["detail"][-1]) == (405, ".")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("marks", {"pictures": ["x"], "pick": 2}),
        ("marks", {"pictures": ["x"], "pick": True}),
        ("marks", {"pictures": ["x"], "pick": "1"}),
        ("marks", {"pictures": ["x"], "rating": 6}),
        ("marks", {"pictures": ["x"], "rating": -1}),
        ("marks", {"pictures": ["x"], "rating": 1.0}),
        ("marks", {"pictures": "x", "rating": 1}),
        ("marks", {}),
        ("remove", {"pictures": [5]}),
        ("remove", {"pictures": None}),
        ("galleries", {"name": 5}),
        ("retry", {}),
        ("retry", {"ranking": ["x"]}),
        ("explain", {"ranking": "x"}),
        ("rating", []),
    ],
    ids=str,
)
def test_a_body_of_another_form_is_a_bad_request(session: PageSession, path: str, body: object) -> None:
    assert session.post(path, body).status_code == 400


def test_bodies_have_limits(session: PageSession) -> None:
    for path in ("rank", "marks", "remove", "exports", "explain"):
        assert session.post(path, content=b" " * 8_000_001).status_code == 413
        assert session.post(path, content=b"[" + b"1," * 500_000 + b"1]").status_code == 413
        assert session.post(path, content=b"[" * 100_000).status_code == 400
        assert session.post(path, content=b"\xff").status_code == 400


def test_a_ranking_that_is_not_there_cannot_be_retried(session: PageSession) -> None:
    assert session.post("retry", {"ranking": "x"}).status_code == 404
    session.add(1, 2)
    (ranking,) = session.rank("a cat")
    answer = session.post("retry", {"ranking": ranking["id"]})
    assert answer.status_code == 400


def test_stopping_without_a_run_changes_nothing(session: PageSession) -> None:
    assert session.post("stop").status_code == 204
    assert session.state()["job"] is None


def test_logins_see_their_own_sessions_alone() -> None:
    reranker = Reranker(scorer=ScriptedScorer(), settings=Settings.of(model="toybox", score_store_mb=0))
    by_login: Callable = lambda scope: dict(scope["headers"])[b"x-login"].decode()  # noqa: E731
    with serving_sessions(reranker, by_login) as url, ExitStack() as stack:
        me, you = (
            stack.enter_context(httpx.Client(base_url=url, headers={"x-login": login}, timeout=PATIENCE_S))
            for login in ("me", "you")
        )
        mine = PageSession.create(me)
        mine.add(1, 2)
        for method, path in WITH_SESSION:
            assert you.request(method, f"sessions/{mine.id}{path}").status_code == 404, (method, path)
        assert len(mine.state()["pictures"]) == 2


# Pictures


def test_pictures_are_shown_and_kept_by_the_browser(session: PageSession) -> None:
    (id_,) = session.add(1)
    for name in ("thumbnail", "full"):
        answer = session.get(f"pictures/{id_}/{name}")
        assert (answer.status_code, answer.content[:2]) == (200, b"\xff\xd8")
        assert "immutable" in answer.headers["cache-control"]
        assert "private" in answer.headers["cache-control"]
    assert session.get(f"pictures/{id_}/details").json() == {"rows": [], "labels": []}


def test_files_are_in_the_order_in_which_they_were_sent(open_page) -> None:
    """A browser sends several at a time, and a large one may arrive after those that were sent after it."""
    session, content = open_page(), numbered_picture(1)
    path = f"/sessions/{session.id}/pictures?name=first.png"
    with half_open(str(session.client.base_url), path, len(content), content[:10]) as connection:
        connection.settimeout(PATIENCE_S)
        until(lambda: any((data_folder() / "sessions").rglob("*.part")))
        session.upload(numbered_picture(2), "second.png")
        connection.sendall(content[10:])
        assert connection.recv(20).startswith(b"HTTP/1.1 201")
    assert [picture["name"] for picture in session.state()["pictures"].values()] == ["first.png", "second.png"]


@pytest.mark.parametrize(("size", "expected"), [((1000, 500), (192, 96)), ((90, 300), (58, 192)), ((40, 20), (40, 20))])
def test_a_small_thumbnail_fits_into_192_pixels(session: PageSession, size, expected) -> None:
    id_ = session.upload(numbered_picture(1, size), "a.png").json()["picture"]["id"]
    answer = session.get(f"pictures/{id_}/thumbnail?size=small")
    with Image.open(BytesIO(answer.content)) as image:
        assert image.size == expected
    assert "immutable" in answer.headers["cache-control"]


def test_a_picture_whose_file_is_gone_is_not_kept_as_a_cross_for_ever(open_page, tmp_path: Path) -> None:
    gallery = numbered_gallery(tmp_path / "photos", 1, 2)
    session = open_page(galleries=(gallery,))
    session.post("galleries", {"name": "photos"})
    (gallery / "1.png").rename(tmp_path / "1.png")
    id_ = next(id_ for id_, picture in session.state()["pictures"].items() if picture["name"] == "1.png")
    answer = session.get(f"pictures/{id_}/thumbnail")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert session.get(f"pictures/{id_}/full").status_code == 422
    (tmp_path / "1.png").rename(gallery / "1.png")
    again = session.get(f"pictures/{id_}/thumbnail")
    assert "immutable" in again.headers["cache-control"]
    assert again.content != answer.content


def test_while_many_pictures_are_decoded_others_are_answered(open_page, monkeypatch, tmp_path: Path) -> None:
    go_on, waiting = threading.Event(), threading.Semaphore(0)

    def slow(*_: object, **__: object) -> bytes:
        waiting.release()
        assert go_on.wait(PATIENCE_S)
        return b"\xff\xd8"

    session = open_page()
    (id_,) = session.add(1)
    monkeypatch.setattr("reranker.ui.session.routes.make_thumbnail", slow)
    with ThreadPoolExecutor(30) as pool:
        answers = [pool.submit(session.get, f"pictures/{id_}/full") for _ in range(30)]
        for _ in range(SLOTS["pictures"]):
            assert waiting.acquire(timeout=PATIENCE_S)
        assert session.post("marks", {"pictures": [id_], "rating": 1}).status_code == 204
        assert session.upload(numbered_picture(2)).status_code == 201
        assert not waiting.acquire(blocking=False)
        go_on.set()
        assert {answer.result().status_code for answer in answers} == {200}


def test_nothing_waits_for_the_loop_of_the_server_while_a_session_is_busy(open_page, monkeypatch) -> None:
    """Requests of others are answered while a change is stored on a slow disk."""
    session = open_page()
    other = PageSession.create(session.client)
    session.add(1, 2)
    storing, go_on = threading.Event(), threading.Event()
    put = SessionDatabase.put_pictures

    def slow(database: SessionDatabase, id_: str, rows: object) -> None:
        if id_ == session.id:
            storing.set()
            assert go_on.wait(PATIENCE_S)
        put(database, id_, rows)

    monkeypatch.setattr(SessionDatabase, "put_pictures", slow)
    ids = list(session.state()["pictures"])
    with ThreadPoolExecutor(4) as pool:
        marking = pool.submit(session.post, "marks", {"pictures": ids, "rating": 1})
        assert storing.wait(PATIENCE_S)
        waiting = [
            pool.submit(session.get, f"pictures/{ids[0]}/thumbnail"),
            pool.submit(session.state),
        ]
        assert other.get().status_code == 200
        assert other.upload(numbered_picture(1)).status_code == 201
        go_on.set()
        assert marking.result().status_code == 204
        assert waiting[0].result().status_code == 200
        assert waiting[1].result()["marks"].keys() == set(ids)


def test_who_leaves_while_a_picture_is_explained_ends_it(open_page) -> None:
    stopped = threading.Event()
    explaining = threading.Event()

    class Explaining(Reranker):
        def explain(self, query, picture, *, detail=None, cancellation=None):
            cancellation.on_cancel(stopped.set)
            explaining.set()
            assert stopped.wait(PATIENCE_S)
            return super().explain(query, picture, detail=detail, cancellation=cancellation)

    settings = Settings.of(model="toybox", score_store_mb=0)
    session = open_page(reranker=Explaining(scorer=ScriptedScorer(), settings=settings))
    ids = session.add(1, 2)
    (ranking,) = session.rank("a cat")
    body = json.dumps({"ranking": ranking["id"], "picture": ids[0]}).encode()
    with half_open(str(session.client.base_url), f"/sessions/{session.id}/explain", len(body), body):
        assert explaining.wait(PATIENCE_S)
        assert not stopped.is_set()
    assert stopped.wait(PATIENCE_S)


def test_the_files_of_sessions_are_for_this_user_alone(open_page) -> None:
    session = open_page()
    session.add(1)
    until((data_folder() / "sessions").exists)
    assert (data_folder() / "sessions").stat().st_mode & 0o077 == 0
