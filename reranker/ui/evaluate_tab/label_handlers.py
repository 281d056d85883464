"""The labelled sets of the tab “Evaluate”: pictures of the gallery are marked for one sentence after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import gradio as gr

from reranker.api import Reranker
from reranker.core.errors import RequestError, TooFewPictures, TooManyQueries
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase, phrases
from reranker.labelling.handlers import shown_set
from reranker.labelling.labelled_query import LabelledQuery
from reranker.server.status import Status, Tone, trouble
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.model_status import MIN_PICTURES
from reranker.ui.sessions import Visitors
from reranker.ui.upload_handlers import listed
from reranker.ui.uploads import Uploads

MOST_SETS: Final = 200

Telling = Callable[[Language], Status]


def telling(tone: Tone, key: str, **values: object) -> Telling:
    """One of the page's phrases, for whatever language is chosen when it is told."""
    return lambda language: Status(text=phrase(key, language, **values), tone=tone)


@dataclass(frozen=True, kw_only=True, eq=False)
class MarkedSets:
    """What one tab of a browser has labelled, each query once, the latest first; and what became of the last change.

    A picture that left the gallery stays in them, and counts again when it comes back.
    """

    sets: tuple[LabelledQuery, ...] = ()
    said: Telling = lambda _: Status(text="")

    def among(self, pictures: Sequence[Path]) -> list[LabelledQuery]:
        """With these pictures alone."""
        there = set(pictures)
        return [one.among(there) for one in self.sets]

    def added(self, marked: LabelledQuery) -> "MarkedSets":
        """With another, in the place of that of the same query."""
        others = self.without(marked.query).sets
        if len(others) >= MOST_SETS:
            raise TooManyQueries(count=len(others) + 1, max_count=MOST_SETS)
        return replace(self, sets=(marked, *others), said=telling("done", "set_added", query=marked.query))

    def without(self, query: object) -> "MarkedSets":
        return replace(self, sets=tuple(one for one in self.sets if one.query != query))


class Marking:
    """Each method serves one event, for all visitors, and gives values of the line that says what became of it, the
    sets, the board, the list of the sets, and the query."""

    def __init__(self, reranker: Reranker, uploads: Uploads, thumbnails: ThumbnailStore, visitors: Visitors) -> None:
        self._reranker, self._uploads, self._thumbnails, self._visitors = reranker, uploads, thumbnails, visitors
        self._serials = count(1)

    def add(
        self, query: object, items: object, sets: MarkedSets, event: gr.EventData, request: gr.Request
    ) -> list[Any]:
        """What is marked becomes a set; board and query are there for the next."""
        pictures = self._pictures(items)
        try:
            found = self._marked(query, event._data.get("marked"), pictures)
            if found.mistake:
                said = telling("trouble", found.mistake)
                return self._values(replace(sets, said=said), pictures, request)
            return self._values(sets.added(found), pictures, request, marks=(), query="")
        except RequestError as error:
            return self._values(replace(sets, said=partial(trouble, error)), pictures, request)

    def press(self, items: object, sets: MarkedSets, event: gr.EventData, request: gr.Request) -> list[Any]:
        """A set of the list is to be shown on the board, or to go."""
        pictures, pressed = self._pictures(items), dict(event._data)
        chosen = next((one for one in sets.sets if one.query == pressed.get("query")), None)
        if chosen is None:
            return self._values(sets, pictures, request)
        if pressed.get("action") == "remove":
            removed = replace(sets.without(chosen.query), said=telling("done", "set_removed", query=chosen.query))
            return self._values(removed, pictures, request)
        opened = replace(sets, said=telling("idle", "set_opened", query=chosen.query))
        return self._values(opened, pictures, request, marks=chosen.relevant, query=chosen.query)

    def follow(self, items: object, sets: MarkedSets, request: gr.Request) -> list[Any]:
        """After the gallery changed, or the language: the line, the board and the list."""
        said, _, board, shown, _ = self._values(sets, self._pictures(items), request)
        return [said, board, shown]

    def usable(self, items: object, sets: MarkedSets) -> list[LabelledQuery]:
        """The sets, the first one first, as far as their pictures are in the gallery and something can be measured."""
        found = sets.among(list(self._pictures(items).values()))
        return [one for one in reversed(found) if not one.mistake]

    def _pictures(self, items: object) -> dict[str, Path]:
        """Those of the gallery, by the thumbnails that the browser knows; one that is there twice is one."""
        pictures = list(dict.fromkeys(self._uploads.admission(listed(items)).pictures))
        return dict(zip(map(str, self._thumbnails.get_all(pictures)), pictures, strict=True))

    def _marked(self, query: object, keys: object, pictures: dict[str, Path]) -> LabelledQuery:
        """Raises `RequestError`."""
        if len(pictures) < MIN_PICTURES:
            raise TooFewPictures(count=len(pictures), min_count=MIN_PICTURES)
        text = " ".join(query.splitlines()) if isinstance(query, str) else ""
        wanted = {key for key in listed(keys) if isinstance(key, str)}
        return LabelledQuery(
            query=self._reranker.query(text).text,
            pictures=tuple(pictures.values()),
            relevant=tuple(picture for key, picture in pictures.items() if key in wanted),
        )

    def _values(
        self,
        sets: MarkedSets,
        pictures: dict[str, Path],
        request: gr.Request,
        *,
        marks: Sequence[Path] | None = None,
        query: str | None = None,
    ) -> list[Any]:
        """marks: that the board is to show from now on; the visitor's own where None, as with the query."""
        language = self._visitors.language(request)
        given = None if marks is None else [key for key, picture in pictures.items() if picture in set(marks)]
        board = {
            "pictures": [{"key": key, "name": picture.name} for key, picture in pictures.items()],
            "labels": phrases("mark_", language),
            "given": given,
            "serial": next(self._serials),
        }
        shown = [self._shown(one, language) for one in sets.among(list(pictures.values()))]
        values = [sets.said(language).value, sets, board, {"sets": shown, "title": phrase("sets", language)}]
        return [*values, gr.skip() if query is None else query]

    def _shown(self, marked: LabelledQuery, language: Language) -> dict[str, Any]:
        note = phrase("set_left_out", language) if marked.mistake else ""
        return {**shown_set(marked, language), "note": note}
