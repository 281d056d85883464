"""What happens on the page: each method serves one event of it, for all visitors; whose it is, the request says.

Pictures come as the browser sends them, or whoever calls in its place; `Uploads` decides which are opened.
"""

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import gradio as gr

from reranker.errors import TooFewPictures, TooManyPictures
from reranker.reranker import Reranker
from reranker.sentences import Language
from reranker.web.reception import MIN_PICTURES, Reception
from reranker.web.results import Deck, Thumbnails, View, answer, completed, details, reasons, watch
from reranker.web.status import Status, trouble
from reranker.web.takeaway import Format, Takeaway
from reranker.web.uploads import Admission, Uploads
from reranker.web.wording import LABELS, is_translated_by_browser, language_of, phrase

SAMPLE_TYPES: Final = {".png", ".jpg", ".webp"}


class Desk:
    """Takes pictures and sentences in, and gives values for the components of the page out.

    samples: a folder of pictures, and the sentences to try on them in its `queries.json`.
    """

    def __init__(self, reranker: Reranker, uploads: Uploads, samples: Path) -> None:
        self._reranker, self._uploads = reranker, uploads
        self._thumbnails = Thumbnails(uploads, reranker.limits, reranker.settings.reader_threads)
        self.reception = Reception(reranker)
        self._takeaway = Takeaway(folder=uploads.folder / "takeaway", limits=reranker.limits)
        self._stops = _Stops()
        self.samples = sorted(path for path in samples.glob("*") if path.suffix in SAMPLE_TYPES)
        self.queries = _queries(samples / "queries.json")

    def relabel(self, labelled: Sequence[dict[str, str]], request: gr.Request) -> list[Any]:
        """The labels of components, for a visitor to whom the browser would show them in another language."""
        accepted, language = request.headers.get("accept-language"), _language(request)
        if is_translated_by_browser(accepted):
            return [gr.skip() for _ in labelled]
        labels = [{name: LABELS[key][language] for name, key in keys.items()} for keys in labelled]
        return [gr.update(**dict[str, Any](texts)) for texts in labels]

    def take(self, items: object, request: gr.Request) -> tuple[Any, Any, Any]:
        """After an upload: no more pictures than are allowed, each with a thumbnail in its place."""
        given, most, language = _listed(items), self._reranker.settings.max_pictures, _language(request)
        status: Any = gr.skip()
        if len(given) > most:
            text = phrase("kept_first", language, max_count=most, count=len(given))
            status = Status(text=text, tone="trouble").value
        return *self._pictures(given[:most], language), status

    def add_samples(self, items: object, request: gr.Request) -> tuple[Any, Any]:
        """The sample gallery, after what is there; a picture of it that is there already is not repeated."""
        given = _listed(items)
        there = self._uploads.admission(given).pictures
        added = [str(path) for path in map(self._uploaded, self.samples) if path not in there]
        return self._pictures([*given, *added], _language(request))

    def _uploaded(self, sample: Path) -> Path:
        """A sample as if it had been uploaded, so that pictures come from one folder only."""
        target = self._uploads.folder / "samples" / sample.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sample, target)
        return target

    def remove(self, items: object, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        """All but the one whose button in the list of names was pressed."""
        left = [item for position, item in enumerate(_listed(items)) if position != event.index]
        return self._pictures(left, _language(request))

    def clear(self) -> tuple[Any, Any]:
        """No pictures."""
        return [], None

    def list_names(self, items: object, request: gr.Request) -> Any:
        """The list of names, after the browser itself removed a picture."""
        return _names(self._uploads.admission(_listed(items)).pictures, _language(request))

    def _pictures(self, items: Sequence[object], language: Language) -> tuple[Any, Any]:
        """Values of the gallery of pictures, and of the list of their names."""
        pictures = self._uploads.admission(items).pictures
        thumbnails = self._thumbnails.of_all(pictures)
        shown = [(str(thumbnail), picture.name) for thumbnail, picture in zip(thumbnails, pictures, strict=True)]
        return shown, _names(pictures, language)

    def rank(self, query: object, items: object, request: gr.Request) -> Iterator[list[Any]]:
        """A run: what is shown after each picture, and at its end; trouble is a sentence in the status line."""
        language, session = _language(request), _session(request)
        stop = self._stops.begin(session)
        try:
            yield from self._run(query, items, language, stop)
        except Exception as error:
            yield self._outputs(View(status=trouble(error, language)))
        finally:
            self._stops.end(session, stop)

    def _run(self, query: object, items: object, language: Language, stop: threading.Event) -> Iterator[list[Any]]:
        admission = self._asked(query, items, MIN_PICTURES)
        for loading in self.reception.loading(language):
            yield self._outputs(View(status=loading))
        scorer = self._reranker.load()
        stream = self._reranker.rank_stream(_text(query), admission.candidates, stop=stop)
        memory = partial(getattr, scorer, "card_memory")
        for view in watch(
            stream,
            admission,
            temperature=scorer.temperature,
            language=language,
            card_memory=memory,
            fits=scorer.fits,
        ):
            yield self._outputs(view)

    def _asked(self, query: object, items: object, min_count: int) -> Admission:
        """What may be opened of the items. Raises `RequestError`."""
        self._reranker.query(_text(query))
        given, most = _listed(items), self._reranker.settings.max_pictures
        if len(given) < min_count:
            raise TooFewPictures(count=len(given), min_count=min_count)
        if len(given) > most:
            raise TooManyPictures(count=len(given), max_count=most)
        return self._uploads.admission(given)

    def _outputs(self, view: View) -> list[Any]:
        """Values of the status, the deck, and the buttons to rank and to stop."""
        running = view.status.tone == "busy"
        deck = gr.skip() if view.deck is None else view.deck
        return [view.status.value, deck, gr.update(interactive=not running), gr.update(interactive=running)]

    def draw(self, deck: Deck, request: gr.Request) -> list[Any]:
        """Values of the ranking, of the reasons, and of the chosen card, which is of another deck once that changed."""
        ranking = [(str(self._thumbnails.of(card.source)), card.caption) for card in deck.cards]
        chosen = gr.skip() if deck.cards and not deck.ended else None
        return [ranking, reasons(deck.failed, _language(request)), chosen]

    def offer(self, deck: Deck) -> Any:
        """Whether there is something to take away."""
        return gr.update(visible=bool(deck.ranking and deck.cards))

    def taker(self, format_: Format) -> Callable[[Deck, object, gr.Request], Any]:
        """What serves the button of a format: it makes the file, for the button that the browser then presses."""

        def take(deck: Deck, best: object, request: gr.Request) -> Any:
            if deck.ranking is None:
                return gr.skip()
            count = int(best) if isinstance(best, int | float) and best >= 1 else len(deck.cards)
            file = self._takeaway.write(deck.ranking, format_, self.reception.judged_by, count, _language(request))
            return gr.update(value=str(file))

        return take

    def stop(self, request: gr.Request) -> Any:
        """Ends this visitor's run after the batch at work; what was judged stays."""
        if not self._stops.stop(_session(request)):
            return gr.skip()
        return Status(text=phrase("stopping", _language(request)), tone="busy").value

    def leave(self, request: gr.Request) -> None:
        """A tab was closed."""
        self._stops.stop(_session(request))

    def choose(self, deck: Deck, event: gr.SelectData, request: gr.Request) -> Any:
        """More of the chosen picture."""
        position = event.index if isinstance(event.index, int) else -1
        return details(deck.cards[position], _language(request)) if 0 <= position < len(deck.cards) else None

    def answer(
        self, query: str, items: list[Any], top_k: int | None, texts: list[str] | None, request: gr.Request
    ) -> dict[str, Any]:
        """The ranking for a program. Raises `gr.Error` with a sentence."""
        language = _language(request)
        if not (_is_well_formed(query, items, top_k) and _are_texts(texts, items)):
            raise gr.Error(phrase("malformed", language), print_exception=False)
        try:
            admission = self._asked(query, items, 1)
            beside = [texts[position] for position in admission.positions] if texts else [""] * admission.total
            pairs = zip(admission.candidates, beside, strict=False)
            ranking = self._reranker.rank(query, [replace(one, text=text) for one, text in pairs], top_k=top_k)
        except Exception as error:
            raise gr.Error(trouble(error, language).text, print_exception=False) from None
        return answer(completed(ranking, admission), self.reception.judged_by, language)


class _Stops:
    """The runs that a visitor may stop, by the session that each tab of a browser has."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, set[threading.Event]] = {}

    def begin(self, session: str) -> threading.Event:
        stop = threading.Event()
        with self._lock:
            self._events.setdefault(session, set()).add(stop)
        return stop

    def end(self, session: str, stop: threading.Event) -> None:
        with self._lock:
            self._events[session].discard(stop)
            if not self._events[session]:
                del self._events[session]

    def stop(self, session: str) -> bool:
        """True where there was something to stop."""
        with self._lock:
            stops = self._events.get(session, set())
            for stop in stops:
                stop.set()
            return bool(stops)


def _language(request: gr.Request) -> Language:
    return language_of(request.headers.get("accept-language"))


def _session(request: gr.Request) -> str:
    return request.session_hash or ""


def _listed(items: object) -> list[Any]:
    return items if isinstance(items, list) else []


def _text(query: object) -> str:
    return query if isinstance(query, str) else ""


def _is_well_formed(query: object, items: object, top_k: object) -> bool:
    whole = isinstance(top_k, int) and not isinstance(top_k, bool) and top_k > 0
    return isinstance(query, str) and isinstance(items, list) and (top_k is None or whole)


def _are_texts(texts: object, items: list[Any]) -> bool:
    if texts is None:
        return True
    return isinstance(texts, list) and len(texts) == len(items) and all(isinstance(text, str) for text in texts)


def _queries(path: Path) -> list[str]:
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def _names(pictures: Sequence[Path], language: Language) -> dict[str, Any]:
    rows = [{"name": path.name, "remove": phrase("remove", language, name=path.name)} for path in pictures]
    return {"title": phrase("names", language, count=len(rows)), "items": rows}
