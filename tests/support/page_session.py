"""A session of the page, used by its routes as the scripts of the browser use it."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

import httpx

from reranker import Reranker, Settings
from tests.support.http_server import serving_sessions
from tests.support.numbered_pictures import number_in, numbered_picture
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer

Values = dict[str, Any]


class PageSession:
    """A client with one session. The routes' answers are JSON, errors included."""

    def __init__(self, client: httpx.Client, id_: str) -> None:
        self.client, self.id = client, id_

    @classmethod
    def create(cls, client: httpx.Client) -> Self:
        answer = client.post("sessions")
        assert answer.status_code == 201, answer.text
        return cls(client, answer.json()["id"])

    def get(self, path: str = "", **options: Any) -> httpx.Response:
        return self.client.get(self._path(path), **options)

    def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        return self.client.post(self._path(path), **({} if body is None else {"json": body}), **options)

    def delete(self, path: str = "") -> httpx.Response:
        return self.client.delete(self._path(path))

    def _path(self, path: str) -> str:
        return f"sessions/{self.id}/{path}".rstrip("/")

    def upload(self, content: bytes, name: str = "a.png") -> httpx.Response:
        return self.client.post(self._path("pictures"), params={"name": name}, content=content)

    def add(self, *numbers: object) -> list[str]:
        """Upload a picture for each number, and return their ids."""
        answers = [self.upload(numbered_picture(number), f"{number}.png") for number in numbers]
        assert {answer.status_code for answer in answers} <= {201}, answers[0].text
        return [answer.json()["picture"]["id"] for answer in answers]

    def start(self, *queries: str, pictures: Sequence[str] | None = None, **more: object) -> list[str]:
        """Start a run, and return the ids of its rankings."""
        answer = self.post("rank", {"queries": queries, "pictures": pictures, **more})
        assert answer.status_code == 202, answer.text
        return answer.json()["rankings"]

    def rank(self, *queries: str, pictures: Sequence[str] | None = None, **more: object) -> list[Values]:
        """Rank, wait for the end, and return the rankings with their results."""
        with self.watched() as watcher:
            rankings = self.start(*queries, pictures=pictures, **more)
            watcher.wait(lambda state: state["job"] is None and all(is_ended(state, id_) for id_ in rankings))
        return [self.ranking(id_) for id_ in rankings]

    def ranking(self, id_: str) -> Values:
        answer = self.get(f"rankings/{id_}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self) -> Values:
        """The first event of a new stream."""
        with self.watched() as watcher:
            return watcher.state

    @contextmanager
    def watched(self) -> Iterator["Watcher"]:
        """Follow the events, as a browser does; the state has arrived."""
        with self.client.stream("GET", self._path("events"), timeout=PATIENCE_S) as response:
            assert response.status_code == 200, response.read()
            watcher = Watcher(response)
            watcher.wait(lambda state: state)
            try:
                yield watcher
            finally:
                watcher.leave()


@contextmanager
def opened(scorer: ScriptedScorer | None = None, **settings: object) -> Iterator[httpx.Client]:
    """Serve sessions over a scripted scorer, and yield a client. The data folder is that of the test."""
    chosen = Settings.of(**{"model": "toybox", "score_store_mb": 0, **settings})
    reranker = Reranker(scorer=scorer or ScriptedScorer(judge=number_in), settings=chosen)
    with serving_sessions(reranker) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        yield client


class Watcher:
    """The state of a session as a browser rebuilds it: the first event, changed by each later one.

    changes: all of them in their order. ended: is set when the server has ended the stream.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.state: Values = {}
        self.changes: list[Values] = []
        self.ended, self._is_leaving = threading.Event(), False
        self._response, self._lock = response, threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for name, content in _server_sent_events(self._response.iter_lines()):
                with self._lock:
                    if name == "state":
                        self.state = {**content, "pictures": by_id(content["pictures"]), "results": {}}
                        self.state["rankings"] = by_id(content["rankings"])
                    else:
                        self.changes += content
                        for change in content:
                            apply_change(self.state, change)
                    self._lock.notify_all()
        except (httpx.HTTPError, httpx.StreamError, OSError):
            if not self._is_leaving:
                raise
        finally:
            self.ended.set()

    def leave(self) -> None:
        """Close the connection, which wakes the thread that reads."""
        self._is_leaving = True
        with suppress(OSError):  # the server has closed it
            self._response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        assert self.ended.wait(PATIENCE_S)

    def wait(self, condition: Callable[[Values], object]) -> Values:
        """Return the state once a condition holds for it."""
        with self._lock:
            assert self._lock.wait_for(lambda: condition(self.state), PATIENCE_S), self.changes[-3:]
            return self.state


def _server_sent_events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def by_id(values: Sequence[Values]) -> dict[str, Values]:
    return {value["id"]: value for value in values}


def is_ended(state: Values, ranking: str) -> bool:
    return ranking in state["rankings"] and state["rankings"][ranking]["state"] != "running"


def apply_change(state: Values, change: Values) -> None:
    """Change a state as a browser does."""
    (kind, value), *_ = change.items()
    if kind in ("pictures_added", "pictures_changed"):
        pictures = state["pictures"] | by_id(value)
        state["pictures"] = dict(sorted(pictures.items(), key=lambda item: item[1]["place"]))
    elif kind == "pictures_removed":
        state["can_restore"] = change["can_restore"]
        for id_ in value:
            state["pictures"].pop(id_, None)
    elif kind in ("marks", "label_corrections"):
        state[kind].update(value)
    elif kind in ("model", "job", "tagging", "tagging_problem", "own_labels"):
        state[kind] = value
    elif kind == "ranking":
        state["rankings"][value["id"]] = value
    elif kind == "library":
        state.setdefault("updates", {})[value["name"]] = value
    elif kind == "ranking_removed":
        state["rankings"].pop(value, None)
    else:
        add_results(state, kind, value)


def add_results(state: Values, kind: str, value: Values) -> None:
    """Add results of a run: of a ranking, or the labels of pictures."""
    if kind == "tagged":
        state.setdefault("tagged", []).extend(value["judged"] + value["failed"])
        return
    assert kind == "scored", value
    state["results"].setdefault(value["ranking"], []).extend(value["scored"] + value["failed"])


def comparable(state: Values) -> Values:
    """What of a state does not depend on when and how it was learned."""
    marks = {id_: mark for id_, mark in state["marks"].items() if id_ in state["pictures"] and any(mark.values())}
    pictures = [{**picture, "alike": None} for picture in state["pictures"].values()]  # found out later
    return {"pictures": pictures, "marks": marks, "rankings": list(state["rankings"].values())}


def names_by_score(ranking: Values) -> list[str]:
    return [row[3] for row in sorted(ranking["scored"], key=lambda row: (-row[2], -row[1]))]
