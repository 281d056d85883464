"""Handlers of the events that label queries on the tab “Evaluate”: for each, people mark the relevant pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import gradio as gr

from reranker.api import Reranker
from reranker.core.errors import RequestError, SessionUnknown, TooFewPictures, TooManyQueries
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase, phrases
from reranker.labelling.handlers import labelled_query_value
from reranker.labelling.label_file import LabelledQuery
from reranker.server.status import Status, Tone, trouble
from reranker.ui.session.ranking_actions import MIN_PICTURES
from reranker.ui.session.sessions import Sessions
from reranker.ui.tabs import BrowserTabs

MAX_LABELLED_QUERIES: Final = 200

TranslatedStatus = Callable[[Language], Status]


def translated_status(tone: Tone, key: str, **values: object) -> TranslatedStatus:
    """Return a function that makes a status of one of the page's phrases in a language."""
    return lambda language: Status(text=phrase(key, language, **values), tone=tone)


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledQueries:
    """The labelled queries of one tab of a browser, each query once, the latest first.

    Pictures that leave the gallery stay in them, and count again when they come back. status: of the last change.
    """

    queries: tuple[LabelledQuery, ...] = ()
    status: TranslatedStatus = lambda _: Status(text="")

    def limited_to(self, pictures: Sequence[Path]) -> list[LabelledQuery]:
        """Return the labelled queries with only these pictures."""
        present = set(pictures)
        return [labelled.limited_to(present) for labelled in self.queries]

    def add(self, labelled: LabelledQuery) -> "LabelledQueries":
        """Add a labelled query, or replace the one with the same query. Raises `TooManyQueries`."""
        others = self.without(labelled.query).queries
        if len(others) >= MAX_LABELLED_QUERIES:
            raise TooManyQueries(count=len(others) + 1, max_count=MAX_LABELLED_QUERIES)
        status = translated_status("done", "set_added", query=labelled.query)
        return replace(self, queries=(labelled, *others), status=status)

    def without(self, query: object) -> "LabelledQueries":
        return replace(self, queries=tuple(labelled for labelled in self.queries if labelled.query != query))


class LabelHandlers:
    """Return values of the status, the labelled queries, the grid, the list of labelled queries, and the query."""

    def __init__(self, reranker: Reranker, sessions: Sessions, tabs: BrowserTabs) -> None:
        self._reranker, self._sessions, self._tabs = reranker, sessions, tabs
        self._serials = count(1)

    def add(
        self,
        session: object,
        query: object,
        labelled_queries: LabelledQueries,
        event: gr.EventData,
        request: gr.Request,
    ) -> list[Any]:
        """Add the query with the marked pictures to the test set, and clear the marks and the query."""
        pictures = self._pictures(session, request)
        try:
            labelled = self._labelled_query(query, event._data.get("relevant"), pictures)
            if labelled.problem:
                status = translated_status("trouble", labelled.problem)
                return self._values(replace(labelled_queries, status=status), pictures, request)
            return self._values(labelled_queries.add(labelled), pictures, request, relevant=(), query="")
        except RequestError as error:
            return self._values(replace(labelled_queries, status=partial(trouble, error)), pictures, request)

    def change(
        self, session: object, labelled_queries: LabelledQueries, event: gr.EventData, request: gr.Request
    ) -> list[Any]:
        """Open or remove a labelled query, whichever was clicked in the list."""
        pictures, click = self._pictures(session, request), dict(event._data)
        clicked = next((each for each in labelled_queries.queries if each.query == click.get("query")), None)
        if clicked is None:
            return self._values(labelled_queries, pictures, request)
        if click.get("action") == "remove":
            status = translated_status("done", "set_removed", query=clicked.query)
            remaining = replace(labelled_queries.without(clicked.query), status=status)
            return self._values(remaining, pictures, request)
        opened = replace(labelled_queries, status=translated_status("idle", "set_opened", query=clicked.query))
        return self._values(opened, pictures, request, relevant=clicked.relevant, query=clicked.query)

    def draw(self, session: object, labelled_queries: LabelledQueries, request: gr.Request) -> list[Any]:
        """Return values of the status, the grid and the list, after the gallery or the language has changed."""
        status, _, grid, query_list, _ = self._values(labelled_queries, self._pictures(session, request), request)
        return [status, grid, query_list]

    def usable(self, session: object, labelled_queries: LabelledQueries, request: gr.Request) -> list[LabelledQuery]:
        """Return the labelled queries that can be evaluated with the pictures of the gallery, the oldest first."""
        present = labelled_queries.limited_to(list(self._pictures(session, request).values()))
        return [labelled for labelled in reversed(present) if not labelled.problem]

    def thumbnails(self, session: object, request: gr.Request) -> dict[Path, str]:
        """Return the addresses of the thumbnails of the session that a tab shows."""
        return {path: address for address, path in self._pictures(session, request).items()}

    def _pictures(self, session: object, request: gr.Request) -> dict[str, Path]:
        """Return the pictures of the session that a tab shows, by the addresses of their thumbnails."""
        try:
            found = self._sessions.find(session if isinstance(session, str) else "", request.username or "")
        except SessionUnknown:
            return {}
        return {f"sessions/{found.id}/pictures/{id_}/thumbnail": each.path for id_, each in found.pictures.items()}

    def _labelled_query(self, query: object, keys: object, pictures: dict[str, Path]) -> LabelledQuery:
        """Raises `RequestError`."""
        if len(pictures) < MIN_PICTURES:
            raise TooFewPictures(count=len(pictures), min_count=MIN_PICTURES)
        text = " ".join(query.splitlines()) if isinstance(query, str) else ""
        relevant_keys = {key for key in (keys if isinstance(keys, list) else []) if isinstance(key, str)}
        return LabelledQuery(
            query=self._reranker.query(text).text,
            pictures=tuple(pictures.values()),
            relevant=tuple(picture for key, picture in pictures.items() if key in relevant_keys),
        )

    def _values(
        self,
        labelled_queries: LabelledQueries,
        pictures: dict[str, Path],
        request: gr.Request,
        *,
        relevant: Sequence[Path] | None = None,
        query: str | None = None,
    ) -> list[Any]:
        """Return all values. relevant: the pictures that the grid marks. If it or `query` is None, it is unchanged."""
        language = self._tabs.language(request)
        marked = None if relevant is None else set(relevant)
        grid = {
            "pictures": [{"key": key, "name": picture.name} for key, picture in pictures.items()],
            "labels": phrases("mark_", language),
            "relevant": None if marked is None else [key for key, picture in pictures.items() if picture in marked],
            "serial": next(self._serials),
        }
        queries = [_list_item(each, language) for each in labelled_queries.limited_to(list(pictures.values()))]
        query_list = {"queries": queries, "title": phrase("sets", language)}
        status = labelled_queries.status(language).value
        return [status, labelled_queries, grid, query_list, gr.skip() if query is None else query]


def _list_item(labelled: LabelledQuery, language: Language) -> dict[str, Any]:
    note = phrase("set_left_out", language) if labelled.problem else ""
    return {**labelled_query_value(labelled, language), "note": note}
