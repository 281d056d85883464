"""Runs on the page, and what is done with their rankings: each method serves one event, for all visitors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from threading import Event
from typing import Any, Final

import gradio as gr

from reranker.errors import QueryEmpty, TooFewPictures, TooManyPictures, TooManyQueries
from reranker.reranker import Reranker
from reranker.sentences import Language
from reranker.web.book import Book, board, saved_deck
from reranker.web.desk import listed
from reranker.web.reception import MIN_PICTURES, Reception, judged_by
from reranker.web.results import Deck, reasons
from reranker.web.status import Status, trouble
from reranker.web.takeaway import Format, Takeaway
from reranker.web.thumbnails import Thumbnails
from reranker.web.uploads import Admission, Uploads
from reranker.web.visitors import Visitors
from reranker.web.watching import View, watch
from reranker.web.wording import phrase, phrases

MAX_QUERIES: Final = 50  # of one run
MAX_SAVED_BYTES: Final = 20_000_000


class Runs:
    """Gives values for the status, the book of rankings, and the components that show it."""

    def __init__(self, reranker: Reranker, uploads: Uploads, thumbnails: Thumbnails, visitors: Visitors) -> None:
        self._reranker, self._uploads, self._thumbnails, self._visitors = reranker, uploads, thumbnails, visitors
        self._reception = Reception(reranker, visitors)
        self._takeaway = Takeaway(folder=uploads.folder / "takeaway", limits=reranker.limits)

    def rank(self, query: object, items: object, book: Book, request: gr.Request) -> Iterator[list[Any]]:
        """A run, of several queries where there is one a line: what is shown after each picture, and at its end.

        Values of the status, the book, and the buttons to rank and to stop. Trouble is a sentence in the status.
        """
        language = self._visitors.language(request)
        stop = self._visitors.begin(request)
        try:
            yield from self._run(query, items, book, language, stop)
        except Exception as error:
            yield outputs(trouble(error, language), None)
        finally:
            self._visitors.end(stop, request)

    def _run(self, query: object, items: object, book: Book, language: Language, stop: Event) -> Iterator[list[Any]]:
        queries = self._queries(query)
        admission = self._admitted(items)
        for loading in self._reception.loading(language):
            yield outputs(loading, None)
        book = book.begun(len(queries))
        for number, text in enumerate(queries):
            before = f"{number + 1}/{len(queries)} “{text}” · " if len(queries) > 1 else ""
            for view in self._watched(text, admission, language, stop):
                if view.deck is not None:
                    book = book.moved(number, self._signed(view.deck))
                going_on = view.status.tone != "busy" and number + 1 < len(queries) and not stop.is_set()
                stopping = view.status.tone == "busy" and stop.is_set()
                said = phrase("stopping", language) if stopping else before + view.status.text
                status = replace(view.status, text=said)
                yield outputs(replace(status, tone="busy") if going_on else status, book if view.deck else None)
            if stop.is_set() and number + 1 < len(queries):
                yield outputs(replace(status, tone="done"), None)
                return

    def _signed(self, deck: Deck) -> Deck:
        """With how it was judged, once it is: another model may judge later."""
        return replace(deck, judged_by=judged_by(self._reranker)) if deck.ended else deck

    def _watched(self, query: str, admission: Admission, language: Language, stop: Event) -> Iterator[View]:
        scorer = self._reranker.load()
        return watch(
            self._reranker.rank_stream(query, admission.candidates, stop=stop),
            admission,
            query=query,
            temperature=scorer.temperature,
            language=language,
            card_memory=partial(getattr, scorer, "card_memory"),
            fits=scorer.fits,
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
        given, most = listed(items), self._reranker.settings.max_pictures
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

    def draw(self, book: Book, request: gr.Request) -> list[Any]:
        """Values of the board, of the reasons, of the files to take away, and of the chosen one where there is none."""
        language = self._visitors.language(request)
        failed = [failure for deck in book.decks[:1] for failure in deck.failed]
        ready = any(deck.ranking is not None and deck.cards for deck in book.decks)
        shown = board(book, self._thumbnails.of, phrases("board_", language))
        chosen = gr.skip() if any(deck.cards for deck in book.decks) else None
        return [shown, reasons(failed, language), gr.update(visible=ready), chosen]

    def press(self, book: Book, event: gr.EventData, request: gr.Request) -> list[Any]:
        """An earlier ranking is to be shown, or to stand beside the shown one, or to go: the book, none chosen."""
        pressed = dict(event._data)
        index, tab = (at if isinstance(at := pressed.get(name), int) else -1 for name in ("index", "tab"))
        turns: dict[str, Callable[[], Book]] = {
            "open": partial(book.opened, index),
            "compare": partial(book.beside, index, tab),
            "close": book.closed,
        }
        turn = turns.get(pressed.get("action", ""))
        if turn is None or self._visitors.is_running(request):  # a run writes its own book until it ends
            return [gr.skip(), gr.skip()]
        return [turn(), None]

    def open_saved(self, book: Book, file: object, request: gr.Request) -> list[Any]:
        """Values of the status and the book, after a ranking was uploaded that had been taken away."""
        language = self._visitors.language(request)
        if self._visitors.is_running(request):
            return [Status(text=phrase("not_now", language), tone="busy").value, gr.skip()]
        try:
            path = self._uploads.admit(file)
            self._visitors.bring([path], request)
            with path.open("rb") as saved:
                deck = saved_deck(saved.read(MAX_SAVED_BYTES), path.name)
        except Exception as error:
            return [trouble(error, language).value, gr.skip()]
        return [gr.skip(), book.added(deck)]

    def taker(self, format_: Format) -> Callable[[Book, object, object, gr.Request], Any]:
        """What serves the button of a format: it makes the file, for the button that the browser then presses."""

        def take(book: Book, best: object, tab: object, request: gr.Request) -> Any:
            deck = _at(book.decks, tab)
            if deck is None or deck.ranking is None or deck.judged_by is None:
                return gr.update(value=None)  # or the browser would take the file from before
            count = int(best) if isinstance(best, int | float) and best >= 1 else len(deck.cards)
            language = self._visitors.language(request)
            file = self._takeaway.write(deck.ranking, format_, deck.judged_by, count, language)
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


def _at(decks: Sequence[Deck], tab: object) -> Deck | None:
    number = int(tab) if isinstance(tab, int | float) else 0
    return decks[number] if 0 <= number < len(decks) else None
