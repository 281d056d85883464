"""Guessing the password of the page, or the key of the HTTP API."""

from concurrent.futures import ThreadPoolExecutor

import httpx

from reranker import Reranker, Settings
from reranker.server.failed_attempts import MAX_FAILURES
from tests.support.scripted_scorer import ScriptedScorer


def test_passwords_cannot_be_tried_without_end_and_visitors_stay_logged_in(serve) -> None:
    url = serve(Reranker(scorer=ScriptedScorer(), settings=Settings.of(auth="me:secret")))
    with httpx.Client(base_url=url) as visitor, httpx.Client(base_url=url) as stranger:
        assert visitor.post("login", data={"username": "me", "password": "secret"}).status_code == 200
        statuses = [
            stranger.post("login", data={"username": "me", "password": str(number)}).status_code
            for number in range(MAX_FAILURES + 3)
        ]
        assert statuses == [400] * MAX_FAILURES + [429] * 3
        right = stranger.post("login", data={"username": "me", "password": "secret"})
        assert (right.status_code, int(right.headers["retry-after"]) <= 60) == (429, True)
        assert visitor.get("config").status_code == 200


def test_keys_cannot_be_tried_without_end(serve_both) -> None:
    url = serve_both(Reranker(scorer=ScriptedScorer(), settings=Settings.of(api_key="k")))
    with httpx.Client(base_url=url) as client:
        assert client.get("v1/models").status_code == 401  # without a key: no attempt
        statuses = [
            client.get("v1/models", headers={"authorization": f"Bearer {number}"}).status_code
            for number in range(MAX_FAILURES + 2)
        ]
        assert statuses == [401] * MAX_FAILURES + [429] * 2
        assert client.get("v1/models", headers={"authorization": "Bearer k"}).status_code == 429
        assert client.get("health").status_code == 200


def test_a_header_that_anybody_can_write_is_not_another_address(serve_both) -> None:
    url = serve_both(Reranker(scorer=ScriptedScorer(), settings=Settings.of(api_key="k")))
    with httpx.Client(base_url=url) as client:
        statuses = [
            client.get(
                "v1/models", headers={"authorization": f"Bearer {number}", "x-forwarded-for": f"10.0.0.{number}"}
            ).status_code
            for number in range(MAX_FAILURES + 2)
        ]
    assert statuses == [401] * MAX_FAILURES + [429] * 2


def test_passwords_that_are_tried_at_once_are_counted(serve) -> None:
    url = serve(Reranker(scorer=ScriptedScorer(), settings=Settings.of(auth="me:secret")))

    def attempt(number: int) -> int:
        return httpx.post(f"{url}login", data={"username": "me", "password": str(number)}, timeout=20).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(attempt, range(40)))
    assert statuses.count(400) == MAX_FAILURES
    assert statuses.count(429) == 40 - MAX_FAILURES
