"""Who is at the page: the language of each tab of a browser, its pictures, and the runs that it may stop."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, get_args

import gradio as gr

from reranker.core.cancellation import Cancellation
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import language_of

MOST_REMEMBERED: Final = 10_000

Work = Literal["ranking", "evaluation"]


class Visitors:
    """Known by the session that each tab has; nothing is kept in the browser, where storage may be denied."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._languages: OrderedDict[str, Language] = OrderedDict()
        self._stops: dict[tuple[str, Work], set[Cancellation]] = {}
        self._brought: OrderedDict[str, set[Path]] = OrderedDict()
        self._left: OrderedDict[str, None] = OrderedDict()

    def language(self, request: gr.Request) -> Language:
        """The one that was chosen there, else what the browser asks for."""
        with self._lock:
            chosen = self._languages.get(_session(request))
        return chosen or language_of(request.headers.get("accept-language"))

    def choose(self, language: Language, request: gr.Request) -> None:
        """From now on this tab is spoken to in `language`."""
        with self._lock:
            self._languages[_session(request)] = language
            _bound(self._languages)

    def begin(self, request: gr.Request, work: Work = "ranking") -> Cancellation:
        """A run, which `stop` ends."""
        stop = Cancellation()
        with self._lock:
            self._stops.setdefault((_session(request), work), set()).add(stop)
        return stop

    def end(self, stop: Cancellation, request: gr.Request, work: Work = "ranking") -> None:
        """The run is over."""
        key = _session(request), work
        with self._lock:
            self._stops[key].discard(stop)
            if not self._stops[key]:
                del self._stops[key]

    def stop(self, request: gr.Request, work: Work = "ranking") -> bool:
        """End all runs of this tab that do this work; True where there was one."""
        with self._lock:
            stops = self._stops.get((_session(request), work), set())
            for stop in stops:
                stop.cancel()
            return bool(stops)

    def is_running(self, request: gr.Request, work: Work = "ranking") -> bool:
        """Whether this tab has a run."""
        with self._lock:
            return bool(self._stops.get((_session(request), work)))

    def bring(self, files: Iterable[Path], request: gr.Request) -> None:
        """This tab has uploaded these, or was given them. What comes after its end is nobody's."""
        with self._lock:
            if _session(request) not in self._left:
                self._brought.setdefault(_session(request), set()).update(files)
                _bound(self._brought)

    def leave(self, request: gr.Request) -> set[Path]:
        """The tab was closed; returns the files that nobody else has. Equal ones of two visitors are one file."""
        for work in get_args(Work):
            self.stop(request, work)
        with self._lock:
            self._languages.pop(_session(request), None)
            self._left[_session(request)] = None
            _bound(self._left)
            left = self._brought.pop(_session(request), set())
            return left.difference(*self._brought.values())


def _bound(remembered: OrderedDict[str, Any]) -> None:
    if len(remembered) > MOST_REMEMBERED:
        remembered.popitem(last=False)


def _session(request: gr.Request) -> str:
    return request.session_hash or ""
