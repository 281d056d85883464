"""Gradio's routes: each that the installed version has is decided on, and the others answer nobody."""

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from gradio.routes import App

from reranker import Reranker, Settings
from reranker.ui.gradio_gate import MCP_PATHS, PRIVATE_PATHS, PUBLIC_PATHS
from reranker.ui.page import build_page
from reranker.ui.services import PageServices
from tests.support.http_server import serving_page
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer

# Templates of the routes that stay closed. A route that a new version of Gradio brings is in neither list, and the test
# fails until somebody has decided on it. Paths with a slash at the end are all closed.
CLOSED = {
    "/docs",
    "/docs/oauth2-redirect",
    "/gradio_api/api/{api_name}",
    "/gradio_api/app_id",
    "/gradio_api/call/v2/{api_name}",
    "/gradio_api/call/v2/{api_name}/{event_id}",
    "/gradio_api/component_server",
    "/gradio_api/custom_component/{id}/{environment}/{type}/{file_name}",
    "/gradio_api/deep_link",
    "/gradio_api/dev/reload",
    "/gradio_api/file/{path:path}",
    "/gradio_api/login_check",
    "/gradio_api/openapi.json",
    "/gradio_api/process_recording",
    "/gradio_api/proxy={url_path:path}",
    "/gradio_api/queue/status",
    "/gradio_api/run-history/buckets",
    "/gradio_api/run-history/connect",
    "/gradio_api/run-history/records",
    "/gradio_api/run-history/records/{endpoint}/{record_id}/assets/{asset_id}",
    "/gradio_api/runs",
    "/gradio_api/stream/{event_id}",
    "/gradio_api/stream/{event_id}/close",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",
    "/gradio_api/theme.css",
    "/gradio_api/token",
    "/gradio_api/undo-vibe-edit",
    "/gradio_api/user",
    "/gradio_api/vibe-code",
    "/gradio_api/vibe-edit",
    "/gradio_api/vibe-starter-queries",
    "/logout",
    "/messages",
    "/monitoring",
    "/monitoring/summary",
    "/monitoring/{key}",
    "/openapi.json",
    "/pwa_icon",
    "/pwa_icon/{size}",
    "/redoc",
    "/svelte/{path:path}",
}
# What the page, its login and the documented clients use.
OPEN = {
    "/",
    "/assets/{path:path}",
    "/config",
    "/favicon.ico",
    "/gradio_api/call/{api_name}",
    "/gradio_api/call/{api_name}/{event_id}",
    "/gradio_api/cancel",
    "/gradio_api/file={path_or_url:path}",
    "/gradio_api/heartbeat/{session_hash}",
    "/gradio_api/info",
    "/gradio_api/mcp",
    "/gradio_api/queue/data",
    "/gradio_api/queue/join",
    "/gradio_api/reset",
    "/gradio_api/run/{api_name}",
    "/gradio_api/startup-events",
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
    "/login",
    "/manifest.json",
    "/robots.txt",
    "/static/{path:path}",
    "/theme.css",
}


def templates(routes: Iterable[object]) -> Iterator[str]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from templates(included.routes)
        elif route.path:  # the parent of the routes of MCP has none
            yield route.path


@pytest.fixture(scope="module")
def gradio_templates() -> set[str]:
    page = build_page(PageServices.of(Reranker(scorer=ScriptedScorer(), settings=Settings.of(mcp=True))))
    return {path.rstrip("/") or "/" for path in templates(App.create_app(page, mcp_server=True).routes)}


def test_every_route_of_gradio_is_decided_on(gradio_templates: set[str]) -> None:
    assert gradio_templates <= OPEN | CLOSED
    assert not OPEN & CLOSED
    assert gradio_templates >= OPEN


def filled(template: str) -> str:
    """A path that matches a template."""
    named = template.replace("{api_name}", "predict").replace("{path_or_url:path}", "/tmp/a.png")
    return re.sub(r"{[^}]*}", "a", named)


def test_the_gate_opens_exactly_the_routes_that_are_open(gradio_templates: set[str]) -> None:
    patterns = [MCP_PATHS, *PUBLIC_PATHS.values(), *PRIVATE_PATHS.values()]
    for template in gradio_templates:
        is_open = any(pattern.fullmatch(filled(template)) for pattern in patterns)
        assert is_open is (template in OPEN), template


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client of a page without a login."""
    page = serving_page(Reranker(scorer=ScriptedScorer()))
    with page as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_closed_routes_answer_nobody(client: httpx.Client, method: str) -> None:
    for template in CLOSED | {"/gradio_api/mcp"}:
        for path in (filled(template), f"{filled(template)}/"):
            answer = client.request(method, path, json={})
            assert (answer.status_code, path) == (404, path)


def test_a_request_that_gradio_cannot_answer_does_not_fill_the_log(client: httpx.Client, caplog, capfd) -> None:
    for _ in range(20):
        client.get("gradio_api/call/rank/unknown")
        client.post("gradio_api/run/predict", json={"fn_index": 10**6, "data": []})
        client.post("gradio_api/queue/join", json={"fn_index": "a", "data": 7})
        client.post(f"gradio_api/call/{'a' * 5_000}", json={"data": [{}]})
        client.post("gradio_api/cancel", json={"session_hash": 7})
    written = len(caplog.text) + sum(map(len, capfd.readouterr()))
    assert written / 100 < 500


@pytest.mark.parametrize("route", ["run/upload", "api/upload", "call/upload", "upload/", "api/predict", "queue/join"])
def test_no_route_fetches_an_address(client: httpx.Client, route: str) -> None:
    """Gradio fetches the URL of a file object before it looks at anything else."""
    with listening() as (address, hits):
        file = {"path": f"{address}/a.png", "url": f"{address}/a.png", "meta": {"_type": "gradio.FileData"}}
        for index in range(60):
            body = {"fn_index": index, "session_hash": "b", "event_id": "e", "trigger_id": 1}
            client.post(f"gradio_api/{route}", json=body | {"data": [[{"image": file}], file]})
    assert hits == []


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """A server whose address and list of received paths are yielded."""
    hits: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", hits
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_queue_cannot_be_skipped(client: httpx.Client) -> None:
    names = [each["api_name"] for each in client.get("config").json()["dependencies"] if each["queue"]]
    assert "rank" in names
    indexes = [index for index, each in enumerate(client.get("config").json()["dependencies"]) if each["queue"]]
    for index in indexes:
        answer = client.post("gradio_api/run/predict", json={"fn_index": index, "data": [], "session_hash": "a"})
        assert answer.status_code == 404


# With a login


def test_without_a_login_the_page_shows_the_login_alone(serve) -> None:
    url = serve(Reranker(scorer=ScriptedScorer(), settings=Settings.of(auth="me:secret")))
    client = httpx.Client(base_url=url, timeout=PATIENCE_S)
    page = client.get("/")
    assert page.status_code == 200
    assert "rank_stream" not in page.text
    assert "auth_required" in page.text
    for template in OPEN - {"/", "/assets/{path:path}", "/static/{path:path}", "/gradio_api/mcp"}:
        for method in ("GET", "POST"):
            answer = client.request(method, filled(template), json={})
            assert answer.status_code in (401, 404) or _matches_public(method, filled(template)), template


def _matches_public(method: str, path: str) -> bool:
    return PUBLIC_PATHS[method].fullmatch(path) is not None


def test_a_stranger_cannot_close_the_session_of_a_visitor(serve) -> None:
    url = serve(Reranker(scorer=ScriptedScorer(), settings=Settings.of(auth="me:secret")))
    assert httpx.get(f"{url}gradio_api/heartbeat/abc").status_code == 401
    with httpx.Client(base_url=url) as visitor:
        assert visitor.post("login", data={"username": "me", "password": "secret"}).status_code == 200
        assert "rank_stream" in visitor.get("").text
        with visitor.stream("GET", "gradio_api/heartbeat/abc") as heartbeat:
            assert heartbeat.status_code == 200
