"""The tab “Labels” as the scripts of the browser use it, over a model that judges labels by arithmetic."""

import json
from collections.abc import Mapping
from typing import Any

from reranker import Query
from tests.support.numbered_pictures import number_in
from tests.support.page_session import PageSession, Watcher

WARMTH = "warm\ncold\n热"  # own labels: a picture of 2 is warm, one of -2 is cold


def warmth(query: Query, content: bytes) -> float:
    """Return the number of a picture for “warm”, and its opposite for any other label."""
    return number_in(query, content) * (1 if query.text in {"warm", "热"} else -1)


def has_ended(state: Mapping[str, Any], run: str) -> bool:
    """Whether a run has begun and ended."""
    tagging = state["tagging"]
    return state["job"] is None and tagging is not None and tagging["id"] == run and tagging["state"] != "running"


def start(session: PageSession, text: str | None = WARMTH, vocabulary: str = "own", **more: object) -> str:
    """Start a run, and return its id."""
    answer = session.post("picture-labels/run", {"vocabulary": vocabulary, "text": text, **more})
    assert answer.status_code == 202, answer.text
    return answer.json()["run"]


def label(session: PageSession, text: str | None = WARMTH, vocabulary: str = "own", **more: object) -> Watcher:
    """Label the pictures, wait for the end, and return what was told."""
    with session.watched() as watcher:
        run = start(session, text, vocabulary, **more)
        watcher.wait(lambda state: has_ended(state, run))
    return watcher


def correct(session: PageSession, picture: str, checked: bool | None = None, **states: str | None) -> None:
    answer = session.post("picture-labels/corrections", {"picture": picture, "labels": states, "checked": checked})
    assert answer.status_code == 204, answer.text


def exported(session: PageSession, format_: str, **options: object) -> str:
    """Return the content of a download of all pictures, or of those that the options name."""
    pictures = list(session.state()["pictures"])
    answer = session.post("picture-labels/exports", {"format": format_, "pictures": pictures, **options})
    assert answer.status_code == 200, answer.text
    file = session.client.get(answer.json()["url"])
    assert len(file.content) == answer.json()["bytes"]
    return file.text


def names(session: PageSession, **options: object) -> dict[str, list[str]]:
    """Return the labels of the pictures by their names, as they are exported."""
    rows = map(json.loads, exported(session, "jsonl", **options).splitlines())
    return {row["path"]: [each["label"] for each in row["labels"]] for row in rows}


def sentence(answer: Any, language: str = "en") -> str:
    assert answer.is_error, answer.text
    return answer.json()["sentences"][language]
