"""Handlers of the events that label queries on the tab “Evaluate”: for each, people mark the pictures that match."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import gradio as gr
from starlette.concurrency import run_in_threadpool

from reranker.api import Reranker
from reranker.core.cancellation import Cancellation
from reranker.core.errors import RequestTooLarge, SessionUnknown, TooFewPictures
from reranker.core.types import Query
from reranker.labelling.handlers import order_events
from reranker.server.base64_text import decode_base64
from reranker.ui.evaluate_tab.evaluation_runs import stopping
from reranker.ui.evaluate_tab.values import Shown, VisibleSession, grid_value, queries_value, results_value
from reranker.ui.session.labelled_queries import Labelled, LabelledPicture, PictureIndex
from reranker.ui.session.labels_file import LABELS_FILE, MAX_LABELS_MB, OpenedLabels, open_labels, save_labels
from reranker.ui.session.ranking_actions import MIN_PICTURES
from reranker.ui.session.records import Picture, Text
from reranker.ui.session.session import Session
from reranker.ui.session.statuses import Said, joined, said, size_text, text_of, trouble
from reranker.ui.session.uploads import shown_name

MAX_NAMED: Final = 3  # pictures that are not there, by their names in a message


class LabelHandlers:
    """Handle the events. The values that they return are those of `Shown`."""

    def __init__(self, reranker: Reranker, sessions: VisibleSession) -> None:
        self._reranker, self._sessions = reranker, sessions

    def add(self, session: object, query: object, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Add the query with the marked pictures to the test set, and clear the marks and the query."""
        keys = event._data.get("relevant")
        relevant = {key for key in keys if isinstance(key, str)} if isinstance(keys, list) else set()
        return self._attempt(session, request, lambda found: self._add(found, query, relevant))

    def _add(self, session: Session, query: object, relevant: set[str]) -> Shown:
        """Raises `RequestError`."""
        pictures = _enough_pictures(session)
        labelled = Labelled(
            query=self._query(query).text,
            pictures=tuple(pictures),
            relevant=tuple(id_ for id_ in pictures if id_ in relevant),
        )
        if labelled.problem:
            return Shown(labels_said=said(text_of(labelled.problem), "trouble"))
        session.labelled.put([_with_absent(labelled, session)], map(LabelledPicture.of, pictures.values()))
        message = said(text_of("set_added", query=labelled.query), "done")
        return replace(self._changed(session, message), grid=grid_value(session, relevant=()), query="")

    def _query(self, query: object) -> Query:
        """Raises `RequestError`."""
        return self._reranker.query(" ".join(query.splitlines()) if isinstance(query, str) else "")

    def change(self, session: object, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Open or remove a labelled query, or say that the test set was saved."""
        query, action = event._data.get("query"), event._data.get("action")
        if action == "save":
            return self._attempt(session, request, _saved)
        change = self._remove if action == "remove" else _open
        return self._attempt(session, request, lambda found: change(found, query))

    def _remove(self, session: Session, query: object) -> Shown:
        """Raises `SessionUnknown`."""
        if not isinstance(query, str):
            return Shown()
        session.labelled.remove(query)
        return self._changed(session, said(text_of("set_removed", query=query), "done"))

    def open_file(self, session: object, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Add the labelled queries of a file: its name, and its bytes as a data URI; without them it is too large."""
        name, data = event._data.get("name"), event._data.get("data")
        return self._attempt(session, request, lambda found: self._open_file(found, name, data))

    def _open_file(self, session: Session, name: object, data: object) -> Shown:
        """Raises `DatasetInvalid` and `RequestError`."""
        content = decode_base64(data) if isinstance(data, str) else None
        if content is None:
            raise RequestTooLarge(max_mb=MAX_LABELS_MB)
        shown = shown_name(name if isinstance(name, str) else "")
        opened = open_labels(session.labelled, PictureIndex(session.pictures), self._reranker, content, shown)
        return self._changed(session, said(_opened_text(opened, shown), "trouble" if opened.missing else "done"))

    def _changed(self, session: Session, message: Said) -> Shown:
        """Return what the tab shows after the test set has changed."""
        evaluation = results_value(session, self._reranker)
        return Shown(labels_said=message, queries=queries_value(session), evaluation=evaluation)

    async def order(self, session: object, query: object, request: gr.Request) -> AsyncIterator[list[Any]]:
        """Let the model put the pictures first that are most relevant to the query, and show the progress."""
        found = None
        try:
            found = await run_in_threadpool(self._sessions.find, session, request)
            asked, pictures, order = self._query(query), list(_enough_pictures(found).values()), list[str]()
            found.ordering.stop()
            async for _ in found.ordering.follow():  # the last one has to end first
                pass
            found.ordering.start(
                lambda stop, say: self._order(asked, pictures, order, stop, say), said(text_of("loading"), "busy")
            )
        except Exception as error:
            yield self._sessions.shown(found, Shown(labels_said=trouble(error), grid=grid_value(found)))
            return
        yield self._sessions.shown(found, Shown(grid=grid_value(found, is_ordering=True), labels_said=None))
        async for message in found.ordering.follow():
            yield Shown(labels_said=message, evaluation_said=None).outputs
        grid = grid_value(found, order=order or None)
        yield Shown(labels_said=found.ordering.said, evaluation_said=None, grid=grid).outputs

    def _order(
        self,
        query: Query,
        pictures: Sequence[Picture],
        order: list[str],
        stop: Cancellation,
        say: Callable[[Said], None],
    ) -> None:
        """Fill the list with the ids of the pictures in their order, unless stopped. Raises `RerankerError`."""
        for event in order_events(self._reranker, query.text, [picture.path for picture in pictures], stop):
            if stop.cancelled:
                say(stopping())
            elif "order" in event:
                order.extend(pictures[index].id for index in event["order"])
            else:
                percent = 100 * event["done"] // event["total"]
                say(said(text_of("label_ordering", **event), "busy", percent))
        say(said(text_of("label_ordered"), "done") if order else said(text_of("label_stopped"), "idle"))

    def stop_ordering(self, session: object, request: gr.Request) -> list[Any]:
        """Stop ordering the pictures after the current batch. They stay as they are."""
        with suppress(SessionUnknown):
            if self._sessions.find(session, request).ordering.stop():
                return Shown(labels_said=stopping(), evaluation_said=None).outputs
        return Shown(labels_said=None, evaluation_said=None).outputs

    def _attempt(self, session: object, request: gr.Request, action: Callable[[Session], Shown]) -> list[Any]:
        """Return what an action shows, or the message of its error."""
        found = None
        try:
            found = self._sessions.find(session, request)
            return self._sessions.shown(found, action(found))
        except Exception as error:
            return self._sessions.shown(found, Shown(labels_said=trouble(error)))


def _enough_pictures(session: Session) -> dict[str, Picture]:
    """Return the pictures of a session. Raises `TooFewPictures`."""
    pictures = session.pictures
    if len(pictures) < MIN_PICTURES:
        raise TooFewPictures(count=len(pictures), min_count=MIN_PICTURES)
    return pictures


def _open(session: Session, query: object) -> Shown:
    """Show the marks of a labelled query, and its sentence."""
    present = session.labelled.present(PictureIndex(session.pictures))
    clicked = next((labelled for labelled in present if labelled.query == query), None)
    if clicked is None:
        return Shown(queries=queries_value(session))
    message = said(text_of("set_opened", query=clicked.query), "idle")
    return Shown(labels_said=message, grid=grid_value(session, relevant=clicked.relevant), query=clicked.query)


def _with_absent(labelled: Labelled, session: Session) -> Labelled:
    """Add the pictures that the same query was labelled with before and that are not in the session now."""
    before = next((each for each in session.labelled.latest_first if each.query == labelled.query), None)
    if before is None:
        return labelled
    index = PictureIndex(session.pictures)
    absent = {id_ for id_, picture in session.labelled.pictures.items() if index.find(picture) is None}
    others = before.limited_to(absent)
    return Labelled(
        query=labelled.query,
        pictures=(*labelled.pictures, *others.pictures),
        relevant=(*labelled.relevant, *others.relevant),
    )


def _saved(session: Session) -> Shown:
    """Say what was saved; the browser has asked for the file itself."""
    saved = save_labels(session.labelled)
    if not saved.count:
        return Shown(labels_said=said(text_of("no_sets"), "trouble"))
    text = text_of("set_saved", name=LABELS_FILE, count=saved.count, size=size_text(len(saved.data)))
    if saved.renamed:
        text = joined(text, text_of("set_renamed", count=len(saved.renamed), example=saved.renamed[0]))
    return Shown(labels_said=said(text, "done"))


def _opened_text(opened: OpenedLabels, name: str) -> Text:
    found = opened.total - len(opened.missing)
    texts = [text_of("file_opened", name=name, count=opened.count)]
    texts.append(text_of("file_pictures", found=found, count=opened.total))
    if opened.missing:
        names = ", ".join(opened.missing[:MAX_NAMED])
        more = len(opened.missing) - MAX_NAMED
        texts.append(text_of("file_missing_more" if more > 0 else "file_missing", names=names, more=more))
    if opened.left_out:
        texts.append(text_of("file_left_out", count=opened.left_out))
    return joined(*texts)
