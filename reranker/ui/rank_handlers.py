"""Runs on the page, and what is done with their rankings: each method serves one event, for all visitors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import gradio as gr

from reranker.api import Reranker
from reranker.core.cancellation import Cancellation
from reranker.core.errors import QueryEmpty, TooFewPictures, TooManyPictures, TooManyQueries
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase, phrases
from reranker.server.status import Status, trouble
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.downloads import Downloads, Format
from reranker.ui.history import History, board, saved_ranking_view
from reranker.ui.model_status import MIN_PICTURES, ModelStatus, judged_by
from reranker.ui.ranking_view import RankingView, reasons
from reranker.ui.run_progress import View, watch
from reranker.ui.sessions import Visitors
from reranker.ui.upload_handlers import listed
from reranker.ui.uploads import Admission, Uploads

MAX_QUERIES: Final = 50  # of one run
MAX_SAVED_BYTES: Final = 20_000_000


class RankHandlers:
    """Gives values for the status, the book of rankings, and the components that show it."""

    def __init__(self, reranker: Reranker, uploads: Uploads, thumbnails: ThumbnailStore, visitors: Visitors) -> None:
        self._reranker, self._uploads, self._thumbnails, self._visitors = reranker, uploads, thumbnails, visitors
        self._model_status = ModelStatus(reranker, visitors)
        self._downloads = Downloads(folder=uploads.folder / "takeaway", limits=reranker.limits)

    def rank(self, query: object, items: object, history: History, request: gr.Request) -> Iterator[list[Any]]:
        """A run, of several queries where there is one a line: what is shown after each picture, and at its end.

        Values of the status, the book, and the buttons to rank and to stop. Trouble is a sentence in the status.
        """
        language = self._visitors.language(request)
        stop = self._visitors.begin(request)
        try:
            yield from self._run(query, items, history, language, stop)
        except Exception as error:
            yield outputs(trouble(error, language), None)
        finally:
            self._visitors.end(stop, request)

    def _run(
        self, query: object, items: object, history: History, language: Language, stop: Cancellation
    ) -> Iterator[list[Any]]:
        queries = self._queries(query)
        admission = self._admitted(items)
        for loading in self._model_status.loading(language):
            yield outputs(loading, None)
        history = history.begun(len(queries))
        for number, text in enumerate(queries):
            before = f"{number + 1}/{len(queries)} “{text}” · " if len(queries) > 1 else ""
            for view in self._watched(text, admission, language, stop):
                if view.ranking_view is not None:
                    history = history.moved(number, self._signed(view.ranking_view))
                going_on = view.status.tone != "busy" and number + 1 < len(queries) and not stop.cancelled
                stopping = view.status.tone == "busy" and stop.cancelled
                said = phrase("stopping", language) if stopping else before + view.status.text
                status = replace(view.status, text=said)
                yield outputs(
                    replace(status, tone="busy") if going_on else status, history if view.ranking_view else None
                )
            if stop.cancelled and number + 1 < len(queries):
                yield outputs(replace(status, tone="done"), None)
                return

    def _signed(self, ranking_view: RankingView) -> RankingView:
        """With how it was judged, once it is: another model may judge later."""
        return replace(ranking_view, judged_by=judged_by(self._reranker)) if ranking_view.ended else ranking_view

    def _watched(self, query: str, admission: Admission, language: Language, stop: Cancellation) -> Iterator[View]:
        scorer = self._reranker.load()
        return watch(
            self._reranker.rank_stream(query, admission.candidates, cancellation=stop),
            admission,
            query=query,
            temperature=scorer.info.temperature,
            language=language,
            device_memory=partial(getattr, scorer, "card_memory"),
            relevance_threshold=scorer.info.relevance_threshold,
        )

    def _queries(self, text: object) -> list[str]:
        """One a line, each once. Raises `RequestError`."""
        lines = text.splitlines() if isinstance(text, str) else []
        queries = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
        if not queries:
            raise QueryEmpty
        if len(queries) > MAX_QUERIES:
            raise TooManyQueries(count=len(queries), max_count=MAX_QUERIES)
        for query in queries:
            self._reranker.query(query)
        return queries

    def _admitted(self, items: object) -> Admission:
        """What may be opened of the items. Raises `RequestError`."""
        given, most = listed(items), self._reranker.settings.limits.max_pictures
        if len(given) < MIN_PICTURES:
            raise TooFewPictures(count=len(given), min_count=MIN_PICTURES)
        if len(given) > most:
            raise TooManyPictures(count=len(given), max_count=most)
        return self._uploads.admission(given)

    def stop(self, request: gr.Request) -> Any:
        """Ends this visitor's run after the batch at work; what was judged stays."""
        if not self._visitors.stop(request):
            return gr.skip()
        return Status(text=phrase("stopping", self._visitors.language(request)), tone="busy").value

    def draw(self, history: History, request: gr.Request) -> list[Any]:
        """Values of the board, of the reasons, of the files to take away, and of the chosen one where there is none."""
        language = self._visitors.language(request)
        failed = [failure for ranking_view in history.ranking_views[:1] for failure in ranking_view.failed]
        ready = any(ranking_view.ranking is not None and ranking_view.cards for ranking_view in history.ranking_views)
        shown = board(history, self._thumbnails.get, phrases("ranking_view_", language))
        chosen = gr.skip() if any(ranking_view.cards for ranking_view in history.ranking_views) else None
        return [shown, reasons(failed, language), gr.update(visible=ready), chosen]

    def press(self, history: History, event: gr.EventData, request: gr.Request) -> list[Any]:
        """An earlier ranking is to be shown, or to stand beside the shown one, or to go: the book, none chosen."""
        pressed = dict(event._data)
        index, tab = (at if isinstance(at := pressed.get(name), int) else -1 for name in ("index", "tab"))
        turns: dict[str, Callable[[], History]] = {
            "open": partial(history.opened, index),
            "compare": partial(history.beside, index, tab),
            "close": history.closed,
        }
        turn = turns.get(pressed.get("action", ""))
        if turn is None or self._visitors.is_running(request):  # a run writes its own book until it ends
            return [gr.skip(), gr.skip()]
        return [turn(), None]

    def open_saved(self, history: History, file: object, request: gr.Request) -> list[Any]:
        """Values of the status and the book, after a ranking was uploaded that had been taken away."""
        language = self._visitors.language(request)
        if self._visitors.is_running(request):
            return [Status(text=phrase("not_now", language), tone="busy").value, gr.skip()]
        try:
            path = self._uploads.admit(file)
            self._visitors.bring([path], request)
            with path.open("rb") as saved:
                ranking_view = saved_ranking_view(saved.read(MAX_SAVED_BYTES), path.name)
        except Exception as error:
            return [trouble(error, language).value, gr.skip()]
        return [gr.skip(), history.added(ranking_view)]

    def taker(self, format_: Format) -> Callable[[History, object, object, gr.Request], Any]:
        """What serves the button of a format: it makes the file, for the button that the browser then presses."""

        def take(history: History, best: object, tab: object, request: gr.Request) -> Any:
            ranking_view = _at(history.ranking_views, tab)
            if ranking_view is None or ranking_view.ranking is None or ranking_view.judged_by is None:
                return gr.update(value=None)  # or the browser would take the file from before
            count = int(best) if isinstance(best, int | float) and best >= 1 else len(ranking_view.cards)
            language = self._visitors.language(request)
            file = self._downloads.write(ranking_view.ranking, format_, ranking_view.judged_by, count, language)
            self._visitors.bring([file], request)
            return gr.update(value=str(file))

        return take


def outputs(status: Status, state: object | None) -> list[Any]:
    """Values of the status, of the state that a run changes where it did, and of the buttons to start and to stop."""
    running = status.tone == "busy"
    return [
        status.value,
        gr.skip() if state is None else state,
        gr.update(interactive=not running),
        gr.update(interactive=running),
    ]


def _at(ranking_views: Sequence[RankingView], tab: object) -> RankingView | None:
    number = int(tab) if isinstance(tab, int | float) else 0
    return ranking_views[number] if 0 <= number < len(ranking_views) else None
