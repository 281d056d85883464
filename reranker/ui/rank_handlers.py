"""Handlers of the events that rank pictures and of those that change what is shown of the rankings."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import gradio as gr

from reranker.api import Reranker
from reranker.core.cancellation import Cancellation
from reranker.core.errors import QueryEmpty, TooFewPictures, TooManyPictures, TooManyQueries
from reranker.core.text import is_blank
from reranker.core.types import Query
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase, phrases
from reranker.server.status import Status, trouble
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.downloads import Downloads, Format
from reranker.ui.error_toasts import errors_as_sentences
from reranker.ui.history import History, rankings_value, read_saved_rankings
from reranker.ui.model_status import MIN_PICTURES, ModelStatus, judged_by
from reranker.ui.ranking_view import RankingView, failure_lists
from reranker.ui.run_progress import RunUpdate, follow_run
from reranker.ui.sessions import BrowserSessions
from reranker.ui.upload_handlers import as_list
from reranker.ui.uploads import CheckedPictures, Uploads

MAX_QUERIES: Final = 50  # of one run
MAX_SAVED_BYTES: Final = 20_000_000


class RankHandlers:
    """Return values of the status, the history, and the components that show the rankings."""

    def __init__(
        self, reranker: Reranker, uploads: Uploads, thumbnails: ThumbnailStore, sessions: BrowserSessions
    ) -> None:
        self._reranker, self._uploads, self._thumbnails, self._sessions = reranker, uploads, thumbnails, sessions
        self._model_status = ModelStatus(reranker, sessions)
        self._downloads = Downloads.of(uploads, reranker)

    def rank(self, query: object, items: object, history: History, request: gr.Request) -> Iterator[list[Any]]:
        """Rank the pictures by each line of the query, and show the progress after each picture.

        Yields values of the status, the history, and the buttons to rank and to stop. An error becomes the status.
        """
        language = self._sessions.language(request)
        stop = self._sessions.start_run(request)
        try:
            yield from self._run(query, items, history, language, stop)
        except Exception as error:
            yield run_outputs(trouble(error, language), None)
        finally:
            self._sessions.end_run(stop, request)

    def _run(
        self, query: object, items: object, history: History, language: Language, stop: Cancellation
    ) -> Iterator[list[Any]]:
        """Raises `RequestError`, `CheckpointError`."""
        queries = self._queries(query)
        checked = self._checked(items)
        for loading in self._model_status.load(language):
            yield run_outputs(loading, None)
        history = history.start_run(len(queries))
        for index, each in enumerate(queries):
            is_last = index + 1 == len(queries)
            prefix = f"{index + 1}/{len(queries)} “{each.text}” · " if len(queries) > 1 else ""
            for update in self._updates(each, checked, language, stop):
                if update.ranking_view is not None:
                    history = history.update(index, self._with_judged_by(update.ranking_view))
                is_stopping = update.status.tone == "busy" and stop.cancelled
                text_shown = phrase("stopping", language) if is_stopping else prefix + update.status.text
                status = replace(update.status, text=text_shown)
                shown = status if is_last or stop.cancelled else replace(status, tone="busy")
                yield run_outputs(shown, history if update.ranking_view else None)
            if stop.cancelled and not is_last:
                yield run_outputs(replace(status, tone="done"), None)
                return

    def _with_judged_by(self, ranking_view: RankingView) -> RankingView:
        """Record in a finished ranking how it was scored, since the model may be another one later."""
        return replace(ranking_view, judged_by=judged_by(self._reranker)) if ranking_view.ended else ranking_view

    def _updates(
        self, query: Query, checked: CheckedPictures, language: Language, stop: Cancellation
    ) -> Iterator[RunUpdate]:
        scorer = self._reranker.load()
        return follow_run(
            self._reranker.rank_stream(query, checked.candidates, cancellation=stop),
            checked,
            query=query.text,
            temperature=scorer.info.temperature,
            language=language,
            device_memory=lambda: scorer.device_memory,
            relevance_threshold=scorer.info.relevance_threshold,
        )

    def _queries(self, text: object) -> list[Query]:
        """Return the validated lines of a text, each once. Raises `RequestError`."""
        lines = text.splitlines() if isinstance(text, str) else []
        queries = list(dict.fromkeys(line.strip() for line in lines if not is_blank(line)))
        if not queries:
            raise QueryEmpty
        if len(queries) > MAX_QUERIES:
            raise TooManyQueries(count=len(queries), max_count=MAX_QUERIES)
        return [self._reranker.query(query) for query in queries]

    def _checked(self, items: object) -> CheckedPictures:
        """Raises `RequestError` if there are too few or too many items."""
        pictures, max_pictures = as_list(items), self._reranker.settings.limits.max_pictures
        if len(pictures) < MIN_PICTURES:
            raise TooFewPictures(count=len(pictures), min_count=MIN_PICTURES)
        if len(pictures) > max_pictures:
            raise TooManyPictures(count=len(pictures), max_count=max_pictures)
        return self._uploads.check(pictures)

    def stop(self, request: gr.Request) -> Any:
        """Stop the run of this tab after its current batch, and return the status. Finished scores are kept."""
        if not self._sessions.stop_runs(request):
            return gr.skip()
        return Status(text=phrase("stopping", self._sessions.language(request)), tone="busy").value

    def draw(self, history: History, request: gr.Request) -> list[Any]:
        """Return values of the rankings, the failures, the row of downloads, and the panel of the chosen picture."""
        language = self._sessions.language(request)
        failed = [failure for view in history.ranking_views[:1] for failure in view.failed]
        is_complete = any(view.ranking is not None and view.cards for view in history.ranking_views)
        rankings = rankings_value(history, self._thumbnails.get, phrases("ranking_view_", language))
        panel = gr.skip() if any(view.cards for view in history.ranking_views) else None
        return [rankings, failure_lists(failed, language), gr.update(visible=is_complete), panel]

    def change_view(self, history: History, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Show an earlier ranking, compare it with the shown one, or close the comparison, whichever was clicked.

        Returns values of the history and of the panel of the chosen picture. During a run nothing changes, since the
        run itself writes the history.
        """
        click = dict(event._data)
        index, tab = (value if isinstance(value := click.get(name), int) else -1 for name in ("index", "tab"))
        changes: dict[str, Callable[[], History]] = {
            "open": partial(history.show_earlier, index),
            "compare": partial(history.compare, index, tab),
            "close": history.close_comparison,
        }
        change = changes.get(click.get("action", ""))
        if change is None or self._sessions.is_running(request):
            return [gr.skip(), gr.skip()]
        return [change(), None]

    def open_saved(self, history: History, file: object, request: gr.Request) -> list[Any]:
        """Show an uploaded ranking that was downloaded before. Returns values of the status and the history."""
        language = self._sessions.language(request)
        if self._sessions.is_running(request):
            return [Status(text=phrase("not_now", language), tone="busy").value, gr.skip()]
        try:
            path = self._uploads.resolve_upload(file)
            self._sessions.add_files([path], request)
            with path.open("rb") as saved:
                ranking_views = read_saved_rankings(saved.read(MAX_SAVED_BYTES), path.name)
        except Exception as error:
            return [trouble(error, language).value, gr.skip()]
        return [Status(text=phrase("opened", language, name=path.name), tone="done").value, history.add(ranking_views)]

    def download_handler(self, format_: Format) -> Callable[[History, object, object, gr.Request], Any]:
        """Return the handler that writes a ranking in a format, for a button that the browser then clicks."""

        def write(history: History, zip_count: object, tab: object, request: gr.Request) -> Any:
            ranking_view = _view_at(history.ranking_views, tab)
            if ranking_view is None or ranking_view.ranking is None or ranking_view.judged_by is None:
                return gr.update(value=None)  # otherwise the browser would download the previous file
            count, language = _whole_number(zip_count), self._sessions.language(request)
            with errors_as_sentences(language):
                file = self._downloads.write(
                    ranking_view.ranking,
                    format_,
                    ranking_view.judged_by,
                    count if count is not None and count >= 1 else len(ranking_view.cards),
                    language,
                    request.session_hash or "",
                )
            self._sessions.add_files([file], request)
            return gr.update(value=str(file))

        return write


def run_outputs(status: Status, state: object | None) -> list[Any]:
    """Return values of the status, the state of a run, and the buttons to start and to stop it.

    state: None if it has not changed.
    """
    is_running = status.tone == "busy"
    return [
        status.value,
        gr.skip() if state is None else state,
        gr.update(interactive=not is_running),
        gr.update(interactive=is_running),
    ]


def _view_at(ranking_views: Sequence[RankingView], tab: object) -> RankingView | None:
    index = _whole_number(tab) or 0
    return ranking_views[index] if 0 <= index < len(ranking_views) else None


def _whole_number(value: object) -> int | None:
    """Return the whole part of a number that a client has sent, or None if it is none."""
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else None
    return value if isinstance(value, int) else None
